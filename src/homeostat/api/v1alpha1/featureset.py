"""FeatureSet: curated features, validated, versioned and materialised on a schedule."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.api.common import (
    Conditions,
    Decimal,
    Digest,
    Duration,
    FieldName,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    S3Uri,
    SpecModel,
    StatusModel,
    Text,
    map_list,
    rule,
)


class EntityType(StrEnum):
    """Type of an entity key."""

    STRING = "String"
    INT64 = "Int64"


class FeatureType(StrEnum):
    """Type of a feature."""

    STRING = "String"
    INT64 = "Int64"
    FLOAT64 = "Float64"
    BOOL = "Bool"


class Rule(StrEnum):
    """What an expectation demands of every row."""

    NOT_NULL = "NotNull"
    RANGE = "Range"
    ONE_OF = "OneOf"


class Severity(StrEnum):
    """What a failed expectation does: Block keeps the previous snapshot in service, Warn is a message."""

    BLOCK = "Block"
    WARN = "Warn"


class Entity(SpecModel):
    """The key that rows belong to."""

    name: Annotated[FieldName, Field(description="Column that holds the key.")]
    type: Annotated[EntityType, Field(description="Type of the key.")]


class Feature(SpecModel):
    """One feature."""

    name: Annotated[FieldName, Field(description="Column that holds the feature.")]
    type: Annotated[FeatureType, Field(description="Type of the feature.")]


class ParquetSource(SpecModel):
    """Parquet files in an object store."""

    uri: Annotated[S3Uri, Field(description="A Parquet file, or a prefix whose Parquet files are read together.")]


class FeatureSource(SpecModel):
    """Where the rows come from."""

    parquet: Annotated[ParquetSource, Field(description="Parquet files in an object store.")]


class OnlineStore(SpecModel):
    """Serving of the newest row of every entity at request time."""

    ttl: Annotated[Duration, Field(description="How long an entity's row is served after its last materialisation.")]


class Materialization(SpecModel):
    """When the source is read again."""

    schedule: Annotated[str, Field(description="Cron expression of five fields.", min_length=9, max_length=100)]
    time_zone: Annotated[str, Field(description="IANA time zone of the schedule.", max_length=64)] = "Etc/UTC"
    starting_deadline_seconds: Annotated[
        int, Field(description="A slot missed for longer than this is skipped.", ge=10, le=86400)
    ] = 300
    suspend: Annotated[bool, Field(description="No new run is started while true.")] = False


class Freshness(SpecModel):
    """How old the features may become."""

    max_age: Annotated[Duration, Field(description="Longest time since the last successful materialisation.")]


class Expectation(SpecModel):
    """A demand on every row of the source."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "self.rule == 'Range' ? has(self.min) || has(self.max) : !has(self.min) && !has(self.max)",
                    "min or max are given exactly with rule Range",
                ),
                rule("(self.rule == 'OneOf') == has(self.values)", "values are given exactly with rule OneOf"),
            ]
        }
    )

    feature: Annotated[FieldName, Field(description="Feature or entity that the rule is about.")]
    rule: Annotated[Rule, Field(description="What every row must satisfy.")]
    min: Annotated[Decimal | None, Field(description="Smallest allowed value, with rule Range.")] = None
    max: Annotated[Decimal | None, Field(description="Largest allowed value, with rule Range.")] = None
    values: Annotated[list[Text] | None, Field(description="Allowed values, with rule OneOf.", max_length=256)] = None
    severity: Annotated[Severity, Field(description="What a failure does.")] = Severity.BLOCK


