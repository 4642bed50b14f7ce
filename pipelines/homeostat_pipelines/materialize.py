"""A materialisation: source, checks, snapshot, Feast registry, online rows, in this order."""

import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from redis import Redis
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from homeostat.api.v1alpha1.featureset import SourceRead
from homeostat.engines.features.layout import Value
from homeostat.engines.features.writer import FeatureWriter
from homeostat.engines.objects import Listing, ObjectStore
from homeostat.reconcile.errors import EngineUnavailable, InvalidData
from homeostat.runs import (
    ExpectationOutcome,
    FeatureSource,
    MaterializeInput,
    MaterializeResult,
    SnapshotRecord,
)
from homeostat.settings import FeastSettings, OnlineStoreSettings, S3Settings, load
from homeostat_pipelines import columns, expectations, increment, snapshots
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import known_at
from homeostat_pipelines.increment import ReadAll, Reading
from homeostat_pipelines.ordering import Ordering
from homeostat_pipelines.pieces import Rows
from homeostat_pipelines.report import Report
from homeostat_pipelines.values import TIME

if TYPE_CHECKING:
    import feast

log = structlog.get_logger()

STEPS = ("read", "check", "snapshot", "register", "online")
REGISTRY_PATIENCE_SECONDS = 60
ONLINE_STORE_SECONDS = 10
ONLINE_BATCH = 50_000
"""Rows that are Python objects at a time."""


class _Made(NamedTuple):
    """What was made of a source."""

    outcomes: list[ExpectationOutcome]
    snapshot: snapshots.Written | None
    """None: an expectation keeps the previous one in service."""
    source: SourceRead
    warnings: DataWarnings


def run(job: MaterializeInput, objects: ObjectStore) -> None:
    """Materialises a FeatureSet and reports the result; of its rows a piece is in memory at a time.

    Raises:
        InvalidData: The source contradicts the spec.
        EngineUnavailable: The object store, the registry or the online store does not answer.
    """
    report = Report(objects, job.output)
    report.progress("read", 0, len(STEPS))
    through = datetime.now(UTC)
    # Listed before any is read: what is written meanwhile differs from the record, and is read next time.
    files = source_files(job, objects)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            made = _make(job, objects, increment.planned(job, objects, files, folder), folder, report)
        except ReadAll as why:
            made = _make(job, objects, increment.read_all(files, str(why)), folder, report)
        snapshot, online_rows = None, 0
        if made.snapshot is not None:
            repair = job.previous is not None and made.source.full_read_reason != ""
            snapshot = snapshots.store(objects, made.snapshot, job.snapshots, repair=repair)
            increment.record(job, objects, snapshot, files, made.warnings.counts())
            online_rows = _publish(job, Rows(made.snapshot.path), snapshot, through, report, made.warnings)
    report.result(
        MaterializeResult(
            through=through,
            blocked=snapshot is None,
            expectations=made.outcomes,
            snapshot=snapshot,
            online_rows=online_rows,
            warnings=made.warnings.listed(),
            source=made.source,
        )
    )


def source_files(job: MaterializeInput, objects: ObjectStore) -> Listing:
    """The files of the source."""
    files = columns.parquet_files(objects, job.source_uri)
    if not files:
        raise InvalidData(f"source {job.source_uri} holds no Parquet file; write one there or correct spec.source")
    return files


def read_source(
    job: MaterializeInput, objects: ObjectStore, uris: Sequence[str], warnings: DataWarnings
) -> Iterator[pa.Table]:
    """The rows of files of the source, each with its entity and time, a piece at a time."""
    wanted = snapshots.wanted_columns(job.feature_set)
    required = [*(entity.name for entity in job.feature_set.entities), job.feature_set.timestamp_field]
    missing, rows = Counter[str](), 0
    for uri in uris:
        for piece in columns.pieces(objects, uri, wanted, warnings):
            rows += piece.num_rows
            missing.update({name: piece.column(name).null_count for name in required})
            yield piece
    for name in required:
        if missing[name]:
            raise InvalidData(
                f"column {name!r} of {job.source_uri} is missing in {missing[name]} of {rows} rows; "
                "every row needs its entity and its time"
            )


