"""Monitor: what "still good" means for a ModelDeployment, and what may happen when it is not."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from homeostat.api.common import (
    Conditions,
    Duration,
    LongMessage,
    Message,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    ResourceName,
    SpecModel,
    StatusModel,
    map_list,
    rule,
)
from homeostat.api.v1alpha1.signals import Signal, SignalStatus
from homeostat.api.v1alpha1.trainingjob import TrainingJobSpec


class RetrainAction(StrEnum):
    """Action on an admitted decision."""

    NONE = "None"
    ALERT = "Alert"
    PROPOSE = "Propose"
    AUTO = "Auto"


class RetrainTemplate(SpecModel):
    """Template of the TrainingJob to create; its trigger is filled in."""

    spec: Annotated[TrainingJobSpec, Field(description="spec of the TrainingJob.")]


class RetrainRequirements(SpecModel):
    """Preconditions for a retraining."""

    new_labels: Annotated[
        int,
        Field(
            description="Minimum number of rows that a training would gain: distinct entities outside the holdout (with "
            "rowsPerEntity All, rows of them), labeled for predictions made since the breach began and within dataset.window.",
            ge=0,
        ),
    ] = 0


class MaxRetrains(SpecModel):
    """Limit on the number of retrainings."""

    count: Annotated[int, Field(description="Maximum number of retrainings within the window.", ge=1, le=1000)]
    window: Annotated[Duration, Field(description="Length of the sliding window.")]


class Retrain(SpecModel):
    """Retraining policy."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "self.action in ['None', 'Alert'] || has(self.template)",
                    "action Propose or Auto needs a template of the TrainingJob",
                ),
                rule(
                    "!has(self.template) || self.template.spec.dataset.labels.all(l, !has(l.outcomesOf) || !has(l.to))",
                    "labels of outcomesOf in a template have no to: a retraining learns from new outcomes",
                ),
            ]
        }
    )

    action: Annotated[RetrainAction, Field(description="Action on an admitted decision.")]
    template: Annotated[RetrainTemplate | None, Field(description="Template of the TrainingJob to create.")] = None
    requires: Annotated[RetrainRequirements, Field(description="Preconditions for a retraining.")] = (
        RetrainRequirements()
    )
    cooldown: Annotated[Duration, Field(description="Minimum time between two retrainings of this Monitor.")] = "24h"
    max_retrains: Annotated[
        MaxRetrains | None, Field(description="Limit on the number of retrainings; absent: no limit.")
    ] = None


class DeploymentRef(SpecModel):
    """A ModelDeployment of the same namespace."""

    name: Annotated[ResourceName, Field(description="Name of the ModelDeployment.")]


class MonitorSpec(SpecModel):
    """Intent of a Monitor."""

    deployment_ref: Annotated[DeploymentRef, Field(description="ModelDeployment to monitor.")]
    signals: Annotated[
        list[Signal],
        Field(description="Signals to evaluate.", min_length=1, max_length=32, json_schema_extra=map_list("name")),
    ]
    retrain: Annotated[Retrain, Field(description="Retraining policy.")]
    suspend: Annotated[bool, Field(description="Suspends decisions; signals are still evaluated.")] = False


class DecisionAction(StrEnum):
    """Action of a decision."""

    NONE = "None"
    HOLD = "Hold"
    WAIT = "Wait"
    ALERT = "Alert"
    PROPOSE = "Propose"
    RETRAIN = "Retrain"


class NamedValue(StatusModel):
    """A value that a decision is based on."""

    name: Annotated[str, Field(description="Name of the value.", max_length=128)]
    value: Annotated[str, Field(description="The value as text.", max_length=256)]


class Decision(StatusModel):
    """A decision with its evidence."""

    id: Annotated[str, Field(description="Identifier, unique for this Monitor.", max_length=64)]
    cause: Annotated[str, Field(description="Diagnosed cause, a row of the cause table.", max_length=63)]
    action: DecisionAction
    reason: Annotated[
        str, Field(description="Reason for the action: the admission check that failed, or Admitted.", max_length=63)
    ]
    message: Annotated[LongMessage, Field(description="Human-readable explanation.")] = ""
    values: Annotated[
        list[NamedValue],
        Field(description="Values that the decision is based on.", max_length=32, json_schema_extra=map_list("name")),
    ] = []
    training_job: Annotated[str, Field(description="TrainingJob that the decision created.", max_length=253)] = ""
    time: Annotated[datetime, Field(description="Time of the decision.")]


class Retraining(StatusModel):
    """The newest TrainingJob of this Monitor, recorded before it is created; it is never created twice."""

    number: Annotated[int, Field(description="Number of the TrainingJob.", ge=1)]
    name: Annotated[str, Field(description="Name of the TrainingJob.", max_length=253)]
    uid: Annotated[str, Field(description="UID of the TrainingJob; empty until it is observed.", max_length=64)] = ""
    message: Annotated[Message, Field(description="Human-readable explanation.")] = ""
    time: Annotated[datetime, Field(description="Time at which the number was reserved.")]


class LabelProgress(StatusModel):
    """Labels for predictions made since the breach began."""

    available: Annotated[
        int,
        Field(
            description="Number of rows that a training would gain: distinct labeled entities outside the holdout, or with "
            "rowsPerEntity All their labels.",
            ge=0,
        ),
    ] = 0
    required: Annotated[int, Field(description="Required number, from retrain.requires.newLabels.", ge=0)] = 0


class MonitorStatus(StatusModel):
    """State of a Monitor."""

    observed_generation: ObservedGeneration = -1
    signals: Annotated[
        list[SignalStatus],
        Field(description="Signals at their last evaluated window.", max_length=32, json_schema_extra=map_list("name")),
    ] = []
    breached: Annotated[str, Field(description="Comma-separated names of the breached signals.", max_length=1024)] = ""
    breach_since: Annotated[datetime | None, Field(description="Start of the earliest breached window.")] = None
    last_decision: Annotated[Decision | None, Field(description="Latest decision.")] = None
    decisions: Annotated[int, Field(description="Number of decisions so far.", ge=0)] = 0
    labels: Annotated[
        LabelProgress | None, Field(description="Labels for predictions made since the breach began.")
    ] = None
    retrains: Annotated[int, Field(description="Number of TrainingJobs reserved so far.", ge=0)] = 0
    retraining: Annotated[Retraining | None, Field(description="Newest TrainingJob of this Monitor.")] = None
    next_eligible_time: Annotated[
        datetime | None, Field(description="End of the cooldown: the earliest time of the next retraining.")
    ] = None
    conditions: Conditions = Field(default_factory=list)


class Monitor(Resource[MonitorSpec, MonitorStatus]):
    """Health criteria of a ModelDeployment, and the policy for retraining it when they are violated."""

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
    INVALID_DATA = "InvalidData"
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
    LABELS_EXHAUSTED = "LabelsExhausted"
    WAITING_FOR_FEATURES = "WaitingForFeatures"
    ADMITTED = "Admitted"
    NO_DATA = "NoData"
    NO_ACTION_FOR_CAUSE = "NoActionForCause"
    WITHIN_BOUNDS = "WithinBounds"
