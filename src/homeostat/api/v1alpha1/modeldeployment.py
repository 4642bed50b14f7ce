"""ModelDeployment: a model in realtime service, rolled out step by step behind a gate, rolled back by itself."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.api.common import (
    Conditions,
    Decimal,
    Digest,
    Duration,
    FieldName,
    Message,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    SpecModel,
    StatusModel,
    map_list,
    parse_duration,
    rule,
)
from homeostat.api.v1alpha1.gate import Gate, GateRecord
from homeostat.api.v1alpha1.model_source import ModelSource, RegisteredModel
from homeostat.api.v1alpha1.pods import PodOptions, PodTemplateField, Resources
from homeostat.enums import FeatureMode

MAX_RETRY_REQUEST = 256
"""Characters of the annotation homeostat.dev/retry that count."""


class Engine(StrEnum):
    """Serving engine that runs the pods of a model."""

    DEPLOYMENT = "Deployment"
    SELDON = "Seldon"
    KSERVE = "KServe"


class RollbackTrigger(StrEnum):
    """Rollback trigger in addition to failed readiness, which always triggers a rollback."""

    ERROR_RATE = "ErrorRate"


class Realtime(SpecModel):
    """Realtime serving."""

    replicas: Annotated[int, Field(description="Number of pods of each version.", ge=1, le=64)] = 2
    features: Annotated[FeatureMode, Field(description="Source of the features of a request.")] = FeatureMode.REQUEST
    resources: Annotated[Resources, Field(description="Compute resources of each pod.")] = Resources()
    pod_template: PodTemplateField = None


class RolloutStep(SpecModel):
    """A rollout step: canary (weight) or shadow (mirror)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.weight) != has(self.mirror)", "give exactly one of weight and mirror")
            ]
        }
    )

    weight: Annotated[
        int | None, Field(description="Percentage of requests that the candidate answers.", ge=1, le=99)
    ] = None
    mirror: Annotated[
        int | None, Field(description="Percentage of requests mirrored to the candidate.", ge=1, le=100)
    ] = None
    min_duration: Annotated[Duration, Field(description="Minimum duration of this step.")] = "60s"
    min_requests: Annotated[
        int, Field(description="Minimum number of requests the candidate must answer on this step.", ge=0)
    ] = 0

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        if (self.weight is None) == (self.mirror is None):
            raise ValueError("a step of spec.rollout.steps has exactly one of weight and mirror")
        return self


class Rollout(SpecModel):
    """Rollout of a candidate."""

    steps: Annotated[
        list[RolloutStep],
        Field(description="Shadow and canary steps in order; empty: the candidate is promoted at once.", max_length=16),
    ] = []
    progress_deadline_seconds: Annotated[
        int, Field(description="Seconds to wait for readiness before rolling back.", ge=10, le=86400)
    ] = 600


class Promotion(SpecModel):
    """Requirements for promotion."""

    gate: Annotated[
        Gate, Field(description="Comparison with the champion on holdout rows that neither model was trained on.")
    ] = Gate()
    evaluation: Annotated[PodOptions, Field(description="Pods of the runs that evaluate a candidate.")] = PodOptions()


class Rollback(SpecModel):
    """Rollback policy."""

    on: Annotated[
        list[RollbackTrigger], Field(description="Rollback triggers in addition to failed readiness.", max_length=4)
    ] = [RollbackTrigger.ERROR_RATE]
    max_error_rate: Annotated[
        Decimal,
        Field(
            description="Maximum share, from 0 to 1, by which a candidate may fail more requests than the champion does in "
            "the same time; compared with the lower 97.5 % bound of the difference."
        ),
    ] = "0.05"
    history_limit: Annotated[int, Field(description="Maximum number of entries in status.history.", ge=1, le=50)] = 10


class Payload(SpecModel):
    """Recording of predictions."""

    percent: Annotated[int, Field(description="Percentage of predictions that are recorded.", ge=0, le=100)] = 100


class Observation(SpecModel):
    """Recording of predictions, so that outcomes can be matched to them."""

    entity_fields: Annotated[
        list[FieldName],
        Field(description="Request inputs that together name the entity of a prediction.", min_length=1, max_length=1),
    ]
    payload: Annotated[Payload, Field(description="Recording of predictions.")] = Payload()
    outcome_delay: Annotated[Duration, Field(description="Time after a prediction at which its outcome is due.")]