class FeatureSetSpec(SpecModel):
    """Intent of a FeatureSet."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "!has(self.expectations) || self.expectations.all(e, e.feature == self.entities[0].name "
                    "|| self.features.exists(f, f.name == e.feature))",
                    "every expectation names a feature or the entity of this FeatureSet",
                )
            ]
        }
    )

    entities: Annotated[
        list[Entity],
        Field(
            description="Key of the rows; immutable.", min_length=1, max_length=1, json_schema_extra=map_list("name")
        ),
    ]
    timestamp_field: Annotated[FieldName, Field(description="Column with the time a row became known; immutable.")]
    features: Annotated[
        list[Feature],
        Field(
            description="Features, in order; more can be appended, types are fixed.",
            min_length=1,
            max_length=256,
            json_schema_extra=map_list("name"),
        ),
    ]
    source: Annotated[FeatureSource, Field(description="Where the rows come from.")]
    ttl: Annotated[Duration, Field(description="How far back a training row may look for its features.")]
    online: Annotated[OnlineStore | None, Field(description="Absent: features are for training only.")] = None
    materialization: Annotated[Materialization, Field(description="When the source is read again.")]
    freshness: Annotated[Freshness | None, Field(description="Absent: features never become stale.")] = None
    expectations: Annotated[
        list[Expectation], Field(description="Demands on every row.", max_length=64, default_factory=list)
    ]

    @model_validator(mode="after")
    def _expectations_fit(self) -> Self:
        known = {f.name for f in self.features} | {e.name for e in self.entities}
        for index, expectation in enumerate(self.expectations):
            if expectation.feature not in known:
                raise ValueError(
                    f"expectations[{index}].feature {expectation.feature!r} is not among features; "
                    f"use one of {', '.join(sorted(known))}"
                )
        return self


class Snapshot(StatusModel):
    """The immutable, content-addressed data in service."""

    version: Annotated[int, Field(description="Counts the different snapshots of this FeatureSet.", ge=1)]
    digest: Annotated[Digest, Field(description="Digest of the snapshot's content.")]
    uri: Annotated[str, Field(description="Where the snapshot lies.", max_length=1024)]
    rows: Annotated[int, Field(description="Number of rows.", ge=0)]
    watermark: Annotated[datetime | None, Field(description="Newest event time among the rows.")] = None


class RunOutcome(StrEnum):
    """How a run ended."""

    MATERIALIZED = "Materialized"
    BLOCKED = "Blocked"
    FAILED = "Failed"


class MaterializationRun(StatusModel):
    """A numbered run of the materialisation."""

    number: Annotated[int, Field(description="Number of the run, reserved before its Job is created.", ge=1)]
    scheduled_time: Annotated[datetime | None, Field(description="Slot of the schedule that the run is for.")] = None
    request: Annotated[str, Field(description="Value of the annotation that asked for it.", max_length=256)] = ""
    input_hash: Annotated[str, Field(description="Hash of what the run reads from the spec.", max_length=80)] = ""
    job_uid: Annotated[str, Field(description="uid of the Job, once seen.", max_length=64)] = ""
    start_time: Annotated[datetime, Field(description="When the number was reserved.")]
    outcome: Annotated[RunOutcome | None, Field(description="How it ended; absent while it runs.")] = None
    permanent: Annotated[bool, Field(description="It failed, and would fail again on the same source.")] = False
    completion_time: Annotated[datetime | None, Field(description="When its end was seen.")] = None
    reason: Annotated[
        str,
        Field(description="Why it failed, such as SourceUnavailable or OOMKilled; empty otherwise.", max_length=63),
    ] = ""
    message: Annotated[str, Field(description="How it ended, as a sentence for people.", max_length=1024)] = ""


class LastMaterialization(StatusModel):
    """The last run that finished well."""

    number: Annotated[int, Field(description="Number of the run.", ge=1)]
    through: Annotated[datetime, Field(description="Source data known up to this time are materialised.")]
    time: Annotated[datetime, Field(description="When the run finished.")]
    online_rows: Annotated[int, Field(description="Entities written to the online store.", ge=0)] = 0


class FeatureSetStatus(StatusModel):
    """State of a FeatureSet."""

    observed_generation: ObservedGeneration = -1
    schema_hash: Annotated[str, Field(description="Hash of entities and features.", max_length=80)] = ""
    snapshot: Annotated[Snapshot | None, Field(description="Data in service.")] = None
    run: Annotated[MaterializationRun | None, Field(description="Newest numbered run.")] = None
    failures: Annotated[int, Field(description="Failed runs since the last good one.", ge=0)] = 0
    last_materialization: Annotated[LastMaterialization | None, Field(description="Last good run.")] = None
    next_run_time: Annotated[datetime | None, Field(description="Next slot of the schedule.")] = None
    conditions: Conditions = Field(default_factory=list)


class FeatureSet(Resource[FeatureSetSpec, FeatureSetStatus]):
    """Curated features, validated, versioned and materialised on a schedule."""

    KIND: ClassVar[str] = "FeatureSet"
    PLURAL: ClassVar[str] = "featuresets"
    SHORT_NAME: ClassVar[str] = "fset"
    COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason'),
        PrinterColumn(name="Version", path=".status.snapshot.version", type="integer"),
        PrinterColumn(name="Rows", path=".status.snapshot.rows", type="integer"),
        PrinterColumn(name="Watermark", path=".status.snapshot.watermark"),
        PrinterColumn(name="Through", path=".status.lastMaterialization.through"),
        PrinterColumn(name="Next", path=".status.nextRunTime"),
    )
    TRANSITION_RULES: ClassVar[tuple[dict[str, Any], ...]] = (
        rule("self.entities == oldSelf.entities", "entities are immutable; make a new FeatureSet"),
        rule("self.timestampField == oldSelf.timestampField", "timestampField is immutable; make a new FeatureSet"),
        rule(
            "self.features + oldSelf.features == self.features",
            "features are append-only and their types fixed; make a new FeatureSet",
        ),
    )

    kind: str = "FeatureSet"
    status: FeatureSetStatus = Field(default_factory=FeatureSetStatus)


class FeatureSetReason(StrEnum):
    """Reasons of a FeatureSet's conditions."""

    MATERIALIZED = "Materialized"
    MATERIALIZING = "Materializing"
    EXPECTATION_FAILED = "ExpectationFailed"
    STALE = "Stale"
    RUN_FAILED = "RunFailed"
    INVALID_SPEC = "InvalidSpec"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    SUSPENDED = "Suspended"
