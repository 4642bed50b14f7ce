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
    Message,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    S3Uri,
    SpecModel,
    StatusModel,
    Text,
    Warnings,
    map_list,
    rule,
)
from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.tasks import UNNAMED


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
    """Rule of an expectation."""

    NOT_NULL = "NotNull"
    RANGE = "Range"
    ONE_OF = "OneOf"


class Severity(StrEnum):
    """Effect of a failed expectation: Block keeps the previous snapshot in service, Warn only reports it."""

    BLOCK = "Block"
    WARN = "Warn"


class Entity(SpecModel):
    """The entity that rows describe."""

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
    """Source of the rows."""

    parquet: Annotated[ParquetSource, Field(description="Parquet files in an object store.")]


class OnlineStore(SpecModel):
    """Online store: serves the newest row of each entity at request time."""

    ttl: Annotated[
        Duration, Field(description="Time to live of a row in the online store after its last materialization.")
    ]


class Materialization(SpecModel):
    """Materialization schedule."""

    schedule: Annotated[
        str, Field(description="Schedule as a cron expression with five fields.", min_length=9, max_length=100)
    ]
    time_zone: Annotated[str, Field(description="IANA time zone of the schedule.", max_length=64)] = "Etc/UTC"
    starting_deadline_seconds: Annotated[
        int, Field(description="Seconds after which a missed scheduled run is skipped.", ge=10, le=86400)
    ] = 300
    suspend: Annotated[bool, Field(description="Suspends the schedule: no new run starts.")] = False


class Freshness(SpecModel):
    """Freshness objective of the features."""

    max_age: Annotated[Duration, Field(description="Maximum time since the last successful materialization.")]


class Expectation(SpecModel):
    """A validation rule for every row of the source."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "self.rule == 'Range' ? has(self.min) || has(self.max) : !has(self.min) && !has(self.max)",
                    "min or max is required with rule Range and not allowed otherwise",
                ),
                rule(
                    "(self.rule == 'OneOf') == has(self.values)",
                    "values is required with rule OneOf and not allowed otherwise",
                ),
            ]
        }
    )

    feature: Annotated[FieldName, Field(description="Feature or entity that the rule validates.")]
    rule: Annotated[Rule, Field(description="Rule that every row must satisfy.")]
    min: Annotated[Decimal | None, Field(description="Minimum value, with rule Range.")] = None
    max: Annotated[Decimal | None, Field(description="Maximum value, with rule Range.")] = None
    values: Annotated[list[Text] | None, Field(description="Allowed values, with rule OneOf.", max_length=256)] = None
    severity: Annotated[Severity, Field(description="Effect of a failure.")] = Severity.BLOCK


RESERVED_NAMES = (UNNAMED.output, "homeostat_time", "homeostat_label")
"""Names that are neither an entity's nor a feature's: the output of a binary classifier, and columns of every dataset.

A feature may have the name of the output of another task; no model of that task can be trained on it.
"""

_NAMES_MESSAGE = "entity, timestampField and features have different names, none of them " + ", ".join(RESERVED_NAMES)


class FeatureSetSpec(SpecModel):
    """Intent of a FeatureSet."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "!has(self.expectations) || self.expectations.all(e, e.feature == self.entities[0].name "
                    "|| self.features.exists(f, f.name == e.feature))",
                    "every expectation names a feature or the entity of this FeatureSet",
                ),
                rule(
                    "self.entities.all(e, e.name != self.timestampField && !(e.name in "
                    f"{list(RESERVED_NAMES)}) && self.features.all(f, f.name != e.name))",
                    _NAMES_MESSAGE,
                ),
                rule(
                    f"self.features.all(f, f.name != self.timestampField && !(f.name in {list(RESERVED_NAMES)}))",
                    _NAMES_MESSAGE,
                ),
            ]
        }
    )

    entities: Annotated[
        list[Entity],
        Field(
            description="Entity key of the rows; immutable.",
            min_length=1,
            max_length=1,
            json_schema_extra=map_list("name"),
        ),
    ]
    timestamp_field: Annotated[
        FieldName, Field(description="Column with the event time, at which a row became known; immutable.")
    ]
    features: Annotated[
        list[Feature],
        Field(
            description="Features in order; new ones can be appended, existing ones are immutable.",
            min_length=1,
            max_length=256,
            json_schema_extra=map_list("name"),
        ),
    ]
    source: Annotated[FeatureSource, Field(description="Source of the rows.")]
    ttl: Annotated[Duration, Field(description="Maximum age of a feature row in the point-in-time join of a training.")]
    online: Annotated[
        OnlineStore | None, Field(description="Online store; absent: the features are available for training only.")
    ] = None
    materialization: Annotated[
        Materialization | None,
        Field(
            description="Materialization schedule; absent: one run after creation, and one for each change of what a run reads "
            "and each request."
        ),
    ] = None
    placement: Annotated[PodOptions, Field(description="Pods of the runs that materialize the features.")] = (
        PodOptions()
    )
    freshness: Annotated[
        Freshness | None, Field(description="Freshness objective; absent: features never become stale.")
    ] = None
    expectations: Annotated[
        list[Expectation], Field(description="Validation rules for every row.", max_length=64, default_factory=list)
    ]

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        entity = self.entities[0].name
        if entity == self.timestamp_field or entity in RESERVED_NAMES:
            raise ValueError(f"entities[0].name {entity!r} cannot be used: {_NAMES_MESSAGE}; rename the column")
        taken = {entity, self.timestamp_field, *RESERVED_NAMES}
        for index, feature in enumerate(self.features):
            if feature.name in taken:
                raise ValueError(
                    f"features[{index}].name {feature.name!r} cannot be used: {_NAMES_MESSAGE}; rename or remove it"
                )
        return self

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
    """An immutable, content-addressed snapshot of the features."""

    version: Annotated[int, Field(description="Version of the snapshot, incremented when its content changes.", ge=1)]
    digest: Annotated[Digest, Field(description="Digest of the snapshot's content.")]
    uri: Annotated[str, Field(description="URI of the snapshot.", max_length=1024)]
    rows: Annotated[int, Field(description="Number of rows.", ge=0)]
    watermark: Annotated[datetime | None, Field(description="Newest event time in the snapshot.")] = None


