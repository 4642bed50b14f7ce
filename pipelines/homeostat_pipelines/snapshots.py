"""Snapshots: the rows of a FeatureSet, sorted, immutable, named by their content."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from homeostat.artifacts.layout import snapshot_uri
from homeostat.engines.objects import ObjectStore
from homeostat.runs import FeatureSource, SnapshotRecord
from homeostat_pipelines.values import AnyType, ColumnType


def wanted_columns(source: FeatureSource) -> dict[str, AnyType]:
    """Columns of a FeatureSet with their types: entities, time, features in order."""
    return {
        **{entity.name: entity.type for entity in source.entities},
        source.timestamp_field: ColumnType.TIME,
        **{feature.name: feature.type for feature in source.features},
    }


def ordered(table: pa.Table) -> pa.Table:
    """Rows by entity, then time, then everything else, missing values first: see `history`."""
    keys = [(name, "ascending", "at_start") for name in table.column_names]
    return table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()


def content_digest(table: pa.Table) -> str:
    """Digest of names, types and values.

    The rows are hashed as one Arrow IPC stream per column, with missing values made plain; a Parquet file would not do,
    since it carries its writer's name and settings.
    """
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


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def store(objects: ObjectStore, table: pa.Table, source: FeatureSource, snapshots: str) -> SnapshotRecord:
    """Writes ordered rows under their digest; content that is there already is not written again."""
    digest = content_digest(table)
    uri = snapshot_uri(snapshots, digest)
    if not objects.exists(uri):
        objects.write(uri, parquet_bytes(table))
    watermark = pc.max(table.column(source.timestamp_field)).as_py()
    return SnapshotRecord(digest=digest, uri=uri, rows=table.num_rows, watermark=watermark)
