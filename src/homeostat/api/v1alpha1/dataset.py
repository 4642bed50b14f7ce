"""The dataset of a TrainingJob: feature sets, labels, window and holdout."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.api.common import Duration, FieldName, ResourceName, S3Uri, SpecModel, map_list, rule


class FeatureSetRef(SpecModel):
    """A FeatureSet of the same namespace."""

    name: Annotated[ResourceName, Field(description="Name of the FeatureSet.")]


class LabelParquet(SpecModel):
    """Labels in Parquet files."""

    uri: Annotated[S3Uri, Field(description="A Parquet file, or a prefix whose Parquet files are read together.")]


class LabelSource(SpecModel):
    """Labels of entities: from files, or the outcomes that the observer of a ModelDeployment exported."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("has(self.parquet) != has(self.outcomesOf)", "give exactly one of parquet and outcomesOf"),
                rule(
                    "has(self.parquet) == has(self.field) && has(self.parquet) == has(self.timestampField)",
                    "field and timestampField are given exactly with parquet",
                ),
            ]
        }
    )

    parquet: Annotated[LabelParquet | None, Field(description="Labels in Parquet files.")] = None
    field: Annotated[FieldName | None, Field(description="Column of the label, with parquet.")] = None
    timestamp_field: Annotated[
        FieldName | None, Field(description="Column of the time at which features are joined, with parquet.")
    ] = None
    outcomes_of: Annotated[
        ResourceName | None, Field(description="ModelDeployment whose exported outcomes are labels.")
    ] = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.parquet is None) == (self.outcomes_of is None):
            raise ValueError("a label source has exactly one of parquet and outcomesOf")
        if (self.parquet is None) != (self.field is None) or (self.parquet is None) != (self.timestamp_field is None):
            raise ValueError("field and timestampField are given exactly with parquet")
        return self


class DatasetWindow(SpecModel):
    """Labels used, by age."""

    last: Annotated[Duration, Field(description="Only labels of predictions made within this time are used.")]


class Holdout(SpecModel):
    """Entities kept apart for the gate, by a hash of model and entity."""

    # No default: other forms (a time, a group) come beside this one, and a spec then says which one it means.
    percent: Annotated[int, Field(description="Percentage of entities that no version is trained on.", ge=5, le=50)]


class Dataset(SpecModel):
    """What is trained on; features are joined as they were known at the time of each label."""

    feature_sets: Annotated[
        list[FeatureSetRef],
        Field(
            description="FeatureSets whose features are joined.",
            min_length=1,
            max_length=4,
            json_schema_extra=map_list("name"),
        ),
    ]
    labels: Annotated[
        list[LabelSource],
        Field(description="A union; the newest label of an entity wins.", min_length=1, max_length=8),
    ]
    window: Annotated[DatasetWindow | None, Field(description="Absent: labels of any age.")] = None
    holdout: Annotated[Holdout, Field(description="Entities reserved for the gate.")]
