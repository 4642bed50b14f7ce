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
    LongMessage,
    Message,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    ResourceName,
    S3Uri,
    SpecModel,
    StatusModel,
    Text,
    Warnings,
    map_list,
    rule,
)
from homeostat.api.v1alpha1.dataset import Dataset
from homeostat.api.v1alpha1.pods import PodTemplateField, Resources

PipelineName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class TriggerType(StrEnum):
    """Origin of a TrainingJob."""

    MANUAL = "Manual"
    MONITOR = "Monitor"
    API = "API"


class Engine(StrEnum):
    """Engine that runs a TrainingJob."""

    LOCAL = "Local"
    KUBEFLOW = "Kubeflow"


class Parameter(SpecModel):
    """A parameter of a pipeline."""

    name: Annotated[FieldName, Field(description="Name of the parameter, as declared by the pipeline.")]
    value: Annotated[Text, Field(description="Value of the parameter; numbers are written as text.")]


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
    """A pipeline: one bundled with the platform, one uploaded to Kubeflow Pipelines, or a compiled package."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "[has(self.name), has(self.uri), has(self.configMapRef)].filter(given, given).size() == 1",
                    "give exactly one of name, uri and configMapRef",
                ),
                rule("has(self.name) || !has(self.version)", "version is allowed only with name"),
            ]
        }
    )

    name: Annotated[
        PipelineName | None,
        Field(description="Name of a bundled pipeline or, with version, of a pipeline in Kubeflow Pipelines."),
    ] = None
    version: Annotated[
        PipelineName | None, Field(description="Version of the pipeline in Kubeflow Pipelines; it runs unmodified.")
    ] = None
    uri: Annotated[
        S3Uri | None, Field(description="URI of a compiled pipeline package (YAML) in the object store.")
    ] = None
    config_map_ref: Annotated[
        ConfigMapKey | None, Field(description="Compiled pipeline package (YAML) in a ConfigMap of the same namespace.")
    ] = None
    parameters: Annotated[
        list[Parameter],
        Field(
            description="Pipeline parameters that override the defaults.",
            max_length=64,
            json_schema_extra=map_list("name"),
        ),
    ] = []

    @model_validator(mode="after")
    def _one_pipeline(self) -> Self:
        if sum(given is not None for given in (self.name, self.uri, self.config_map_ref)) != 1:
            raise ValueError("give exactly one of name, uri and configMapRef")
        if self.version is not None and self.name is None:
            raise ValueError("version is allowed only with name")
        return self

    def __str__(self) -> str:
        if self.config_map_ref is not None:
            return f"configmap/{self.config_map_ref.name}/{self.config_map_ref.key}"
        return self.uri or (f"{self.name}@{self.version}" if self.version else str(self.name))


class Placement(SpecModel):
    """Scheduling of the run."""

    node_pool: Annotated[
        ResourceName | None, Field(description="Node pool, as configured in the platform; absent: any node.")
    ] = None
    gpus_per_node: Annotated[int, Field(description="Number of GPUs requested from the node pool.", ge=0, le=16)] = 0
    resources: Annotated[Resources, Field(description="Compute resources of the run.")] = Resources()
    pod_template: PodTemplateField = None


class Output(SpecModel):
    """Output of the run."""

    model: Annotated[ResourceName, Field(description="Registered model to which the trained version is added.")]


class Retry(SpecModel):
    """Retry policy."""

    limit: Annotated[int, Field(description="Maximum number of retries after the first attempt.", ge=0, le=10)] = 2


class TriggerRef(SpecModel):
    """The object that created this TrainingJob."""

    kind: Annotated[str, Field(description="Kind of the object.", max_length=63)]
    name: Annotated[str, Field(description="Name of the object.", max_length=253)]
    uid: Annotated[str, Field(description="UID of the object.", max_length=64)]


class Trigger(SpecModel):
    """Origin of this TrainingJob."""

    type: Annotated[TriggerType, Field(description="Type of the origin.")] = TriggerType.MANUAL
    ref: Annotated[TriggerRef | None, Field(description="Object that created this TrainingJob.")] = None
    message: Annotated[Text, Field(description="Human-readable explanation.")] = ""


class TrainingJobSpec(SpecModel):
    """Intent of a TrainingJob; immutable but for suspend."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "!has(self.engine) || self.engine != 'Kubeflow' || !has(self.placement.podTemplate) || "
                    "[self.placement.podTemplate].all(pod, pod.metadata.labels.size() + pod.metadata.annotations.size() "
                    "+ pod.spec.tolerations.size() + pod.spec.imagePullSecrets.size() == 0 "
                    "&& !has(pod.spec.priorityClassName))",
                    "with engine Kubeflow, placement.podTemplate can have only spec.nodeSelector: Kubeflow Pipelines 2.0 "
                    "sets no labels, annotations, tolerations, priority class or image pull secrets of steps",
                )
            ]
        }
    )

    dataset: Annotated[Dataset, Field(description="Training data.")]
    engine: Annotated[
        Engine | None, Field(description="Engine that runs the training; absent: the platform's default engine.")
    ] = None
    pipeline: Annotated[PipelineRef, Field(description="Pipeline that trains the model.")]
    placement: Annotated[Placement, Field(description="Scheduling of the run.")] = Placement()
    output: Annotated[Output, Field(description="Output of the run.")]
    seed: Annotated[int, Field(description="Random seed.", ge=0, le=2147483647)] = 0
    retry: Annotated[Retry, Field(description="Retry policy.")] = Retry()
    active_deadline_seconds: Annotated[
        int,
        Field(description="Maximum duration of one attempt in seconds, without the wait for a node.", ge=30, le=604800),
    ] = 3600
    ttl_seconds_after_finished: Annotated[
        int,
        Field(
            description="Seconds after which the finished Job and its pods are deleted; the TrainingJob is kept.",
            ge=0,
            le=2592000,
        ),
    ] = 86400
    suspend: Annotated[
        bool, Field(description="Suspends the training: a running attempt is stopped, no new one starts.")
    ] = False
    trigger: Annotated[Trigger, Field(description="Origin of this TrainingJob.")] = Trigger()


