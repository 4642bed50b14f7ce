"""TrainingJob: one bounded training run, from declared data to a registered model version."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from homeostat.api.common import (
    Conditions,
    Decimal,
    Digest,
    FieldName,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    ResourceName,
    S3Uri,
    SpecModel,
    StatusModel,
    Text,
    map_list,
    rule,
)
from homeostat.api.v1alpha1.dataset import Dataset

Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)]
PipelineName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class TriggerType(StrEnum):
    """Who asked for a training."""

    MANUAL = "Manual"
    MONITOR = "Monitor"
    API = "API"


class Engine(StrEnum):
    """Who runs a training."""

    LOCAL = "Local"
    KUBEFLOW = "Kubeflow"


class Parameter(SpecModel):
    """A parameter of a pipeline."""

    name: Annotated[FieldName, Field(description="Name as the pipeline declares it.")]
    value: Annotated[Text, Field(description="Value; numbers as text.")]


class ConfigMapKey(SpecModel):
    """An entry of a ConfigMap of the same namespace."""

    name: Annotated[
        str,
        Field(
            description="Name of the ConfigMap.",
            pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            max_length=253,
        ),
    ]
    key: Annotated[str, Field(description="Key of the entry.", pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = (
        "pipeline.yaml"
    )


class PipelineRef(SpecModel):
    """A pipeline: one that ships with the platform, a version that Kubeflow Pipelines has, or a compiled package."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "[has(self.name), has(self.uri), has(self.configMapRef)].filter(given, given).size() == 1",
                    "give exactly one of name, uri and configMapRef",
                ),
                rule("has(self.name) || !has(self.version)", "version is given with name only"),
            ]
        }
    )

    name: Annotated[
        PipelineName | None,
        Field(description="A pipeline that ships with the platform; with version, one that Kubeflow Pipelines has."),
    ] = None
    version: Annotated[
        PipelineName | None, Field(description="Version at Kubeflow Pipelines; it is run as it stands there.")
    ] = None
    uri: Annotated[S3Uri | None, Field(description="Compiled package (YAML) in the object store.")] = None
    config_map_ref: Annotated[
        ConfigMapKey | None, Field(description="Compiled package (YAML) in a ConfigMap of the same namespace.")
    ] = None
    parameters: Annotated[
        list[Parameter],
        Field(
            description="Parameters that differ from the defaults.", max_length=64, json_schema_extra=map_list("name")
        ),
    ] = []

    @model_validator(mode="after")
    def _one_pipeline(self) -> Self:
        if sum(given is not None for given in (self.name, self.uri, self.config_map_ref)) != 1:
            raise ValueError("give exactly one of name, uri and configMapRef")
        if self.version is not None and self.name is None:
            raise ValueError("version is given with name only")
        return self

    def __str__(self) -> str:
        if self.config_map_ref is not None:
            return f"configmap/{self.config_map_ref.name}/{self.config_map_ref.key}"
        return self.uri or (f"{self.name}@{self.version}" if self.version else str(self.name))


class Resources(SpecModel):
    """Compute resources of the run."""

    requests: Annotated[dict[str, Quantity], Field(description="Reserved amounts by resource.", max_length=8)] = {}
    limits: Annotated[dict[str, Quantity], Field(description="Upper bounds by resource.", max_length=8)] = {}


class Placement(SpecModel):
    """Where the run is scheduled."""

    node_pool: Annotated[
        ResourceName | None, Field(description="Node pool of the platform's settings; absent: any node.")
    ] = None
    gpus_per_node: Annotated[int, Field(description="GPUs of the pool's resource name.", ge=0, le=16)] = 0
    resources: Annotated[Resources, Field(description="Compute resources of the run.")] = Resources()


class Output(SpecModel):
    """What the run produces."""

    model: Annotated[ResourceName, Field(description="Registered model that receives the version.")]


class Retry(SpecModel):
    """What happens after a failed attempt."""

    limit: Annotated[int, Field(description="Attempts after the first.", ge=0, le=10)] = 2


class TriggerRef(SpecModel):
    """The object that asked."""

    kind: Annotated[str, Field(description="Kind of the object.", max_length=63)]
    name: Annotated[str, Field(description="Name of the object.", max_length=253)]
    uid: Annotated[str, Field(description="uid of the object.", max_length=64)]


