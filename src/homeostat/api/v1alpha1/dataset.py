"""The dataset of a TrainingJob: feature sets, labels, window and holdout."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, ConfigDict, Field, field_validator, model_validator

from homeostat.api.common import SET_LIST, Duration, FieldName, ResourceName, S3Uri, SpecModel, map_list, rule
from homeostat.api.v1alpha1.featureset import RESERVED_NAMES, Feature
from homeostat.tasks import UNNAMED
from homeostat.tasks.binary import BinaryClassification
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

_POSITIVE_MESSAGE = "positive is allowed only with task BinaryClassification"


class TaskName(StrEnum):
    """What a model predicts."""

    BINARY_CLASSIFICATION = BinaryClassification.name
    MULTICLASS_CLASSIFICATION = MulticlassClassification.name
    REGRESSION = Regression.name


class Target(SpecModel):
    """What the model predicts, and what its labels are."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("!has(self.positive) || self.task == 'BinaryClassification'", _POSITIVE_MESSAGE),
            ]
        }
    )

    task: Annotated[
        TaskName,
        Field(
            description="What the model predicts: which of two things is so (labels 0 and 1, booleans, or two texts with "
            "positive), which of several classes it is (labels are texts or whole numbers), or a number."
        ),
    ]
    positive: Annotated[
        str | None,
        Field(
            description="Which of two texts is label 1, with task BinaryClassification; absent: labels are 0 and 1, or booleans.",
            min_length=1,
            max_length=256,
        ),
    ] = None

    @model_validator(mode="after")
    def _positive_has_a_use(self) -> Self:
        if self.positive is not None and self.task is not TaskName.BINARY_CLASSIFICATION:
            raise ValueError(_POSITIVE_MESSAGE)
        return self


class FeatureSetRef(SpecModel):
    """A FeatureSet of the same namespace."""

    name: Annotated[ResourceName, Field(description="Name of the FeatureSet.")]
    features: Annotated[
        list[FieldName] | None,
        Field(
            description="Features that are joined; absent: all of the FeatureSet.",
            min_length=1,
            max_length=256,
            json_schema_extra=SET_LIST,
        ),
    ] = None

    @field_validator("features")
    @classmethod
    def _different(cls, names: list[str] | None) -> list[str] | None:
        if twice := next((name for name in names or () if (names or []).count(name) > 1), None):
            raise ValueError(f"features names {twice!r} twice; name it once")
        return names


class LabelParquet(SpecModel):
    """Labels in Parquet files."""

    uri: Annotated[S3Uri, Field(description="A Parquet file, or a prefix whose Parquet files are read together.")]


class LabelSource(SpecModel):
    """A source of labels: Parquet files, or outcomes exported by the observer of a ModelDeployment."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.parquet) != has(self.outcomesOf)", "give exactly one of parquet and outcomesOf"),
                rule(
                    "has(self.parquet) == has(self.field) && has(self.parquet) == has(self.timestampField)",
                    "field and timestampField are required with parquet and not allowed otherwise",
                ),
                rule(
                    "!has(self.field) || !has(self.timestampField) || self.field != self.timestampField",
                    "field and timestampField are two columns",
                ),
                rule("!has(self.from) || !has(self.to) || self.from < self.to", "from is earlier than to"),
            ]
        }
    )

    parquet: Annotated[LabelParquet | None, Field(description="Labels in Parquet files.")] = None
    field: Annotated[FieldName | None, Field(description="Column that holds the label; required with parquet.")] = None
    timestamp_field: Annotated[
        FieldName | None,
        Field(description="Column with the time as of which features are joined; required with parquet."),
    ] = None
    outcomes_of: Annotated[
        ResourceName | None, Field(description="ModelDeployment whose exported outcomes are used as labels.")
    ] = None
    since: Annotated[
        AwareDatetime | None,
        Field(alias="from", description="Time of the earliest label used, inclusive; absent: no limit."),
    ] = None
    until: Annotated[
        AwareDatetime | None,
        Field(alias="to", description="Time before which labels are used, exclusive; absent: no limit."),
    ] = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.parquet is None) == (self.outcomes_of is None):
            raise ValueError("a label source has exactly one of parquet and outcomesOf")
        if (self.parquet is None) != (self.field is None) or (self.parquet is None) != (self.timestamp_field is None):
            raise ValueError("field and timestampField are required with parquet and not allowed otherwise")
        if self.field is not None and self.field == self.timestamp_field:
            raise ValueError(f"field and timestampField are two columns, not both {self.field!r}")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(f"from ({self.since}) is earlier than to ({self.until})")
        return self


class RowsPerEntity(StrEnum):
    """Labels of an entity that a training takes: the newest, or one of each time."""

    NEWEST = "Newest"
    ALL = "All"


class DatasetWindow(SpecModel):
    """Age limit of the labels."""

    last: Annotated[Duration, Field(description="Maximum age of a label, by the time of its prediction.")]


class Holdout(SpecModel):
    """Rows reserved for the gate: a share of the entities, a share of the groups, or the newest time."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.percent) != has(self.latest)", "give exactly one of percent and latest"),
                rule("!has(self.groupBy) || has(self.percent)", "groupBy is allowed with percent only"),
                rule("!has(self.refit) || has(self.latest)", "refit is allowed with latest only"),
            ]
        }
    )

    percent: Annotated[
        int | None,
        Field(
            description="Percentage of entities, or with groupBy of groups, that no version is trained on.", ge=5, le=50
        ),
    ] = None
    group_by: Annotated[
        FieldName | None,
        Field(
            description="Feature whose rows of one value are all trained on or all held out, by a hash of the value."
        ),
    ] = None
    latest: Annotated[
        Duration | None,
        Field(
            description="Time before the newest label from which on rows are held out; the gate judges a model without them."
        ),
    ] = None
    refit: Annotated[
        bool | None,
        Field(
            description="Whether the model that is served is then trained on all rows; absent: true. With latest only."
        ),
    ] = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.percent is None) == (self.latest is None):
            raise ValueError("a holdout has exactly one of percent and latest")
        if self.group_by is not None and self.percent is None:
            raise ValueError("groupBy is allowed with percent only")
        if self.refit is not None and self.latest is None:
            raise ValueError("refit is allowed with latest only")
        return self


