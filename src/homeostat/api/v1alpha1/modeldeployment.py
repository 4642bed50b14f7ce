"""ModelDeployment: a model in realtime service, rolled out step by step behind a gate, rolled back by itself."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from homeostat.api.common import (
    Conditions,
    Decimal,
    Digest,
    Duration,
    FieldName,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    ResourceName,
    SpecModel,
    StatusModel,
    Text,
    map_list,
    parse_duration,
    rule,
)
from homeostat.api.v1alpha1.gate import Gate, GateRecord
from homeostat.api.v1alpha1.trainingjob import Resources

ModelVersionNumber = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$", max_length=9)]


class Engine(StrEnum):
    """Who keeps the pods of a model running."""

    DEPLOYMENT = "Deployment"
    SELDON = "Seldon"
    KSERVE = "KServe"


class Follow(StrEnum):
    """Which versions of a registered model are candidates."""

    NEWEST = "Newest"


class FeatureMode(StrEnum):
    """Where the features of a request come from: the caller, or the online store by entity id."""

    REQUEST = "Request"
    LOOKUP = "Lookup"


class RollbackTrigger(StrEnum):
    """What takes a candidate back besides failed readiness, which always does."""

    ERROR_RATE = "ErrorRate"


class RegisteredModel(SpecModel):
    """A model that a TrainingJob of this namespace produced."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.follow) != has(self.version)", "give exactly one of follow and version")
            ]
        }
    )

    name: Annotated[ResourceName, Field(description="spec.output.model of the TrainingJobs.")]
    follow: Annotated[Follow | None, Field(description="Every newer version becomes a candidate.")] = None
    version: Annotated[ModelVersionNumber | None, Field(description="Just this version, decided in git.")] = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if (self.follow is None) == (self.version is None):
            raise ValueError("spec.model.registered has exactly one of follow and version")
        return self


class ModelSource(SpecModel):
    """Which model is served: exactly one origin."""

    model_config = ConfigDict(
        json_schema_extra={
            # A list, so that another origin can be added to it without a change of what is valid today.
            "x-kubernetes-validations": [
                rule("[has(self.registered)].filter(given, given).size() == 1", "give exactly one of registered")
            ]
        }
    )

    registered: Annotated[
        RegisteredModel | None, Field(description="A model that TrainingJobs of this namespace produce.")
    ] = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.registered is None:
            raise ValueError("spec.model has exactly one origin: give registered")
        return self


class Realtime(SpecModel):
    """How it is served."""

    replicas: Annotated[int, Field(description="Pods of each version.", ge=1, le=64)] = 2
    features: Annotated[FeatureMode, Field(description="Where the features of a request come from.")] = (
        FeatureMode.REQUEST
    )
    resources: Annotated[Resources, Field(description="Compute resources of each pod.")] = Resources()