class Run(StatusModel):
    """The run of the current attempt in its engine."""

    engine: Annotated[str, Field(description="Engine that runs the attempt.", max_length=63)]
    id: Annotated[str, Field(description="ID of the run in the engine.", max_length=253)]
    uid: Annotated[
        str, Field(description="UID of the run in the engine; empty until the run is observed.", max_length=64)
    ] = ""
    url: Annotated[
        str, Field(description="URL of the run in the engine's UI; empty if there is none.", max_length=1024)
    ] = ""
    logs: Annotated[str, Field(description="Command that prints the logs of the run.", max_length=512)] = ""
    start_time: Annotated[datetime, Field(description="Time at which the attempt was reserved.")]
    completion_time: Annotated[
        datetime | None, Field(description="Time at which the end of the run was observed; absent while it runs.")
    ] = None
    reason: Annotated[
        str, Field(description="Reason why the run ended without a result; empty otherwise.", max_length=63)
    ] = ""
    message: Annotated[Message, Field(description="Human-readable explanation.")] = ""


class CompletionOutcome(StrEnum):
    """Outcome of a TrainingJob."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Completion(StatusModel):
    """The final result of a TrainingJob."""

    outcome: Annotated[CompletionOutcome, Field(description="Outcome of the TrainingJob.")]
    reason: Annotated[str, Field(description="Reason for the outcome, as in condition Succeeded.", max_length=63)]
    message: Annotated[LongMessage, Field(description="Human-readable explanation.")] = ""


class Progress(StatusModel):
    """Progress of the run."""

    current_step: Annotated[str, Field(description="Name of the running step.", max_length=128)] = ""
    completed_steps: Annotated[int, Field(description="Number of completed steps.", ge=0)] = 0
    total_steps: Annotated[int, Field(description="Total number of steps; 0 if unknown.", ge=0)] = 0
    summary: Annotated[str, Field(description="Short summary of the progress.", max_length=160)] = ""


class StepState(StrEnum):
    """State of a step."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Step(StatusModel):
    """A step of the run, as reported by its engine."""

    name: Annotated[str, Field(description="Name of the step in its pipeline.", max_length=128)]
    state: Annotated[StepState, Field(description="State of the step.")]
    start_time: Annotated[datetime | None, Field(description="Start time of the step.")] = None
    completion_time: Annotated[datetime | None, Field(description="Completion time of the step.")] = None


