"""The result contract: documents that operators hand to runs and runs hand back, the same for every engine.

A run reads its input as JSON from the file that ``--input`` names, or without it from the environment variable
``HOMEOSTAT_INPUT``, and writes under its ``output`` prefix in the object store: ``progress.json`` while it works, then either
``failure.json`` or, last of all, ``result.json``.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from homeostat.api.v1alpha1.dataset import RowsPerEntity
from homeostat.api.v1alpha1.featureset import Entity, Expectation, Feature, SourceRead
from homeostat.api.v1alpha1.gate import Gate
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.holdout import Holdout
from homeostat.documents import TolerantDocument
from homeostat.reconcile.errors import InvalidSpec
from homeostat.signals.gate import GateReport
from homeostat.tasks import UNNAMED

INPUT_VARIABLE = "HOMEOSTAT_INPUT"
INPUT_ANNOTATION = "homeostat.dev/run-input"
"""Annotation of a run's pod that holds its input; the pod mounts it as a file.

Not an environment variable: Kubernetes expands ``$(NAME)`` in those, so that text of a spec could show the pod's credentials,
and Linux limits one to 128 KiB.
"""

INPUT_LIMIT = 200 * 1024
"""Bytes of a run's input; Kubernetes limits all annotations of an object to 256 KiB together."""

PROGRESS, FAILURE, RESULT = "progress.json", "failure.json", "result.json"


def input_text(document: TolerantDocument, limit: int = INPUT_LIMIT) -> str:
    """A run's input as it is handed over.

    Raises:
        InvalidSpec: It is longer than `limit`, in bytes.
    """
    text = document.model_dump_json(by_alias=True)
    if (size := len(text.encode())) > limit:
        raise InvalidSpec(
            f"the input of a run, made from spec, has {size} bytes and the limit is {limit}; shorten what is "
            "longest in spec, such as values of expectations"
        )
    return text


def run_prefix(bucket: str, namespace: str, uid: str, number: int, purpose: str) -> str:
    """Prefix of a run's documents: ``s3://<bucket>/<namespace>/<uid of the parent>/<purpose>-<number>/``."""
    return f"s3://{bucket}/{namespace}/{uid}/{purpose}-{number}/"


class FailureReason(StrEnum):
    """Who must act on a failed run."""

    INVALID_DATA = "InvalidData"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    ERROR = "Error"


class RunFailure(TolerantDocument):
    """Content of ``failure.json``."""

    reason: FailureReason
    message: str


class RunProgress(TolerantDocument):
    """Content of ``progress.json``."""

    step: str
    done: int
    total: int


class FeatureSource(TolerantDocument):
    """A FeatureSet as a run needs it."""

    name: str
    entities: list[Entity]
    timestamp_field: str
    features: list[Feature]
    ttl_seconds: int
    online_ttl_seconds: int | None = None
    schema_hash: str
    snapshot_uri: str = ""
    snapshot_digest: str = ""


class ExpectationOutcome(TolerantDocument):
    """How one expectation fared."""

    feature: str
    rule: str
    severity: str
    failures: Annotated[int, Field(description="Rows that failed.")]
    message: str


class SnapshotRecord(TolerantDocument):
    """A stored snapshot."""

    digest: str
    uri: str
    rows: int
    watermark: datetime | None


class MaterializeInput(TolerantDocument):
    """Input of a materialisation."""

    namespace: str
    feature_set: FeatureSource
    source_uri: str
    expectations: list[Expectation]
    snapshots: Annotated[str, Field(description="Prefix of all snapshots of this FeatureSet.")]
    output: str
    previous: SnapshotRecord | None = Field(
        None, description="The snapshot in service: files of the source that it was made of need not be read again."
    )
    full: bool = Field(default=False, description="Whether all files are read in any case.")


class MaterializeResult(TolerantDocument):
    """Content of ``result.json`` of a materialisation; a blocked one keeps the previous snapshot."""

    through: datetime
    blocked: bool
    expectations: list[ExpectationOutcome]
    snapshot: SnapshotRecord | None
    online_rows: int
    warnings: list[str] = Field(default_factory=list, description="What was taken as missing, changed or left out.")
    source: SourceRead | None = None