class RolloutStep(SpecModel):
    """A share of the requests for a time: the candidate's to answer (canary), or copies of them (shadow)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.weight) != has(self.mirror)", "give exactly one of weight and mirror")
            ]
        }
    )

    weight: Annotated[int | None, Field(description="Percentage of requests that it answers.", ge=1, le=99)] = None
    mirror: Annotated[int | None, Field(description="Percentage of requests copied to it.", ge=1, le=100)] = None
    min_duration: Annotated[Duration, Field(description="Shortest time on this step.")] = "60s"
    min_requests: Annotated[int, Field(description="Fewest requests answered by the candidate on it.", ge=0)] = 0

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        if (self.weight is None) == (self.mirror is None):
            raise ValueError("a step of spec.rollout.steps has exactly one of weight and mirror")
        return self


class Rollout(SpecModel):
    """How a candidate takes over."""

    steps: Annotated[list[RolloutStep], Field(description="Shadow, canary; none: all at once.", max_length=16)] = []
    progress_deadline_seconds: Annotated[
        int, Field(description="A version not ready within this is taken back.", ge=10, le=86400)
    ] = 600


class Promotion(SpecModel):
    """What a candidate must show."""

    gate: Annotated[Gate, Field(description="Comparison with the champion on rows that neither has seen.")] = Gate()


class Rollback(SpecModel):
    """What takes a candidate back."""

    on: Annotated[list[RollbackTrigger], Field(description="Triggers besides failed readiness.", max_length=4)] = [
        RollbackTrigger.ERROR_RATE
    ]
    max_error_rate: Annotated[Decimal, Field(description="Largest share of failed requests of a candidate.")] = "0.05"
    history_limit: Annotated[int, Field(description="Outcomes of versions kept in status.", ge=1, le=50)] = 10


class Payload(SpecModel):
    """Recording of requests."""

    percent: Annotated[int, Field(description="Share of predictions that are logged.", ge=0, le=100)] = 100


class Observation(SpecModel):
    """What is recorded of predictions, so that outcomes can be matched to them."""

    entity_fields: Annotated[
        list[FieldName],
        Field(description="Request inputs that together name the entity of a prediction.", min_length=1, max_length=1),
    ]
    payload: Annotated[Payload, Field(description="Recording of requests.")] = Payload()
    outcome_delay: Annotated[Duration, Field(description="Time after which a prediction's outcome is due.")]


class ModelDeploymentSpec(SpecModel):
    """Intent of a ModelDeployment."""

    model: Annotated[ModelSource, Field(description="Which model is served.")]
    engine: Annotated[
        Engine | None, Field(description="Who keeps its pods running; absent: the platform's setting.")
    ] = None
    # No default: another mode comes beside it, and a spec then says which one it means.
    realtime: Annotated[Realtime, Field(description="How it is served; {} for the defaults.")]
    rollout: Annotated[Rollout, Field(description="How a candidate takes over.")] = Rollout()
    promotion: Annotated[Promotion, Field(description="What a candidate must show.")] = Promotion()
    rollback: Annotated[Rollback, Field(description="What takes a candidate back.")] = Rollback()
    observation: Annotated[
        Observation | None,
        Field(description="What is recorded of predictions; absent: nothing, and outcomes are not matched."),
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
    """A bundle in service: model, baseline and feature set move together."""

    version: Annotated[str, Field(description="Version in the registry.", max_length=32)]
    digest: Annotated[Digest, Field(description="Digest that the TrainingJob recorded.")]
    uri: Annotated[str, Field(description="Folder of the model's files.", max_length=1024)]
    training_job: Annotated[str, Field(description="TrainingJob that made it.", max_length=253)] = ""
    feature_set: Annotated[str, Field(description="FeatureSet that Lookup reads.", max_length=253)] = ""
    since: Annotated[datetime, Field(description="When it took this role.")]


class ShadowRecord(StatusModel):
    """Predictions of a candidate on mirrored requests, compared with those returned to callers."""

    mirrored_predictions: Annotated[int, Field(description="Predictions made on mirrored requests.", ge=0)]
    compared_predictions: Annotated[
        int, Field(description="Mirrored predictions compared with the one returned to the caller.", ge=0)
    ]
    mean_difference: Annotated[Decimal, Field(description="Mean of the candidate's score minus the returned score.")]
    mean_absolute_difference: Annotated[Decimal, Field(description="Mean of the absolute differences.")]
    max_absolute_difference: Annotated[Decimal, Field(description="Largest absolute difference.")]
    disagreements: Annotated[
        int, Field(description="Compared predictions whose scores lie on different sides of 0.5.", ge=0)
    ]
    message: Annotated[Text, Field(description="The comparison in words.")] = ""


class Candidate(ServedVersion):
    """A version on its way."""

    evaluation: Annotated[int, Field(description="Number of its evaluation; 0: none yet.", ge=0)] = 0
    evaluation_uid: Annotated[
        str, Field(description="uid of the evaluation's Job, once it was observed.", max_length=64)
    ] = ""
    evaluation_failures: Annotated[int, Field(description="Evaluations of it that failed.", ge=0)] = 0
    gate_passed: Annotated[bool, Field(description="The gate said Promote.")] = False
    champion_digest: Annotated[str, Field(description="Champion that the verdict compares with.", max_length=80)] = ""
    step: Annotated[int, Field(description="Index of the rollout's step.", ge=0)] = 0
    step_start_time: Annotated[datetime | None, Field(description="When that step began to receive traffic.")] = None
    weight: Annotated[int, Field(description="Percentage of requests that it answers.", ge=0, le=100)] = 0
    mirror: Annotated[int, Field(description="Percentage of requests that it gets a copy of.", ge=0, le=100)] = 0
    shadow: Annotated[ShadowRecord | None, Field(description="How it fared on its last shadow step.")] = None

    @property
    def share(self) -> str:
        """Its part of the traffic in words; empty before its first step."""
        if self.mirror:
            return f"a copy of {self.mirror} % of requests"
        return f"{self.weight} % of requests" if self.weight else ""


class Outcome(StrEnum):
    """How a version's rollout ended."""

    PROMOTED = "Promoted"
    HELD = "Held"
    REJECTED = "Rejected"
    ROLLED_BACK = "RolledBack"
    EVALUATION_FAILED = "EvaluationFailed"