class MetricValue(StatusModel):
    """A metric of the trained model on the holdout."""

    name: Annotated[str, Field(description="Name of the metric.", max_length=63)]
    value: Annotated[Decimal, Field(description="Value as a decimal number.")]
    constant: Annotated[
        Decimal | None, Field(description="Value of the constant prediction that is best on the same rows.")
    ] = None
    lower: Annotated[Decimal | None, Field(description="Lower bound of the 95 % confidence interval.")] = None
    upper: Annotated[Decimal | None, Field(description="Upper bound of the 95 % confidence interval.")] = None


class ModelVersion(StatusModel):
    """The registered model version."""

    name: Annotated[str, Field(description="Name of the registered model, <namespace>.<model>.", max_length=253)]
    version: Annotated[
        str, Field(description="Version in the model registry; empty until it is registered.", max_length=32)
    ] = ""
    uri: Annotated[str, Field(description="URI of the model bundle.", max_length=1024)]
    digest: Annotated[Digest, Field(description="Digest of the model bundle's manifest.")]
    judged_digest: Annotated[
        Digest | None,
        Field(
            description="Digest of the model that was trained without the holdout and is judged; absent: it is the same."
        ),
    ] = None


class DatasetRecord(StatusModel):
    """The dataset of the run."""

    uri: Annotated[str, Field(description="URI of the dataset.", max_length=1024)]
    digest: Annotated[Digest, Field(description="Digest of the dataset's manifest.")]
    rows: Annotated[int, Field(description="Number of training rows.", ge=0)]
    holdout_rows: Annotated[int, Field(description="Number of holdout rows.", ge=0)]
    watermark: Annotated[datetime | None, Field(description="Newest label time in the dataset.")] = None
    warnings: Warnings = []


class Provenance(StatusModel):
    """Inputs needed to reproduce the training."""

    image: Annotated[str, Field(description="Container image of the run.", max_length=512)] = ""
    pipeline_digest: Annotated[str, Field(description="Digest of the compiled pipeline.", max_length=80)] = ""
    parameters_hash: Annotated[str, Field(description="Hash of the parameters and the seed.", max_length=80)] = ""
    environment_digest: Annotated[str, Field(description="Digest of the installed packages.", max_length=80)] = ""
    feature_snapshots: Annotated[
        list[Text], Field(description="Digests of the feature snapshots, as name@digest.", max_length=4)
    ] = []
    seed: Annotated[int, Field(description="Random seed.", ge=0)] = 0


class TrainingJobStatus(StatusModel):
    """State of a TrainingJob."""

    observed_generation: ObservedGeneration = -1
    attempt: Annotated[
        int, Field(description="Number of the current attempt, reserved before its run is created.", ge=0)
    ] = 0
    failures: Annotated[int, Field(description="Number of failed attempts.", ge=0)] = 0
    run: Annotated[Run | None, Field(description="Run of the current attempt.")] = None
    progress: Annotated[Progress | None, Field(description="Progress of the run.")] = None
    steps: Annotated[
        list[Step],
        Field(
            description="Steps of the current attempt, as reported by its engine.",
            max_length=64,
            json_schema_extra=map_list("name"),
        ),
    ] = []
    metrics: Annotated[
        list[MetricValue],
        Field(
            description="Metrics of the trained model on the holdout.",
            max_length=32,
            json_schema_extra=map_list("name"),
        ),
    ] = []
    model: Annotated[ModelVersion | None, Field(description="The registered model version.")] = None
    dataset: Annotated[DatasetRecord | None, Field(description="The dataset of the run.")] = None
    provenance: Annotated[Provenance | None, Field(description="Inputs needed to reproduce the training.")] = None
    gpu_seconds: Annotated[int, Field(description="GPU-seconds used by all attempts.", ge=0)] = 0
    start_time: Annotated[datetime | None, Field(description="Time at which the first attempt was reserved.")] = None
    completion_time: Annotated[
        datetime | None, Field(description="Time at which the TrainingJob succeeded or finally failed.")
    ] = None
    completion: Annotated[
        Completion | None, Field(description="Final result; absent until the TrainingJob has ended.")
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
