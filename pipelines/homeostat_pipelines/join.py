"""The point-in-time join: each label with the features as they were known at its prediction."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FeatureSource
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import History, NotOrdered
from homeostat_pipelines.values import ARROW

log = structlog.get_logger()


def join(objects: ObjectStore, sources: list[FeatureSource], labels: pa.Table, warnings: DataWarnings) -> pa.Table:
    """Labels with features, sorted by entity; labels without any known feature are left out.

    The join reads exactly the snapshots that the run's input names, a column at a time.

    Raises:
        InvalidData: A snapshot is gone or not in order, or no label has features.
    """
    entity = sources[0].entities[0].name
    labels = labels.sort_by(entity)
    columns = {name: labels.column(name) for name in (entity, TIME, LABEL)}
    known = pa.repeat(pa.scalar(False), labels.num_rows)
    for source in sources:
        for name, column in features_at(objects, source, labels.column(entity), labels.column(TIME)).items():
            columns[name] = column
            known = pc.or_(known, pc.is_valid(column))
    kept = pa.table(columns).filter(known).combine_chunks()
    log.info("features joined", labels=labels.num_rows, rows=kept.num_rows)
    text = f"Labels left out because no feature was known at their time within ttl: {{count}} of {labels.num_rows:,}."
    warnings.add(text, labels.num_rows - kept.num_rows)
    if kept.num_rows == 0:
        raise InvalidData(
            f"none of {labels.num_rows} labels has features known at its time within ttl; "
            "check the entity keys, the times of labels and features, and spec.ttl of the FeatureSet"
        )
    return kept


def features_at(
    objects: ObjectStore, source: FeatureSource, keys: pa.ChunkedArray, times: pa.ChunkedArray
) -> dict[str, pa.ChunkedArray]:
    """The features of one FeatureSet as they were known of entities at times, missing where none were.

    Raises:
        InvalidData: The snapshot is gone or not in order.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = pq.ParquetFile(_snapshot(objects, source, Path(folder) / "snapshot.parquet"), memory_map=True)

        def read(name: str) -> pa.ChunkedArray:
            if name not in file.schema_arrow.names:
                raise InvalidData(
                    f"snapshot {source.snapshot_uri} of feature set {source.name} has no column {name!r}; materialise it again"
                )
            return file.read(columns=[name]).column(0)

        try:
            history = History(read(source.entities[0].name), read(source.timestamp_field))
        except NotOrdered:
            raise InvalidData(
                f"snapshot {source.snapshot_uri} of feature set {source.name} is not ordered by entity and time: it was "
                "changed after it was written; materialise it again"
            ) from None
        rows = history.rows_at(keys, times, source.ttl_seconds)
        return {f.name: read(f.name).take(rows).cast(ARROW[f.type.value]) for f in source.features}


def _snapshot(objects: ObjectStore, source: FeatureSource, path: Path) -> Path:
    try:
        objects.download(source.snapshot_uri, path)
    except ObjectNotFound as error:
        raise InvalidData(
            f"snapshot {source.snapshot_uri} of feature set {source.name} is gone; materialise it again"
        ) from error
    return path
