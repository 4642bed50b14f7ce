"""Parquet in, columns of the types that a spec promises out."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from homeostat.engines.objects import ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.values import ARROW, AnyType, canonical


def parquet_uris(objects: ObjectStore, uri: str) -> list[str]:
    """The Parquet file that a URI names, or those under it as a prefix; perhaps none."""
    listed = objects.list(uri)
    if uri in listed:
        return [uri]
    below = f"{uri.rstrip('/')}/"
    return [item for item in listed if item.startswith(below) and item.endswith(".parquet")]


def read(objects: ObjectStore, uris: list[str], wanted: Mapping[str, AnyType], warnings: DataWarnings) -> pa.Table:
    """Columns of all files, of one type each.

    Args:
        objects: Where the files lie.
        uris: The files.
        wanted: Type of each column.
        warnings: Receives what is taken as missing or changed.

    Raises:
        InvalidData: A file is not Parquet, a column is missing, twice there or of another type, or a value cannot be taken.
    """
    parts = [_conformed(uri, objects.read(uri), wanted, warnings) for uri in uris]
    empty = pa.table({name: pa.array([], ARROW[kind.value]) for name, kind in wanted.items()})
    return pa.concat_tables([empty, *parts]).combine_chunks()


def _conformed(uri: str, content: bytes, wanted: Mapping[str, AnyType], warnings: DataWarnings) -> pa.Table:
    try:
        # Spark's old form of times, whose nanoseconds by default end in the year 2262.
        file = pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit="us")
        _check_names(uri, file.schema_arrow.names, wanted)
        table = file.read(columns=list(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InvalidData(f"{uri} is not a readable Parquet file ({error}); write it again") from error
    columns = {name: canonical(uri, name, table.column(name), kind, warnings) for name, kind in wanted.items()}
    return pa.table(columns)


def _check_names(uri: str, names: list[str], wanted: Mapping[str, AnyType]) -> None:
    for name, kind in wanted.items():
        if name not in names:
            raise InvalidData(
                f"{uri} has no column {name!r} (expected: {kind.value}); it has {', '.join(names)}; "
                "add the column or correct the spec"
            )
        if (count := names.count(name)) > 1:
            raise InvalidData(f"{uri} has {count} columns {name!r}; rename all but one of them")