class Trigger(SpecModel):
    """Why this training exists."""

    type: Annotated[TriggerType, Field(description="Who asked.")] = TriggerType.MANUAL
    ref: Annotated[TriggerRef | None, Field(description="The object that asked.")] = None
    message: Annotated[Text, Field(description="Human-readable explanation.")] = ""


class TrainingJobSpec(SpecModel):
    """Intent of a TrainingJob; immutable but for suspend."""

    dataset: Annotated[Dataset, Field(description="What is trained on.")]
    engine: Annotated[Engine | None, Field(description="Who runs it; absent: the platform's setting.")] = None
    pipeline: Annotated[PipelineRef, Field(description="How it is trained.")]
    placement: Annotated[Placement, Field(description="Where the run is scheduled.")] = Placement()
    output: Annotated[Output, Field(description="What the run produces.")]
    seed: Annotated[int, Field(description="Seed of every random draw.", ge=0, le=2147483647)] = 0
    retry: Annotated[Retry, Field(description="What happens after a failed attempt.")] = Retry()
    active_deadline_seconds: Annotated[
        int, Field(description="Longest time of one attempt, without the wait for a node.", ge=30, le=604800)
    ] = 3600
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            description="How long the finished Job and its pods stay; the TrainingJob itself stays.", ge=0, le=2592000
        ),
    ] = 86400
    suspend: Annotated[bool, Field(description="No attempt runs while true; a running one is stopped.")] = False
    trigger: Annotated[Trigger, Field(description="Why this training exists.")] = Trigger()


class Run(StatusModel):
    """The engine's run of the current attempt."""

    engine: Annotated[str, Field(description="Engine that runs it.", max_length=63)]
    id: Annotated[str, Field(description="Name of the run at the engine.", max_length=253)]
    uid: Annotated[str, Field(description="uid of the run at the engine, once seen.", max_length=64)] = ""
    url: Annotated[
        str, Field(description="Where people look at it; empty if there is no such place.", max_length=1024)
    ] = ""
    logs: Annotated[str, Field(description="Command that shows its logs, once seen.", max_length=512)] = ""
    start_time: Annotated[datetime, Field(description="When the attempt was reserved.")]
    completion_time: Annotated[datetime | None, Field(description="When its end was seen; absent while it runs.")] = (
        None
    )
    reason: Annotated[str, Field(description="Why it ended without a result; empty otherwise.", max_length=63)] = ""
    message: Annotated[str, Field(description="The same as a sentence for people.", max_length=1024)] = ""


class CompletionOutcome(StrEnum):
    """How a TrainingJob ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Completion(StatusModel):
    """The end of a TrainingJob."""

    outcome: Annotated[CompletionOutcome, Field(description="Whether it succeeded.")]
    reason: Annotated[str, Field(description="Why it ended, as a reason of condition Succeeded.", max_length=63)]
    message: Annotated[str, Field(description="The same as a sentence for people.", max_length=4096)] = ""


class Progress(StatusModel):
    """How far the run is."""

    current_step: Annotated[str, Field(description="Step that runs now.", max_length=128)] = ""
    completed_steps: Annotated[int, Field(description="Steps finished.", ge=0)] = 0
    total_steps: Annotated[int, Field(description="Steps in all.", ge=0)] = 0
    summary: Annotated[str, Field(description="The same in a few words.", max_length=160)] = ""


class StepState(StrEnum):
    """How a step of a run stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Step(StatusModel):
    """A step of the run, where its engine tells of steps."""

    name: Annotated[str, Field(description="Name of the step in its pipeline.", max_length=128)]
    state: Annotated[StepState, Field(description="How it stands.")]
    start_time: Annotated[datetime | None, Field(description="When it began.")] = None
    completion_time: Annotated[datetime | None, Field(description="When it ended.")] = None


class MetricValue(StatusModel):
    """A figure of the trained model on the holdout."""

    name: Annotated[str, Field(description="Name of the metric.", max_length=63)]
    value: Annotated[Decimal, Field(description="Value, a decimal number.")]


class ModelVersion(StatusModel):
    """The registered version."""

    name: Annotated[str, Field(description="Name in the registry, <namespace>.<model>.", max_length=253)]
    version: Annotated[str, Field(description="Version in the registry; empty until registered.", max_length=32)] = ""
    uri: Annotated[str, Field(description="Folder of the model's files.", max_length=1024)]
    digest: Annotated[Digest, Field(description="Digest of the model's manifest.")]