def _make(job: MaterializeInput, objects: ObjectStore, reading: Reading, folder: Path, report: Report) -> _Made:
    """Reads files, checks all rows and makes the snapshot.

    Raises:
        ReadAll: The previous snapshot turned out not to be what was stored.
    """
    source, warnings = job.feature_set, DataWarnings()
    checks = expectations.Checks(job.expectations, source.entities[0].name)
    for text, count in reading.warnings.items():
        warnings.add(text, count)
    rows = 0
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        ordering = Ordering(Path(runs), snapshots.schema_of(source))
        for piece in read_source(job, objects, reading.files, warnings):
            rows += piece.num_rows
            checks.add(piece)
            ordering.add(piece)
        if rows == 0 and reading.previous is None:
            raise InvalidData(f"source {job.source_uri} has no rows; write some or correct spec.source")
        report.progress("check", 1, len(STEPS))
        written = None
        if not expectations.blocked(checks.outcomes()):
            report.progress("snapshot", 2, len(STEPS))
            known = increment.known_rows(reading, job.previous, checks.add)
            if rows or reading.previous is None or job.previous is None:
                written = snapshots.write(folder / "data.parquet", ordering.merged(known), source)
            else:
                deque(known, maxlen=0)  # which are checked on their way
                written = snapshots.Written(
                    reading.previous, job.previous.digest, job.previous.rows, job.previous.watermark
                )
    outcomes = checks.outcomes()
    read = SourceRead(
        files=len(reading.files),
        rows=rows,
        unchanged_files=reading.unchanged,
        full_read_reason=reading.full_read_reason,
    )
    return _Made(outcomes, None if expectations.blocked(outcomes) else written, read, warnings)


def _publish(
    job: MaterializeInput,
    rows: Rows,
    snapshot: SnapshotRecord,
    through: datetime,
    report: Report,
    warnings: DataWarnings,
) -> int:
    """Registers the snapshot with Feast and writes the newest rows online; their number."""
    from homeostat_pipelines import definitions  # noqa: PLC0415 - Feast is slow to import, and bad data never get here

    source = job.feature_set
    ttl = source.online_ttl_seconds
    online = None if ttl is None else definitions.online_store(load(OnlineStoreSettings).url)
    view = definitions.view_of(source, snapshot.uri, load(S3Settings).endpoint)
    with tempfile.TemporaryDirectory() as scratch:
        report.progress("register", 3, len(STEPS))
        _apply(job.namespace, view, definitions.entity_of(source), Path(scratch), online)
    if ttl is None:
        return 0
    report.progress("online", 4, len(STEPS))
    return _write_online(job.namespace, rows, source, ttl, through, warnings)


@retry(
    retry=retry_if_exception_type(EngineUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    stop=stop_after_delay(REGISTRY_PATIENCE_SECONDS),
    reraise=True,
)
def _apply(
    namespace: str, view: "feast.FeatureView", entity: "feast.Entity", scratch: Path, online: dict[str, str] | None
) -> None:
    """Puts this view into the registry of the namespace.

    Another run may create the same tables or rows at the same time: the loser of such a race tries again.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - as Feast

    from homeostat_pipelines import definitions  # noqa: PLC0415 - as above

    try:
        store = definitions.feature_store(namespace, load(FeastSettings).registry_url, scratch, online)
        store.apply([entity, view], skip_feature_view_validation=True)
    except DBAPIError as error:
        raise EngineUnavailable(
            f"the Feast registry refused or does not answer ({error.orig}); check that it runs and HOMEOSTAT_FEAST_REGISTRY_URL"
        ) from error


def _write_online(
    namespace: str,
    rows: Rows,
    source: FeatureSource,
    ttl_seconds: int,
    through: datetime,
    warnings: DataWarnings,
) -> int:
    """Writes the row of each entity that is known now; their number. A row of the future waits for a later run."""
    writer = FeatureWriter(
        Redis.from_url(load(OnlineStoreSettings).url, socket_timeout=ONLINE_STORE_SECONDS),
        namespace=namespace,
        feature_set=source.name,
        schema=source.schema_hash,
        features=[feature.name for feature in source.features],
        types=[feature.type.value for feature in source.features],
        ttl=timedelta(seconds=ttl_seconds),
        entity_type=source.entities[0].type.value,
    )
    written = writer.write(_newest(rows, source, through, warnings))
    writer.finish(through.timestamp())
    log.info("online rows written", rows=written)
    return written


def _newest(
    rows: Rows, source: FeatureSource, through: datetime, warnings: DataWarnings
) -> Iterator[tuple[str, float, Sequence[Value]]]:
    """The rows that are known at a time, one of each entity."""
    text = f"Column {source.timestamp_field!r}: rows of the future, which are not online before that time: {{count}}."

    def counted() -> Iterator[pa.Table]:
        for piece in rows.groups():
            ahead = pc.sum(pc.greater(piece.column(source.timestamp_field), pa.scalar(through, TIME))).as_py()
            warnings.add(text, ahead)
            yield piece

    for piece in known_at(counted(), source.entities[0].name, source.timestamp_field, through):
        yield from _rows(piece, source)


def _rows(table: pa.Table, source: FeatureSource) -> Iterator[tuple[str, float, Sequence[Value]]]:
    """Key as text, Unix time and feature values of each row."""
    for batch in table.to_batches(max_chunksize=ONLINE_BATCH):
        keys = map(str, batch.column(source.entities[0].name).to_pylist())
        times = batch.column(source.timestamp_field).cast(pa.int64()).to_numpy() / 1_000_000
        values = zip(*(batch.column(feature.name).to_pylist() for feature in source.features), strict=True)
        yield from zip(keys, times.tolist(), values, strict=True)
