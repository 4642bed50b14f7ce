"""Monitor: what "still good" means for a ModelDeployment, and what may happen when it is not."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from homeostat.api.common import (
    Conditions,
    Decimal,
    Duration,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    ResourceName,
    SpecModel,
    StatusModel,
    Text,
    map_list,
    rule,
)
from homeostat.api.v1alpha1.trainingjob import TrainingJobSpec
from homeostat.enums import Metric, Operator, SignalState


class SignalType(StrEnum):
    """What a signal looks at."""

    DATA_DRIFT = "DataDrift"
    PERFORMANCE = "Performance"
    BUSINESS = "Business"


class DriftAggregation(StrEnum):
    """How drift of features becomes one value."""

    MAX = "Max"


class NoDataPolicy(StrEnum):
    """What missing data leads to; never an action."""

    HOLD = "Hold"
    ALERT = "Alert"


class RetrainAction(StrEnum):
    """What an admitted decision does; automation is a stated choice."""

    NONE = "None"
    ALERT = "Alert"
    PROPOSE = "Propose"
    AUTO = "Auto"


class Threshold(SpecModel):
    """The bound of a signal."""

    operator: Annotated[Operator, Field(description="On which side of the value the breach lies.")]
    value: Annotated[Decimal, Field(description="Bound, a decimal number.")]


class Signal(SpecModel):
    """One thing that is watched."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "(self.type == 'Performance') == has(self.metric)", "metric is given exactly with type Performance"
                ),
                rule("(self.type == 'Business') == has(self.query)", "query is given exactly with type Business"),
                rule(
                    "self.type == 'DataDrift' || !has(self.aggregation)",
                    "aggregation is given only with type DataDrift",
                ),
                rule(
                    "self.type != 'DataDrift' || self.threshold.operator == 'GreaterThan'",
                    "drift breaches above its threshold: use operator GreaterThan",
                ),
            ]
        }
    )

    name: Annotated[ResourceName, Field(description="Name of the signal.")]
    type: Annotated[SignalType, Field(description="What the signal looks at.")]
    aggregation: Annotated[
        DriftAggregation | None,
        Field(description="How the drift of single features is aggregated, with type DataDrift; absent: Max."),
    ] = None
    metric: Annotated[Metric | None, Field(description="Metric on real outcomes, with type Performance.")] = None
    query: Annotated[
        str | None,
        Field(description="PromQL that gives one number, with type Business.", min_length=1, max_length=4096),
    ] = None
    threshold: Annotated[Threshold, Field(description="The bound.")]
    window: Annotated[Duration, Field(description="Width of the disjoint windows that are judged.")]
    consecutive: Annotated[int, Field(description="Windows in a row that must agree.", ge=1, le=24)] = 2
    min_samples: Annotated[int, Field(description="Fewest (effective) samples of a judgement.", ge=1)] = 200
    no_data: Annotated[NoDataPolicy, Field(description="What missing data leads to.")] = NoDataPolicy.HOLD


class RetrainTemplate(SpecModel):
    """The TrainingJob that is created; its trigger is filled in."""

    spec: Annotated[TrainingJobSpec, Field(description="spec of the TrainingJob.")]


class RetrainRequirements(SpecModel):
    """What must be there before a training makes sense."""

    new_labels: Annotated[
        int, Field(description="Distinct entities labelled for predictions made since the breach began.", ge=0)
    ] = 0


class MaxRetrains(SpecModel):
    """A bound on the number of retrainings."""

    count: Annotated[int, Field(description="Retrainings allowed.", ge=1, le=1000)]
    window: Annotated[Duration, Field(description="Within this time.")]


