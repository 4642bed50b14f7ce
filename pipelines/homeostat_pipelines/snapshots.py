"""Snapshots: the rows of a FeatureSet, sorted, immutable, named by their content."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from homeostat.artifacts.layout import snapshot_uri
from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FeatureSource, SnapshotRecord
from homeostat_pipelines.pieces import regrouped, rows_per_piece, streamed
from homeostat_pipelines.values import ARROW, AnyType, ColumnType


def wanted_columns(source: FeatureSource) -> dict[str, AnyType]:
    """Columns of a FeatureSet with their types: entities, time, features in order."""
    return {
        **{entity.name: entity.type for entity in source.entities},
        source.timestamp_field: ColumnType.TIME,
        **{feature.name: feature.type for feature in source.features},
    }


def schema_of(source: FeatureSource) -> pa.Schema:
    """The columns of a snapshot. Its rows are in the order of all of them: see `history`."""
    return pa.schema([(name, ARROW[kind.value]) for name, kind in wanted_columns(source).items()])


class ContentDigest:
    """Digest of names, types and values of rows that come in pieces of any size.

    Of each column the values, with missing ones made plain, which of them are missing, and the lengths of texts are hashed each
    on their own; a Parquet file would not do, since it carries its writer's name and settings.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._hashes = [[hashlib.sha256() for _ in range(3)] for _ in schema]

    def add(self, table: pa.Table) -> None:
        """Takes the next rows in."""
        for name, hashes in zip(self._schema.names, self._hashes, strict=True):
            for chunk in table.column(name).chunks:
                for each, content in zip(hashes, _plain(chunk), strict=True):
                    each.update(content)

    def value(self) -> str:
        """The digest of the rows so far."""
        digest = hashlib.sha256(b"rows in pieces")
        for field, hashes in zip(self._schema, self._hashes, strict=True):
            described = f"{len(field.name.encode())} {field.name} {field.type}"
            digest.update(described.encode() + b"".join(each.digest() for each in hashes))
        return f"sha256:{digest.hexdigest()}"


def _plain(column: pa.Array) -> tuple[memoryview, memoryview, memoryview]:
    """Values, which of them are missing, and lengths of texts, as bytes."""
    missing = pc.is_null(column).cast(pa.uint8()).to_numpy()
    filled = pc.fill_null(column, _zero(column.type))
    if column.type != pa.string():
        whole = filled.cast(pa.uint8()) if pa.types.is_boolean(column.type) else filled
        numbers = whole.cast(pa.int64()) if pa.types.is_timestamp(column.type) else whole
        return numbers.to_numpy().data, missing.data, memoryview(b"")
    _, offsets, texts = filled.buffers()
    ends = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    content = memoryview(texts or b"")[ends[0] : ends[-1]] if len(filled) else memoryview(b"")
    return content, missing.data, np.diff(ends).data


def verify(path: Path, source: FeatureSource) -> None:
    """Checks a snapshot against the digest in whose name it is read.

    Raises:
        InvalidData: Its rows are not those that were stored.
    """
    with streamed(path) as file:
        digest = ContentDigest(file.schema_arrow)
        for batch in file.iter_batches(rows_per_piece(len(file.schema_arrow))):
            digest.add(pa.Table.from_batches([batch]))
        stored = source.snapshot_digest
        if digest.value() != stored and _digest_until_0_2(file.read()) != stored:
            raise InvalidData(
                f"snapshot {source.snapshot_uri} of feature set {source.name} has not the rows of its digest "
                f"{stored}: it was changed after it was written; materialise it again"
            )


def _digest_until_0_2(table: pa.Table) -> str:
    """The digest that snapshots had which version 0.2.0 or an older one stored."""
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name)
        filled = pc.fill_null(column, _zero(column.type))
        plain = pa.table({name: filled, "missing": pc.is_null(column)}).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, plain.schema) as writer:
            writer.write_table(plain)
        digest.update(sink.getvalue())
    return f"sha256:{digest.hexdigest()}"


def _zero(kind: pa.DataType) -> pa.Scalar:
    return pa.scalar("", kind) if kind == pa.string() else pa.scalar(0, pa.int64()).cast(kind)


_SAMPLE = 2**14
"""Rows by which it is decided how columns are written."""


class Written(NamedTuple):
    """A snapshot as a file of this process."""

    path: Path
    digest: str
    rows: int
    watermark: datetime | None


def write(path: Path, tables: Iterable[pa.Table], source: FeatureSource) -> Written:
    """Writes rows, which are in order, into a file, a piece at a time."""
    schema = schema_of(source)
    digest, rows, newest = ContentDigest(schema), 0, list[datetime]()
    groups = regrouped(tables, rows_per_piece(len(schema)))
    first = next(groups, schema.empty_table())
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=_repeating(first)) as writer:
        for table in chain([first], groups):
            digest.add(table)
            writer.write_table(table)
            rows += table.num_rows
            newest += filter(None, [pc.max(table.column(source.timestamp_field)).as_py()])
    return Written(path, digest.value(), rows, max(newest, default=None))


def _repeating(table: pa.Table) -> list[str]:
    """Columns whose values repeat: for others the writer would make a dictionary and give it up, which takes half of its time."""
    sample = table.slice(0, _SAMPLE)
    return [
        name for name in table.column_names if 2 * pc.count_distinct(sample.column(name)).as_py() <= sample.num_rows
    ]


def store(objects: ObjectStore, written: Written, snapshots: str, *, repair: bool = False) -> SnapshotRecord:
    """Stores a snapshot under its digest.

    Args:
        objects: Where to.
        written: The snapshot as a file.
        snapshots: Prefix of all snapshots of the FeatureSet.
        repair: Whether a file that is there already is written again, since it may not be what was stored.
    """
    uri = snapshot_uri(snapshots, written.digest)
    if repair or not objects.exists(uri):
        objects.upload(written.path, uri)
    return SnapshotRecord(digest=written.digest, uri=uri, rows=written.rows, watermark=written.watermark)