class RunOutcome(StrEnum):
    """Result of a run."""

    MATERIALIZED = "Materialized"
    BLOCKED = "Blocked"
    FAILED = "Failed"


class MaterializationRun(StatusModel):
    """A numbered materialization run."""

    number: Annotated[int, Field(description="Number of the run, reserved before its Job is created.", ge=1)]
    scheduled_time: Annotated[
        datetime | None, Field(description="Scheduled time that the run is for; absent if it was requested.")
    ] = None
    request: Annotated[str, Field(description="Value of the annotation that requested the run.", max_length=256)] = ""
    input_hash: Annotated[str, Field(description="Hash of the spec fields that the run reads.", max_length=80)] = ""
    job_uid: Annotated[str, Field(description="UID of the Job; empty until the Job is observed.", max_length=64)] = ""
    start_time: Annotated[datetime, Field(description="Time at which the run number was reserved.")]
    outcome: Annotated[RunOutcome | None, Field(description="Result of the run; absent while it runs.")] = None
    permanent: Annotated[
        bool, Field(description="The failure is permanent: the run would fail again on the same source.")
    ] = False
    completion_time: Annotated[datetime | None, Field(description="Time at which the end of the run was observed.")] = (
        None
    )
    reason: Annotated[
        str,
        Field(
            description="Reason for the failure, such as SourceUnavailable or OOMKilled; empty otherwise.",
            max_length=63,
        ),
    ] = ""
    message: Annotated[Message, Field(description="Human-readable result of the run.")] = ""
    full: Annotated[bool, Field(description="The run reads all files of the source, because that was requested.")] = (
        False
    )


class SourceRead(StatusModel):
    """What a run read of the source."""

    files: Annotated[int, Field(description="Number of files that the run read.", ge=0)]
    rows: Annotated[int, Field(description="Number of rows in these files.", ge=0)]
    unchanged_files: Annotated[
        int, Field(description="Number of files that were not read again, because they have not changed.", ge=0)
    ] = 0
    full_read_reason: Annotated[
        Message, Field(description="Why the run read all files; empty if it read only new ones.")
    ] = ""


class LastMaterialization(StatusModel):
    """The last successful run."""

    number: Annotated[int, Field(description="Number of the run.", ge=1)]
    through: Annotated[datetime, Field(description="Time up to which source data is materialized.")]
    time: Annotated[datetime, Field(description="Completion time of the run.")]
    online_rows: Annotated[int, Field(description="Number of entities written to the online store.", ge=0)] = 0
    source: Annotated[SourceRead | None, Field(description="What the run read of the source.")] = None
    warnings: Warnings = []


class FeatureSetStatus(StatusModel):
    """State of a FeatureSet."""

    observed_generation: ObservedGeneration = -1
    schema_hash: Annotated[str, Field(description="Hash of the entity and feature schema.", max_length=80)] = ""
    snapshot: Annotated[Snapshot | None, Field(description="Snapshot in service.")] = None
    run: Annotated[MaterializationRun | None, Field(description="Newest run.")] = None
    failures: Annotated[int, Field(description="Number of failed runs since the last successful one.", ge=0)] = 0
    last_materialization: Annotated[LastMaterialization | None, Field(description="Last successful run.")] = None
    next_run_time: Annotated[
        datetime | None, Field(description="Time of the next run: by the schedule, or of the retry after a failure.")
    ] = None
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
        rule("self.entities == oldSelf.entities", "entities are immutable; create a new FeatureSet"),
        rule("self.timestampField == oldSelf.timestampField", "timestampField is immutable; create a new FeatureSet"),
        rule(
            "self.features + oldSelf.features == self.features",
            "features are append-only and their types fixed; create a new FeatureSet",
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