class Retrain(SpecModel):
    """What may happen on a breach."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "self.action in ['None', 'Alert'] || has(self.template)",
                    "action Propose or Auto needs a template of the TrainingJob",
                )
            ]
        }
    )

    action: Annotated[RetrainAction, Field(description="What an admitted decision does.")]
    template: Annotated[RetrainTemplate | None, Field(description="The TrainingJob that is created.")] = None
    requires: Annotated[RetrainRequirements, Field(description="What must be there first.")] = RetrainRequirements()
    cooldown: Annotated[Duration, Field(description="Shortest time between two breach-triggered trainings.")] = "24h"
    max_retrains: Annotated[MaxRetrains | None, Field(description="A bound on their number.")] = None


class DeploymentRef(SpecModel):
    """A ModelDeployment of the same namespace."""

    name: Annotated[ResourceName, Field(description="Name of the ModelDeployment.")]


class MonitorSpec(SpecModel):
    """Intent of a Monitor."""

    deployment_ref: Annotated[DeploymentRef, Field(description="What is watched.")]
    signals: Annotated[
        list[Signal],
        Field(description="What is looked at.", min_length=1, max_length=32, json_schema_extra=map_list("name")),
    ]
    retrain: Annotated[Retrain, Field(description="What may happen on a breach.")]
    suspend: Annotated[bool, Field(description="Signals are still shown, nothing is decided.")] = False


class SignalStatus(StatusModel):
    """The last judged window of a signal."""

    name: Annotated[str, Field(description="Name of the signal.", max_length=63)]
    state: SignalState
    value: Annotated[Decimal | None, Field(description="Estimate over the window.")] = None
    lower: Annotated[Decimal | None, Field(description="Lower end of the 95 % interval.")] = None
    upper: Annotated[Decimal | None, Field(description="Upper end of the 95 % interval.")] = None
    samples: Annotated[int, Field(description="(Effective) samples of the window.", ge=0)] = 0
    since: Annotated[datetime | None, Field(description="When the state began.")] = None
    judged_through: Annotated[datetime | None, Field(description="End of the last judged window.")] = None
    consecutive_breaches: Annotated[int, Field(description="Breached windows in a row.", ge=0)] = 0
    first_breach: Annotated[datetime | None, Field(description="Start of the first window of that row.")] = None
    version: Annotated[str, Field(description="Version that the windows are about.", max_length=32)] = ""
    drifted_features: Annotated[list[Text], Field(description="Features whose values moved.", max_length=256)] = []
    features_with_nulls: Annotated[
        list[Text], Field(description="Features with more missing values.", max_length=256)
    ] = []
    coverage: Annotated[Decimal | None, Field(description="Share of due outcomes that are known.")] = None
    baseline_coverage: Annotated[
        Decimal | None, Field(description="Coverage before it fell; equal to coverage while it is as usual.")
    ] = None
    unit_change: Annotated[
        str,
        Field(
            description="What became of the values of the only feature that moved, where a factor or offset explains it.",
            max_length=320,
        ),
    ] = ""
    traffic_stopped: Annotated[
        bool, Field(description="No request came in the last window, although some had come before.")
    ] = False
    message: Annotated[str, Field(description="The same as a sentence for people.", max_length=1024)] = ""


class DecisionAction(StrEnum):
    """What a decision led to."""

    NONE = "None"
    HOLD = "Hold"
    WAIT = "Wait"
    ALERT = "Alert"
    PROPOSE = "Propose"
    RETRAIN = "Retrain"


class NamedValue(StatusModel):
    """A figure that a decision rests on."""

    name: Annotated[str, Field(description="What the figure is.", max_length=128)]
    value: Annotated[str, Field(description="The figure, as text.", max_length=256)]


class Decision(StatusModel):
    """A decision with its grounds."""

    id: Annotated[str, Field(description="Identifier, unique for this Monitor.", max_length=64)]
    cause: Annotated[str, Field(description="Row of the cause table.", max_length=63)]
    action: DecisionAction
    reason: Annotated[str, Field(description="Step of the admission order that decided.", max_length=63)]
    message: Annotated[str, Field(description="Why, as a sentence for people.", max_length=2048)] = ""
    values: Annotated[
        list[NamedValue],
        Field(description="Figures that it rests on.", max_length=32, json_schema_extra=map_list("name")),
    ] = []
    training_job: Annotated[str, Field(description="TrainingJob that it created.", max_length=253)] = ""
    time: Annotated[datetime, Field(description="When it was taken.")]


class Retraining(StatusModel):
    """The newest TrainingJob of this Monitor, written before it is created: made once, and never again if deleted."""

    number: Annotated[int, Field(description="Number of the TrainingJob.", ge=1)]
    name: Annotated[str, Field(description="Name of the TrainingJob.", max_length=253)]
    uid: Annotated[str, Field(description="uid of the TrainingJob; empty until it was seen.", max_length=64)] = ""
    message: Annotated[str, Field(description="Human-readable explanation.", max_length=1024)] = ""
    time: Annotated[datetime, Field(description="When the number was reserved.")]


class LabelProgress(StatusModel):
    """Labels of the world after the breach began."""

    available: Annotated[int, Field(description="Distinct labelled entities.", ge=0)] = 0
    required: Annotated[int, Field(description="requires.newLabels of the spec.", ge=0)] = 0


class MonitorStatus(StatusModel):
    """State of a Monitor."""

    observed_generation: ObservedGeneration = -1
    signals: Annotated[
        list[SignalStatus],
        Field(description="Every signal as last judged.", max_length=32, json_schema_extra=map_list("name")),
    ] = []
    breached: Annotated[str, Field(description="Names of the breached signals.", max_length=1024)] = ""
    breach_since: Annotated[datetime | None, Field(description="Start of the earliest breaching window.")] = None
    last_decision: Annotated[Decision | None, Field(description="The last decision.")] = None
    decisions: Annotated[int, Field(description="Decisions taken so far.", ge=0)] = 0
    labels: Annotated[LabelProgress | None, Field(description="Labels since the breach began.")] = None
    retrains: Annotated[int, Field(description="TrainingJobs reserved so far.", ge=0)] = 0
    retraining: Annotated[Retraining | None, Field(description="The newest TrainingJob of this Monitor.")] = None
    next_eligible_time: Annotated[datetime | None, Field(description="End of the cooldown.")] = None
    conditions: Conditions = Field(default_factory=list)


class Monitor(Resource[MonitorSpec, MonitorStatus]):
    """What "still good" means for a ModelDeployment, and what may happen when it is not."""

    KIND: ClassVar[str] = "Monitor"
    PLURAL: ClassVar[str] = "monitors"
    SHORT_NAME: ClassVar[str] = "mon"
    COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn(name="Breached", path=".status.breached"),
        PrinterColumn(name="Cause", path=".status.lastDecision.cause"),
        PrinterColumn(name="Last-Decision", path=".status.lastDecision.action"),
        PrinterColumn(name="Decision-Reason", path=".status.lastDecision.reason"),
        PrinterColumn(name="Retrains", path=".status.retrains", type="integer"),
        PrinterColumn(name="Next", path=".status.nextEligibleTime"),
    )

    kind: str = "Monitor"
    status: MonitorStatus = Field(default_factory=MonitorStatus)


class MonitorReason(StrEnum):
    """Reasons of a Monitor's conditions, and of its admission order."""

    MONITORING = "Monitoring"
    WAITING_FOR_DEPLOYMENT = "WaitingForDeployment"
    INVALID_SPEC = "InvalidSpec"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    SUSPENDED = "Suspended"
    RETRAINING_DISABLED = "RetrainingDisabled"
    ALERT_ONLY = "AlertOnly"
    PROPOSED = "Proposed"
    CONCURRENT_JOB = "ConcurrentJob"
    CANDIDATE_IN_FLIGHT = "CandidateInFlight"
    COOLDOWN = "Cooldown"
    RETRAIN_LIMIT_REACHED = "RetrainLimitReached"
    WAITING_FOR_LABELS = "WaitingForLabels"
    WAITING_FOR_FEATURES = "WaitingForFeatures"
    ADMITTED = "Admitted"
    NO_DATA = "NoData"
    NO_ACTION_FOR_CAUSE = "NoActionForCause"
    WITHIN_BOUNDS = "WithinBounds"