class ModelDeploymentSpec(SpecModel):
    """Intent of a ModelDeployment."""

    model: Annotated[ModelSource, Field(description="Model to serve.")]
    engine: Annotated[Engine | None, Field(description="Serving engine; absent: the platform's default engine.")] = None
    # No default: another mode comes beside it, and a spec then says which one it means.
    realtime: Annotated[Realtime, Field(description="Realtime serving; {} selects the defaults.")]
    rollout: Annotated[Rollout, Field(description="Rollout of a candidate.")] = Rollout()
    promotion: Annotated[Promotion, Field(description="Requirements for promotion.")] = Promotion()
    rollback: Annotated[Rollback, Field(description="Rollback policy.")] = Rollback()
    observation: Annotated[
        Observation | None,
        Field(description="Recording of predictions; absent: nothing is recorded, and outcomes cannot be matched."),
    ] = None

    @property
    def registered(self) -> RegisteredModel:
        """The registered model that is served; the only place that other origins will have to change.

        Raises:
            ValueError: The model has another origin.
        """
        if self.model.registered is None:
            raise ValueError("spec.model has no registered model")
        return self.model.registered

    @property
    def outcome_delay(self) -> timedelta:
        """Time after which a prediction's outcome is due; zero where outcomes are not matched."""
        return parse_duration(self.observation.outcome_delay) if self.observation else timedelta()


class ServedVersion(StatusModel):
    """A served model version with its bundle and FeatureSet."""

    version: Annotated[str, Field(description="Version in the model registry.", max_length=32)]
    digest: Annotated[Digest, Field(description="Digest of the model bundle, as recorded by the TrainingJob.")]
    uri: Annotated[str, Field(description="URI of the model bundle.", max_length=1024)]
    training_job: Annotated[str, Field(description="TrainingJob that produced the version.", max_length=253)] = ""
    feature_set: Annotated[str, Field(description="FeatureSet that Lookup reads.", max_length=253)] = ""
    since: Annotated[datetime, Field(description="Time at which the version took this role.")]
    completion_time: Annotated[
        datetime | None, Field(description="Time at which its training completed; the order of versions.")
    ] = None


class ShadowRecord(StatusModel):
    """Predictions of a candidate on mirrored requests, compared with those returned to callers."""

    mirrored_predictions: Annotated[int, Field(description="Predictions made on mirrored requests.", ge=0)]
    compared_predictions: Annotated[
        int, Field(description="Mirrored predictions compared with the one returned to the caller.", ge=0)
    ]
    mean_difference: Annotated[
        Decimal, Field(description="Mean of the candidate's prediction minus the returned one; 0 for classes.")
    ]
    mean_absolute_difference: Annotated[
        Decimal,
        Field(description="Mean of the absolute differences; of classes, of half the sum over their probabilities."),
    ]
    max_absolute_difference: Annotated[Decimal, Field(description="Largest absolute difference.")]
    disagreements: Annotated[
        int,
        Field(description="Compared predictions on different sides of 0.5, or with another most probable class.", ge=0),
    ]
    message: Annotated[Message, Field(description="The comparison in words.")] = ""


class EvaluationFailure(StatusModel):
    """Why an evaluation failed."""

    reason: Annotated[
        str, Field(description="Reason in one word, such as OOMKilled; empty if there is none.", max_length=63)
    ] = ""
    message: Annotated[Message, Field(description="Human-readable explanation.")]
    time: Annotated[datetime, Field(description="Time at which the evaluation failed.")]


class Candidate(ServedVersion):
    """The version being rolled out."""

    evaluation: Annotated[int, Field(description="Number of the evaluation; 0 if there is none yet.", ge=0)] = 0
    evaluation_uid: Annotated[
        str, Field(description="UID of the evaluation's Job; empty until it is observed.", max_length=64)
    ] = ""
    evaluation_failures: Annotated[int, Field(description="Number of failed evaluations.", ge=0)] = 0
    last_evaluation_failure: Annotated[
        EvaluationFailure | None, Field(description="The latest failed evaluation; the next one starts after a pause.")
    ] = None
    gate_passed: Annotated[bool, Field(description="Whether the candidate passed the gate.")] = False
    champion_digest: Annotated[
        str, Field(description="Digest of the champion that the verdict refers to.", max_length=80)
    ] = ""
    step: Annotated[int, Field(description="Index of the current rollout step.", ge=0)] = 0
    step_start_time: Annotated[
        datetime | None, Field(description="Time at which the current step began to receive traffic.")
    ] = None
    weight: Annotated[int, Field(description="Percentage of requests that the candidate answers.", ge=0, le=100)] = 0
    mirror: Annotated[int, Field(description="Percentage of requests mirrored to the candidate.", ge=0, le=100)] = 0
    shadow: Annotated[ShadowRecord | None, Field(description="Comparison on the latest shadow step.")] = None

    @property
    def share(self) -> str:
        """Its part of the traffic in words; empty before its first step."""
        if self.mirror:
            return f"a copy of {self.mirror} % of requests"
        return f"{self.weight} % of requests" if self.weight else ""


class Outcome(StrEnum):
    """Outcome of a version's rollout."""

    PROMOTED = "Promoted"
    HELD = "Held"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    EVALUATION_FAILED = "EvaluationFailed"


class HistoryEntry(StatusModel):
    """Outcome of a version's rollout."""

    version: Annotated[str, Field(description="Version in the model registry.", max_length=32)]
    digest: Annotated[Digest, Field(description="Digest of the model bundle.")]
    outcome: Outcome
    message: Annotated[Message, Field(description="Human-readable explanation.")] = ""
    generation: Annotated[int, Field(description="Generation of the spec at the time of the rollout.", ge=0)] = 0
    time: Annotated[datetime, Field(description="Time at which the rollout ended.")]


