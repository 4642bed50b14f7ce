"""A materialisation: source, checks, snapshot, Feast registry, online rows, in this order."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import EngineUnavailable, InvalidData
from homeostat.runs import FeatureSource, MaterializeInput, MaterializeResult, SnapshotRecord
from homeostat.settings import FeastSettings, OnlineStoreSettings, S3Settings, load
from homeostat_pipelines import columns, expectations, snapshots
from homeostat_pipelines.report import Report

if TYPE_CHECKING:
    import feast

log = structlog.get_logger()

STEPS = ("read", "check", "snapshot", "register", "online")
REGISTRY_PATIENCE_SECONDS = 60


def run(job: MaterializeInput, objects: ObjectStore) -> None:
    """Materialises a FeatureSet and reports the result.

    Raises:
        InvalidData: The source contradicts the spec.
        EngineUnavailable: The object store, the registry or the online store does not answer.
    """
    report = Report(objects, job.output)
    report.progress("read", 0, len(STEPS))
    through = datetime.now(UTC)
    table = read_source(job, objects)
    report.progress("check", 1, len(STEPS))
    outcomes = expectations.check(table, job.expectations, job.feature_set.entities[0].name)
    stopped = expectations.blocked(outcomes)
    snapshot, written = None, 0
    if not stopped:
        report.progress("snapshot", 2, len(STEPS))
        table = snapshots.ordered(table)
        snapshot = snapshots.store(objects, table, job.feature_set, job.snapshots)
        written = _publish(job, table, snapshot, through, report)
    report.result(
        MaterializeResult(
            through=through, blocked=stopped, expectations=outcomes, snapshot=snapshot, online_rows=written
        )
    )


def read_source(job: MaterializeInput, objects: ObjectStore) -> pa.Table:
    """The rows of the source, each with its entity and time."""
    uris = columns.parquet_uris(objects, job.source_uri)
    if not uris:
        raise InvalidData(f"source {job.source_uri} holds no Parquet file; write one there or correct spec.source")
    table = columns.read(objects, uris, snapshots.wanted_columns(job.feature_set))
    if table.num_rows == 0:
        raise InvalidData(f"source {job.source_uri} has no rows; write some or correct spec.source")
    for name in (*(entity.name for entity in job.feature_set.entities), job.feature_set.timestamp_field):
        if missing := table.column(name).null_count:
            raise InvalidData(
                f"column {name!r} of {job.source_uri} is missing in {missing} of {table.num_rows} rows; "
                "every row needs its entity and its time"
            )
    return table


def _publish(
    job: MaterializeInput, table: pa.Table, snapshot: SnapshotRecord, through: datetime, report: Report
) -> int:
    """Registers the snapshot with Feast and writes the newest rows online; their number."""
    from homeostat_pipelines import definitions  # noqa: PLC0415 - Feast is slow to import, and bad data never get here

    source = job.feature_set
    online = None if source.online_ttl_seconds is None else definitions.online_store(load(OnlineStoreSettings).url)
    view = definitions.view_of(source, snapshot.uri, load(S3Settings).endpoint)
    with tempfile.TemporaryDirectory() as scratch:
        report.progress("register", 3, len(STEPS))
        store = _applied(job.namespace, view, definitions.entity_of(source), Path(scratch), online)
        if online is None:
            return 0
        report.progress("online", 4, len(STEPS))
        return _write_online(store, view, table, source, through)


@retry(
    retry=retry_if_exception_type(EngineUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    stop=stop_after_delay(REGISTRY_PATIENCE_SECONDS),
    reraise=True,
)
def _applied(
    namespace: str, view: "feast.FeatureView", entity: "feast.Entity", scratch: Path, online: dict[str, str] | None
) -> "feast.FeatureStore":
    """The Feast store of the namespace with this view applied.

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
    return store


def _write_online(
    store: "feast.FeatureStore",
    view: "feast.FeatureView",
    table: pa.Table,
    source: FeatureSource,
    through: datetime,
) -> int:
    import pandas as pd  # noqa: PLC0415 - as Feast

    newest = snapshots.newest_rows(table, source.entities[0].name)
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    for batch in newest.to_batches(max_chunksize=50_000):
        frame = batch.to_pandas(types_mapper=nullable.get)
        store.write_to_online_store(source.name, frame)
    from homeostat_pipelines.online_store import HomeostatOnlineStore  # noqa: PLC0415 - as Feast

    HomeostatOnlineStore().writer(store.config, view).finish(through.timestamp())
    log.info("online rows written", rows=newest.num_rows)
    return int(newest.num_rows)
