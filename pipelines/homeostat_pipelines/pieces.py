"""Rows in pieces: how many of them are in memory at a time, and a file that is read so."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_VALUES, _LEAST, _MOST = 2**22, 2**13, 2**20
"""Values of a piece, which are 32 MiB, and the least and the greatest number of its rows."""


PIECE_BYTES = 2**26
"""Bytes after which a piece ends that has fewer rows: one of long texts."""


_BUFFER = 2**18
"""Bytes of a column that are read at a time."""


def rows_per_piece(columns: int) -> int:
    """Rows of a piece that has so many columns."""
    return min(_MOST, max(_LEAST, _VALUES // max(1, columns)))


def regrouped(batches: Iterable[pa.RecordBatch | pa.Table], most: int) -> Iterator[pa.Table]:
    """The same rows in pieces of `most` rows, however many came at a time, or fewer where they have more than `PIECE_BYTES`."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held += batch.to_batches() if isinstance(batch, pa.Table) else [batch]
        rows, size = rows + batch.num_rows, size + batch.nbytes
        while rows >= most or size >= PIECE_BYTES:
            whole = pa.Table.from_batches(held)
            yield whole.slice(0, most).combine_chunks()
            rest = whole.slice(most)
            held, rows, size = rest.to_batches(), rest.num_rows, rest.nbytes
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def streamed(path: Path, **options: str) -> pq.ParquetFile:
    """A Parquet file of which a page of each column is in memory at a time.

    With Arrow's defaults the bytes of all columns stay in memory until the last row is read; the pages of a mapped file would
    count as memory of the run.
    """
    return pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False, **options)


class Rows:
    """The rows of a Parquet file that the platform wrote, read a column or a piece at a time."""

    def __init__(self, file: Path | BinaryIO) -> None:
        self._file = pq.ParquetFile(file, memory_map=isinstance(file, Path), pre_buffer=False)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self._file.metadata.num_rows)

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return list(self._file.schema_arrow.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """All values of a column."""
        return self._file.read(columns=[name]).column(0)

    def read(self) -> pa.Table:
        """All rows."""
        return self._file.read()

    def groups(self) -> Iterator[pa.Table]:
        """The rows in the pieces in which they were written."""
        yield from map(self._file.read_row_group, range(self._file.num_row_groups))

    def pieces(self, names: Sequence[str], size: int | None = None) -> Iterator[pa.Table]:
        """The rows, with these columns, at most so many at a time, or so many as a piece of these columns has."""
        for batch in self._file.iter_batches(size or rows_per_piece(len(names)), columns=list(names)):
            yield pa.Table.from_batches([batch]).select(list(names))


@contextmanager
def on_disk(tables: Iterable[pa.Table]) -> Iterator[Rows]:
    """The rows of one table or more as a file of this process."""
    with tempfile.TemporaryDirectory() as folder:
        path, left = Path(folder) / "rows.parquet", iter(tables)
        first = next(left)
        with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
            for table in chain([first], left):
                writer.write_table(table)
        yield Rows(path)