class HistoryEntry(StatusModel):
    """How a version's rollout ended."""

    version: Annotated[str, Field(description="Version in the registry.", max_length=32)]
    digest: Annotated[Digest, Field(description="Digest of the model.")]
    outcome: Outcome
    message: Annotated[str, Field(description="Human-readable explanation.", max_length=1024)] = ""
    generation: Annotated[int, Field(description="Generation of the spec that it was tried for.", ge=0)] = 0
    time: Annotated[datetime, Field(description="When it ended.")]


class TrafficTarget(StatusModel):
    """What the router sends where; the only part of status that it reads."""

    version: Annotated[str, Field(description="Version in the registry.", max_length=32)]
    service: Annotated[str, Field(description="Service of the version.", max_length=63)]
    weight: Annotated[int, Field(description="Percentage of requests.", ge=0, le=100)]
    mirror: Annotated[int, Field(description="Percentage of requests that are copied to it.", ge=0, le=100)] = 0


class DrainingVersion(StatusModel):
    """A version that receives no traffic any more and drains."""

    version: Annotated[str, Field(description="Version in the registry.", max_length=32)]
    digest: Annotated[str, Field(description="Digest of the model, where it is known.", max_length=80)] = ""
    uri: Annotated[str, Field(description="Folder of the model's files, where it is known.", max_length=1024)] = ""
    since: Annotated[datetime, Field(description="When it lost its traffic.")]


class ModelDeploymentStatus(StatusModel):
    """State of a ModelDeployment."""

    observed_generation: ObservedGeneration = -1
    engine: Annotated[str, Field(description="Who keeps its pods running; fixed at the first look.", max_length=63)] = (
        ""
    )
    routing: Annotated[
        str, Field(description="Who splits the traffic: Router, or the engine's own ingress.", max_length=63)
    ] = ""
    stable: Annotated[ServedVersion | None, Field(description="The champion.")] = None
    candidate: Annotated[Candidate | None, Field(description="The version on its way.")] = None
    gate: Annotated[GateRecord | None, Field(description="The last verdict of the gate.")] = None
    evaluations: Annotated[int, Field(description="Evaluate Jobs reserved so far.", ge=0)] = 0
    traffic: Annotated[
        list[TrafficTarget],
        Field(description="Shares of requests.", max_length=3, json_schema_extra=map_list("version")),
    ] = []
    draining: Annotated[
        list[DrainingVersion],
        Field(description="Draining versions.", max_length=8, json_schema_extra=map_list("version")),
    ] = []
    history: Annotated[list[HistoryEntry], Field(description="Newest first.", max_length=50)] = []
    replicas: Annotated[int, Field(description="Ready pods of the stable version.", ge=0)] = 0
    url: Annotated[str, Field(description="Where predictions are asked for.", max_length=512)] = ""
    conditions: Conditions = Field(default_factory=list)


class ModelDeployment(Resource[ModelDeploymentSpec, ModelDeploymentStatus]):
    """A model in realtime service, rolled out step by step behind a gate, rolled back by itself."""

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
            "model.registered.name is immutable; make a new ModelDeployment",
        ),
        rule(
            "has(self.engine) == has(oldSelf.engine) && (!has(self.engine) || self.engine == oldSelf.engine)",
            "engine is immutable; make a new ModelDeployment",
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
