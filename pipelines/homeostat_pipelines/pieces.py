"""Rows in pieces: how many of them are in memory at a time, and a file that is read so."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_VALUES, _LEAST, _MOST = 2**22, 2**13, 2**20
"""Values of a piece, which are 32 MiB, and the least and the greatest number of its rows."""


def rows_per_piece(columns: int) -> int:
    """Rows of a piece that has so many columns."""
    return min(_MOST, max(_LEAST, _VALUES // max(1, columns)))


class Rows:
    """The rows of a Parquet file that the platform wrote, read a column or a piece at a time."""

    def __init__(self, file: Path | BinaryIO) -> None:
        self._file = pq.ParquetFile(file, memory_map=isinstance(file, Path))

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

    def pieces(self, names: Sequence[str], size: int | None = None) -> Iterator[pa.Table]:
        """The rows, with these columns, at most so many at a time, or so many as a piece of these columns has."""
        for batch in self._file.iter_batches(size or rows_per_piece(len(names)), columns=list(names)):
            yield pa.Table.from_batches([batch]).select(list(names))