class DatasetRecord(StatusModel):
    """The data that were used."""

    uri: Annotated[str, Field(description="Folder of the dataset's files.", max_length=1024)]
    digest: Annotated[Digest, Field(description="Digest of the dataset's manifest.")]
    rows: Annotated[int, Field(description="Rows trained on.", ge=0)]
    holdout_rows: Annotated[int, Field(description="Rows kept apart for the gate.", ge=0)]
    watermark: Annotated[datetime | None, Field(description="Newest label time among the rows.")] = None


class Provenance(StatusModel):
    """What is needed to do it again."""

    image: Annotated[str, Field(description="Container image of the run.", max_length=512)] = ""
    pipeline_digest: Annotated[str, Field(description="Digest of the compiled pipeline.", max_length=80)] = ""
    parameters_hash: Annotated[str, Field(description="Hash of parameters and seed.", max_length=80)] = ""
    environment_digest: Annotated[str, Field(description="Digest of the installed packages.", max_length=80)] = ""
    feature_snapshots: Annotated[
        list[Text], Field(description="Digests of the feature snapshots, as name@digest.", max_length=4)
    ] = []
    seed: Annotated[int, Field(description="Seed of every random draw.", ge=0)] = 0


class TrainingJobStatus(StatusModel):
    """State of a TrainingJob."""

    observed_generation: ObservedGeneration = -1
    attempt: Annotated[int, Field(description="Number of the attempt, reserved before its run is created.", ge=0)] = 0
    failures: Annotated[int, Field(description="Failed attempts.", ge=0)] = 0
    run: Annotated[Run | None, Field(description="Run of the current attempt.")] = None
    progress: Annotated[Progress | None, Field(description="How far the run is.")] = None
    steps: Annotated[
        list[Step],
        Field(
            description="Steps of the current attempt, where its engine tells of them.",
            max_length=64,
            json_schema_extra=map_list("name"),
        ),
    ] = []
    metrics: Annotated[
        list[MetricValue],
        Field(
            description="Figures of the trained model on the holdout.",
            max_length=32,
            json_schema_extra=map_list("name"),
        ),
    ] = []
    model: Annotated[ModelVersion | None, Field(description="The registered version.")] = None
    dataset: Annotated[DatasetRecord | None, Field(description="The data that were used.")] = None
    provenance: Annotated[Provenance | None, Field(description="What is needed to do it again.")] = None
    gpu_seconds: Annotated[int, Field(description="GPU time used by all attempts, seconds.", ge=0)] = 0
    start_time: Annotated[datetime | None, Field(description="When the first attempt was reserved.")] = None
    completion_time: Annotated[datetime | None, Field(description="When it succeeded or failed for good.")] = None
    completion: Annotated[
        Completion | None, Field(description="How it succeeded or failed for good; absent until then.")
    ] = None
    conditions: Conditions = Field(default_factory=list)


class TrainingJob(Resource[TrainingJobSpec, TrainingJobStatus]):
    """One bounded training run, from declared data to a registered model version."""

    KIND: ClassVar[str] = "TrainingJob"
    PLURAL: ClassVar[str] = "trainingjobs"
    SHORT_NAME: ClassVar[str] = "tjob"
    COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Succeeded", path='.status.conditions[?(@.type=="Succeeded")].status'),
        PrinterColumn(name="Reason", path='.status.conditions[?(@.type=="Succeeded")].reason'),
        PrinterColumn(name="Progress", path=".status.progress.summary"),
        PrinterColumn(name="Trigger", path=".spec.trigger.type"),
        PrinterColumn(name="Model", path=".spec.output.model"),
        PrinterColumn(name="Version", path=".status.model.version"),
        PrinterColumn(name="Age", path=".metadata.creationTimestamp", type="date"),
    )
    MUTABLE_FIELDS: ClassVar[frozenset[str] | None] = frozenset({"suspend"})

    kind: str = "TrainingJob"
    status: TrainingJobStatus = Field(default_factory=TrainingJobStatus)


SUCCEEDED = "Succeeded"


class TrainingJobReason(StrEnum):
    """Reasons of a TrainingJob's conditions."""

    PENDING = "Pending"
    WAITING_FOR_FEATURES = "WaitingForFeatures"
    RUNNING = "Running"
    REGISTERING = "Registering"
    SUCCEEDED = "Succeeded"
    RETRYING = "Retrying"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    INVALID_SPEC = "InvalidSpec"
    INVALID_DATA = "InvalidData"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    SUSPENDED = "Suspended"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
