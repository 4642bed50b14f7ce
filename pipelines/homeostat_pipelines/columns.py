"""Parquet in, columns of the types that a spec promises out."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from homeostat.control_groups import memory_limit
from homeostat.engines.objects import Listing, ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.pieces import regrouped, rows_per_piece, streamed
from homeostat_pipelines.values import ARROW, AnyType, ColumnType, Place, canonical

_VALUE_BYTES = {"Bool": 1, "Label": 1}
"""Memory of one value in Arrow; of the other types it is 8 bytes, of a text 4 and its own."""

_COPIES = 3
"""Tables that a run holds at its peak where it reads all rows: what was read, the same in order, and what comes of it (measured)."""

_OVERHEAD = 200 * 2**20
"""Bytes of a run without any rows: the interpreter and its libraries."""

_BATCH = 2**14
"""Rows that are decoded at a time."""

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def parquet_uris(objects: ObjectStore, uri: str) -> list[str]:
    """URIs of `parquet_files`."""
    return [found.uri for found in parquet_files(objects, uri)]


def parquet_files(objects: ObjectStore, uri: str) -> Listing:
    """The Parquet file that a URI names, or those under it as a prefix; perhaps none.

    As with Spark, Hive and Arrow, files and folders whose names begin with `_` or `.` are no part of the data: they are
    those of jobs that are not finished.

    Raises:
        InvalidData: The folder is that of a table format, whose files also hold rows that were deleted or replaced.
    """
    listed = {found.uri: found for found in objects.listing(uri)}
    if uri in listed:
        return [listed[uri]]
    below = f"{uri.rstrip('/')}/"
    inside = [found for name, found in listed.items() if name.startswith(below)]
    for found in inside:
        if table := _table_format(found.uri.removeprefix(below).split("/")):
            raise InvalidData(
                f"{uri} is {table}, whose Parquet files also hold rows that were deleted or replaced; write its current rows "
                "as plain Parquet files into another folder and name that one"
            )
    return [found for found in inside if found.uri.endswith(".parquet") and not _hidden(found.uri.removeprefix(below))]


def _table_format(path: list[str]) -> str:
    if "_delta_log" in path[:-1]:
        return "a Delta table"
    if ".hoodie" in path[:-1]:
        return "a Hudi table"
    if "metadata" in path[:-1] and path[-1].endswith(".metadata.json"):
        return "an Iceberg table"
    return ""


def _hidden(path: str) -> bool:
    # A folder such as `_region=eu` is that of a partition.
    return any(part.startswith(".") or (part.startswith("_") and "=" not in part) for part in path.split("/"))


def read(objects: ObjectStore, uris: list[str], wanted: Mapping[str, AnyType], warnings: DataWarnings) -> pa.Table:
    """Columns of all files, of one type each.

    Args:
        objects: Where the files lie.
        uris: The files.
        wanted: Type of each column.
        warnings: Receives what is taken as missing or changed.

    Raises:
        InvalidData: A file is not Parquet, a column is missing, twice there or of another type, a value cannot be taken,
            or the rows would not fit into the memory of the run.
    """
    parts: list[pa.Table] = []
    held = 0
    for uri in uris:
        with _fetched(objects, uri, wanted) as file:
            # Texts of which there are few are longer in memory than in the file.
            _check_memory(uri, file.metadata.num_rows, held + _size(file, wanted))
            for part in _conformed(uri, file, wanted, warnings):
                parts.append(part)
                held += part.nbytes
                _check_memory(uri, file.metadata.num_rows, held)
    empty = pa.table({name: pa.array([], ARROW[kind.value]) for name, kind in wanted.items()})
    return pa.concat_tables([empty, *parts])


def pieces(objects: ObjectStore, uri: str, wanted: Mapping[str, AnyType], warnings: DataWarnings) -> Iterator[pa.Table]:
    """As `read`, of one file, and a piece at a time: the rows need not fit into the memory of the run."""
    with _fetched(objects, uri, wanted) as file:
        yield from _conformed(uri, file, wanted, warnings)


@contextmanager
def _fetched(objects: ObjectStore, uri: str, wanted: Mapping[str, AnyType]) -> Iterator[pq.ParquetFile]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.parquet"
        objects.download(uri, path)
        with _opened(uri, path) as file:
            _check_names(uri, file.schema_arrow.names, wanted)
            yield file


def _size(file: pq.ParquetFile, wanted: Mapping[str, AnyType]) -> int:
    """Bytes of the columns in memory, as far as the file says."""
    rows = int(file.metadata.num_rows)
    texts = {name for name, kind in wanted.items() if ARROW[kind.value] == pa.string()}
    numbers = rows * sum(_VALUE_BYTES.get(kind.value, 8) for name, kind in wanted.items() if name not in texts)
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(group.num_columns)]
    in_file: int = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in texts)
    return numbers + max(16 * rows * len(texts), in_file)


def _opened(uri: str, path: Path) -> pq.ParquetFile:
    try:
        # Spark's old form of times, whose nanoseconds by default end in the year 2262.
        return streamed(path, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(uri, error) from error


def _unreadable(uri: str, error: Exception) -> InvalidData:
    return InvalidData(f"{uri} is not a readable Parquet file ({error}); write it again")


def _check_memory(uri: str, rows: int, held: int) -> None:
    """Refuses what would not fit before it is read: a file of some kilobytes can hold millions of equal rows."""
    if (needed := _OVERHEAD + _COPIES * held) > (limit := memory_limit()):
        raise InvalidData(
            f"{uri} has {rows:,} rows; with the files before it they need about {needed / 2**30:.1f} GiB of memory, and this run "
            f"may use {limit / 2**30:.1f} GiB; raise the memory limit of the run or read fewer rows"
        )


def _conformed(
    uri: str, file: pq.ParquetFile, wanted: Mapping[str, AnyType], warnings: DataWarnings
) -> Iterator[pa.Table]:
    names = set(file.schema_arrow.names)
    partitions, first = _partitions(uri), 0
    for rows, table in _pieces(uri, file, [name for name in wanted if name in names]):
        columns = {}
        for name, kind in wanted.items():
            column = table.column(name) if name in names else _constant(uri, name, partitions[name], kind, rows)
            columns[name] = canonical(Place(uri, name, first), column, kind, warnings)
        yield pa.table(columns)
        first += rows


def _pieces(uri: str, file: pq.ParquetFile, names: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """The rows with the number of them, a piece at a time; of a file without rows one piece, whose types are checked, too."""
    if not file.metadata.num_rows or not names:
        yield file.metadata.num_rows, file.schema_arrow.empty_table()
        return
    try:
        most = rows_per_piece(len(names))
        # In small batches, since how long texts are is known when they are read.
        for table in regrouped(file.iter_batches(min(most, _BATCH), columns=names), most):
            yield table.num_rows, table
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(uri, error) from error


def _check_names(uri: str, names: list[str], wanted: Mapping[str, AnyType]) -> None:
    partitions = _partitions(uri)
    for name, kind in wanted.items():
        if name not in names and name not in partitions:
            raise InvalidData(
                f"{uri} has no column {name!r} (expected: {kind.value}); it has {', '.join([*names, *partitions])}; "
                "add the column or correct the spec"
            )
        if (count := names.count(name)) > 1:
            raise InvalidData(f"{uri} has {count} columns {name!r}; rename all but one of them")


def _partitions(uri: str) -> dict[str, str]:
    """Columns that folders such as `day=2026-03-02` give to the files in them."""
    named = (part.split("=", 1) for part in uri.split("/")[3:-1] if "=" in part)
    return {name: unquote(value) for name, value in named}


def _constant(uri: str, name: str, value: str, kind: AnyType, rows: int) -> pa.ChunkedArray:
    text = pa.scalar(None if value == _NULL_PARTITION else value, pa.string())
    # Times in the names of folders have no zone.
    target = pa.timestamp("us") if kind is ColumnType.TIME else ARROW[kind.value]
    try:
        return pa.chunked_array([pa.repeat(text.cast(target), rows)])
    except pa.ArrowInvalid as error:
        raise InvalidData(
            f"the folder {name}={value} of {uri} is not a value of type {kind.value}; rename it or correct the spec"
        ) from error
