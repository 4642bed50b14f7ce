"""The point-in-time join: each label with the features as they were known at its prediction."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from homeostat.artifacts.dataset import TIME
from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FeatureSource
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import Column, History, Integers, NotOrdered
from homeostat_pipelines.pieces import rows_per_piece
from homeostat_pipelines.snapshots import verify
from homeostat_pipelines.values import ARROW

log = structlog.get_logger()


def join(
    objects: ObjectStore,
    sources: list[FeatureSource],
    labels: pa.Table,
    warnings: DataWarnings,
    admit: Callable[[int], None] = lambda _: None,
) -> Iterator[pa.Table]:
    """Labels with features, in the order of the labels, a piece at a time; labels without any known feature are left out.

    The join reads exactly the snapshots that the run's input names. It holds what finds their rows and one piece, so labels
    that are ordered by entity read each part of a snapshot about once.

    Args:
        objects: Where the snapshots lie.
        sources: FeatureSets, with the names and the time that they are read under.
        labels: Key of each entity, TIME, LABEL, and features that callers send.
        warnings: Receives what is left out.
        admit: Is called with the greatest number of rows that the answer can have, before any feature is read.

    Raises:
        InvalidData: A snapshot is gone or not in order, or no label has features.
    """
    size = rows_per_piece(labels.num_columns + sum(len(source.features) for source in sources))
    pieces = [labels.slice(start, size) for start in range(0, labels.num_rows, size)]
    kept = 0
    with _opened(objects, sources) as snapshots:
        found = [(piece, [(snapshot, snapshot.rows_at(piece)) for snapshot in snapshots]) for piece in pieces]
        admit(sum(_count_known([rows for _, rows in known]) for _, known in found))
        for piece, known in found:
            table = _with_features(piece, known)
            kept += table.num_rows
            yield table
    log.info("features joined", labels=labels.num_rows, rows=kept)
    text = f"Labels left out because no feature was known at their time within ttl: {{count}} of {labels.num_rows:,}."
    warnings.add(text, labels.num_rows - kept)
    if kept == 0:
        raise InvalidData(
            f"none of {labels.num_rows} labels has features known at its time within ttl; "
            "check the entity keys, the times of labels and features, and spec.ttl of the FeatureSet"
        )


def features_at(
    objects: ObjectStore, source: FeatureSource, keys: pa.ChunkedArray, times: pa.ChunkedArray
) -> dict[str, pa.ChunkedArray]:
    """The features of one FeatureSet as they were known of entities at times, missing where none were.

    Raises:
        InvalidData: The snapshot is gone or not in order.
    """
    with _opened(objects, [source]) as (snapshot,):
        rows = snapshot.known(keys, times)
        return dict(snapshot.features(rows))


class _Snapshot:
    """The rows of a FeatureSet in a file, found by entity and time.

    Raises:
        InvalidData: The rows are not in order, or lack a column.
    """

    def __init__(self, source: FeatureSource, path: Path) -> None:
        self._source = source
        self._file = pq.ParquetFile(path, memory_map=True)
        groups = range(self._file.num_row_groups)
        ends = np.cumsum([self._file.metadata.row_group(group).num_rows for group in groups], dtype=np.int64)
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
        self._entity = source.entities[0].name
        identity = [self._entity, source.timestamp_field]
        for name in identity:
            self._check(name)
        tables = (self._file.read_row_group(group, columns=identity) for group in groups)
        pieces = ((table.column(identity[0]), table.column(identity[1])) for table in tables)
        try:
            self._history = History(self._file.metadata.num_rows, pieces)
        except NotOrdered:
            raise InvalidData(
                f"snapshot {source.snapshot_uri} of feature set {source.name} is not ordered by entity and time: it was "
                "changed after it was written; materialise it again"
            ) from None

    def rows_at(self, labels: pa.Table) -> pa.Array:
        """Row that was known at each label; null where none was."""
        return self.known(labels.column(self._entity), labels.column(TIME))

    def known(self, keys: Column, times: Column) -> pa.Array:
        """Row of each entity that was known at each time; null where none was."""
        return self._history.rows_at(keys, times, self._source.ttl_seconds)

    def features(self, rows: pa.Array) -> Iterator[tuple[str, pa.ChunkedArray]]:
        """Each feature with its values in these rows; missing where the row is."""
        valid = rows.is_valid().to_numpy(zero_copy_only=False)
        asked = rows.drop_null().to_numpy()
        # Row groups are read in turn, and the answer is put in the order of the labels.
        order = np.argsort(asked, kind="stable")
        place = np.empty(len(rows), dtype=np.int64)
        place[np.flatnonzero(valid)[order]] = np.arange(order.size)
        positions = pa.array(place, mask=~valid)
        for feature in self._source.features:
            self._check(feature.name)
            column = self._values(feature.name, asked[order])
            yield feature.name, column.take(positions).cast(ARROW[feature.type.value])

    def _values(self, name: str, ordered: Integers) -> pa.ChunkedArray:
        """Values of a column in rows that grow, of one row group after the other."""
        bounds = np.searchsorted(ordered, self._starts)
        kind = self._file.schema_arrow.field(name).type
        pieces = []
        for group, (first, end) in enumerate(pairwise(bounds)):
            if first < end:
                values = self._file.read_row_group(group, columns=[name]).column(0)
                pieces.extend(values.take(pa.array(ordered[first:end] - self._starts[group])).chunks)
        return pa.chunked_array(pieces, kind)

    def _check(self, name: str) -> None:
        if name not in self._file.schema_arrow.names:
            raise InvalidData(
                f"snapshot {self._source.snapshot_uri} of feature set {self._source.name} has no column {name!r}; "
                "materialise it again"
            )


@contextmanager
def _opened(objects: ObjectStore, sources: Sequence[FeatureSource]) -> Iterator[list[_Snapshot]]:
    """The snapshots of FeatureSets, as files of this process."""
    with tempfile.TemporaryDirectory() as folder:
        opened = []
        for number, source in enumerate(sources):
            path = Path(folder) / f"{number}.parquet"
            try:
                objects.download(source.snapshot_uri, path)
            except ObjectNotFound as error:
                raise InvalidData(
                    f"snapshot {source.snapshot_uri} of feature set {source.name} is gone; materialise it again"
                ) from error
            if source.snapshot_digest:
                verify(path, source)
            opened.append(_Snapshot(source, path))
        yield opened


def _count_known(found: list[pa.Array]) -> int:
    """How many labels have a row in one of the snapshots."""
    return int(np.count_nonzero(np.logical_or.reduce([np.asarray(rows.is_valid()) for rows in found])))


def _with_features(labels: pa.Table, found: list[tuple[_Snapshot, pa.Array]]) -> pa.Table:
    """The labels with the features of these rows; those without any value are left out."""
    columns = {name: labels.column(name) for name in labels.column_names}
    known = pa.repeat(pa.scalar(False), labels.num_rows)
    for snapshot, rows in found:
        for name, column in snapshot.features(rows):
            columns[name] = column
            known = pc.or_(known, pc.is_valid(column))
    return pa.table(columns).filter(known).combine_chunks()