_FREE_NAMES = "a request feature has a name of its own: not that of a column of the labels, nor " + ", ".join(
    RESERVED_NAMES
)
_PARQUET_ONLY = "requestFeatures are columns of labels in parquet; outcomesOf has none"


class Dataset(SpecModel):
    """Training data: labels with features joined as of the time of each label (point-in-time join)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "!has(self.requestFeatures) || self.requestFeatures.all(f, "
                    f"!(f.name in {list(RESERVED_NAMES)}) && self.labels.all(l, "
                    "(!has(l.field) || l.field != f.name) && (!has(l.timestampField) || l.timestampField != f.name)))",
                    _FREE_NAMES,
                ),
                rule(
                    "!has(self.requestFeatures) || size(self.requestFeatures) == 0 || self.labels.all(l, has(l.parquet))",
                    _PARQUET_ONLY,
                ),
            ]
        }
    )

    target: Annotated[
        Target | None, Field(description="What the model predicts; absent: BinaryClassification of labels 0 and 1.")
    ] = None
    feature_sets: Annotated[
        list[FeatureSetRef],
        Field(
            description="FeatureSets whose features are joined to the labels.",
            min_length=1,
            max_length=4,
            json_schema_extra=map_list("name"),
        ),
    ]
    request_features: Annotated[
        list[Feature],
        Field(
            description="Features that are columns of the labels; callers send them with each request, whatever is looked up.",
            max_length=64,
            default_factory=list,
            json_schema_extra=map_list("name"),
        ),
    ]
    labels: Annotated[
        list[LabelSource],
        Field(
            description="Label sources; they are merged, and of labels of one entity and time the one of the later source wins.",
            min_length=1,
            max_length=8,
        ),
    ]
    rows_per_entity: Annotated[
        RowsPerEntity, Field(description="Rows of an entity: its newest label, or All of them (a panel).")
    ] = RowsPerEntity.NEWEST
    window: Annotated[DatasetWindow | None, Field(description="Age limit of the labels; absent: no limit.")] = None
    holdout: Annotated[
        Holdout | None,
        Field(description="Rows reserved for the gate; absent: the newest fifth of the labels, as latest with refit."),
    ] = None

    @property
    def task(self) -> str:
        """Name of the task of the model."""
        return self.target.task.value if self.target else UNNAMED.name

    @model_validator(mode="after")
    def _request_features_have_columns(self) -> Self:
        taken = {*RESERVED_NAMES, *(name for source in self.labels for name in (source.field, source.timestamp_field))}
        if wrong := next((f.name for f in self.request_features if f.name in taken), None):
            raise ValueError(f"requestFeatures: {wrong!r} cannot be used: {_FREE_NAMES}; rename the column")
        if self.request_features and not all(source.parquet for source in self.labels):
            raise ValueError(_PARQUET_ONLY)
        return self