class TrafficTarget(StatusModel):
    """Traffic of one version, as the router applies it."""

    version: Annotated[str, Field(description="Version in the model registry.", max_length=32)]
    service: Annotated[str, Field(description="Kubernetes Service of the version.", max_length=63)]
    weight: Annotated[int, Field(description="Percentage of requests that the version answers.", ge=0, le=100)]
    mirror: Annotated[int, Field(description="Percentage of requests mirrored to the version.", ge=0, le=100)] = 0


class DrainingVersion(StatusModel):
    """A version that no longer receives traffic and is draining."""

    version: Annotated[str, Field(description="Version in the model registry.", max_length=32)]
    digest: Annotated[str, Field(description="Digest of the model bundle, if known.", max_length=80)] = ""
    uri: Annotated[str, Field(description="URI of the model bundle, if known.", max_length=1024)] = ""
    since: Annotated[datetime, Field(description="Time at which the version stopped receiving traffic.")]


class ModelDeploymentStatus(StatusModel):
    """State of a ModelDeployment."""

    observed_generation: ObservedGeneration = -1
    engine: Annotated[str, Field(description="Serving engine, fixed at the first reconciliation.", max_length=63)] = ""
    routing: Annotated[
        str,
        Field(description="Component that splits the traffic: Router, or the ingress of the engine.", max_length=63),
    ] = ""
    stable: Annotated[ServedVersion | None, Field(description="The stable version (champion).")] = None
    candidate: Annotated[Candidate | None, Field(description="The version being rolled out.")] = None
    gate: Annotated[GateRecord | None, Field(description="Latest verdict of the gate.")] = None
    evaluations: Annotated[int, Field(description="Number of evaluations reserved so far.", ge=0)] = 0
    traffic: Annotated[
        list[TrafficTarget],
        Field(description="Traffic split by version.", max_length=3, json_schema_extra=map_list("version")),
    ] = []
    draining: Annotated[
        list[DrainingVersion],
        Field(description="Draining versions.", max_length=8, json_schema_extra=map_list("version")),
    ] = []
    history: Annotated[list[HistoryEntry], Field(description="Outcomes of rollouts, newest first.", max_length=50)] = []
    retried: Annotated[
        str,
        Field(
            description="Latest value of the annotation homeostat.dev/retry that was followed.",
            max_length=MAX_RETRY_REQUEST,
        ),
    ] = ""
    replicas: Annotated[int, Field(description="Ready pods of the stable version.", ge=0)] = 0
    url: Annotated[str, Field(description="URL of the prediction endpoint.", max_length=512)] = ""
    conditions: Conditions = Field(default_factory=list)


class ModelDeployment(Resource[ModelDeploymentSpec, ModelDeploymentStatus]):
    """A model served in realtime: new versions pass a gate, roll out in steps and roll back automatically."""

    KIND: ClassVar[str] = "ModelDeployment"
    PLURAL: ClassVar[str] = "modeldeployments"
    SHORT_NAME: ClassVar[str] = "mdep"
    COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn(name="Stable", path=".status.stable.version"),
        PrinterColumn(name="Candidate", path=".status.candidate.version"),
        PrinterColumn(name="Weight", path=".status.candidate.weight", type="integer"),
        PrinterColumn(name="Mirror", path=".status.candidate.mirror", type="integer", priority=1),
        PrinterColumn(name="Engine", path=".status.engine", priority=1),
        PrinterColumn(name="URL", path=".status.url"),
        PrinterColumn(name="Age", path=".metadata.creationTimestamp", type="date"),
    )

    TRANSITION_RULES: ClassVar[tuple[dict[str, str], ...]] = (
        rule(
            "!has(self.model.registered) || !has(oldSelf.model.registered) || "
            "self.model.registered.name == oldSelf.model.registered.name",
            "model.registered.name is immutable; create a new ModelDeployment",
        ),
        rule(
            "has(self.engine) == has(oldSelf.engine) && (!has(self.engine) || self.engine == oldSelf.engine)",
            "engine is immutable; create a new ModelDeployment",
        ),
    )

    kind: str = "ModelDeployment"
    status: ModelDeploymentStatus = Field(default_factory=ModelDeploymentStatus)


class ModelDeploymentReason(StrEnum):
    """Reasons of a ModelDeployment's conditions."""

    WAITING_FOR_MODEL = "WaitingForModel"
    EVALUATING = "Evaluating"
    STARTING = "Starting"
    SHADOW = "Shadow"
    CANARY = "Canary"
    SERVING = "Serving"
    UNAVAILABLE = "Unavailable"
    HELD = "Held"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    INVALID_SPEC = "InvalidSpec"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    EVALUATION_FAILED = "EvaluationFailed"
    RECORDING = "Recording"
    NOT_OBSERVED = "NotObserved"
    AMBIGUOUS_VERSION = "AmbiguousVersion"
    UNKNOWN_METRIC = "UnknownMetric"