class LabelInput(TolerantDocument):
    """One source of labels; outcomes exported by an observer have field ``label`` and time ``predicted_at``."""

    uri: str
    entity_field: str
    field: str
    timestamp_field: str
    since: Annotated[datetime | None, Field(description="Time of the earliest label used, inclusive.")] = None
    until: Annotated[datetime | None, Field(description="Time before which labels are used, exclusive.")] = None


class TrainInput(TolerantDocument):
    """Input of a training."""

    namespace: str
    model: Annotated[str, Field(description="spec.output.model: the holdout is drawn by hash(model, entity).")]
    feature_sets: list[FeatureSource]
    request_features: list[Feature] = Field(
        default_factory=list, description="Columns of the labels that are features."
    )
    labels: list[LabelInput]
    task: Annotated[str, Field(description="What the model predicts, by the name of its task.")] = UNNAMED.name
    positive: Annotated[str, Field(description="Which of two texts is label 1; empty for labels of 0 and 1.")] = ""
    rows_per_entity: RowsPerEntity = RowsPerEntity.NEWEST
    window_seconds: int | None
    holdout_percent: Annotated[int, Field(description="Share of entities in the holdout; 0 with another form of it.")]
    holdout: Annotated[Holdout | None, Field(description="Absent: `holdout_percent` is all of it.")] = None
    pipeline: str
    parameters: dict[str, str]
    seed: int
    image: str
    gpus: int
    datasets: Annotated[str, Field(description="Prefix of all datasets of the namespace.")]
    models: Annotated[str, Field(description="Prefix of all model files of this model.")]
    output: str

    @property
    def held(self) -> Holdout:
        """How the holdout is to be chosen."""
        return self.holdout or Holdout(percent=self.holdout_percent)


class TrainedModel(BundleRef):
    """What the training step hands on: the model that is served, and what is to be known of how it came about."""

    judged: Annotated[BundleRef | None, Field(description="The model trained without the holdout, if another.")] = None
    warnings: list[str] = Field(default_factory=list, description="What its figures may not foretell.")


class StoredDataset(TolerantDocument):
    """Dataset files ``train.parquet`` and ``holdout.parquet`` with a ``manifest.json``."""

    uri: str
    digest: str
    rows: int
    holdout_rows: int
    watermark: datetime | None
    holdout: Annotated[Holdout | None, Field(description="How the holdout was chosen.")] = None
    warnings: list[str] = Field(default_factory=list, description="What was left out, or is less than it looks like.")


class Beside(TolerantDocument):
    """What a metric of a trained model is to be read with."""

    constant: Annotated[float | None, Field(description="Value of the constant prediction on the same rows.")] = None
    lower: Annotated[float | None, Field(description="Lower bound of the metric, 95 %.")] = None
    upper: Annotated[float | None, Field(description="Upper bound of the metric, 95 %.")] = None


class TrainResult(TolerantDocument):
    """Content of ``result.json`` of a training."""

    metrics: dict[str, float]
    beside: Annotated[dict[str, Beside], Field(description="By metric; what is not known of it is absent.")] = Field(
        default_factory=dict
    )
    model: BundleRef
    judged: Annotated[BundleRef | None, Field(description="The model that the metrics are of, if not `model`.")] = None
    dataset: StoredDataset
    pipeline_digest: str
    parameters_hash: str
    environment_digest: str
    gpu_seconds: int


class EvaluateInput(TolerantDocument):
    """Input of an evaluation: challenger against champion on the holdout of a dataset."""

    namespace: str
    challenger: BundleRef
    champion: BundleRef | None
    champion_version: str = ""
    champion_sources: list[FeatureSource] = Field(
        default_factory=list, description="FeatureSets of the champion, for its features that the dataset lacks."
    )
    dataset: BundleRef
    gate: Gate
    seed: int
    output: str


class EvaluateResult(TolerantDocument):
    """Content of ``result.json`` of an evaluation."""

    report: GateReport
