"""Rows in order of all their columns, however many there are: sorted runs on disk, merged a block at a time.

Memory holds the rows of one run while rows come, and a block of each run while they are merged. So it depends on neither the
number of rows nor on how many of them are equal.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

RUN_BYTES = 2**27
"""Of the rows of a run, which are in memory twice while they are sorted."""

BLOCK_BYTES, BLOCKS_BYTES = 2**20, 2**26
"""Of a block on disk, and of all blocks that are in memory while runs are merged."""

FAN_IN = 64
"""Runs that are merged at a time; of more, the first become one."""

Rank = tuple[Any, ...]
"""A value, or the values of a row, as Python compares them: missing ones first."""


def ordered(table: pa.Table) -> pa.Table:
    """Rows by their first column, then the second and so on, missing values first."""
    keys = [(name, "ascending", "at_start") for name in table.column_names]
    return table.take(pc.sort_indices(table, sort_keys=keys)).combine_chunks()


class Ordering:
    """Puts rows in order.

    Args:
        folder: A folder for runs; the caller removes it.
        schema: Columns of the rows, in the order in which they decide.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._collected: list[pa.Table] = []
        self._bytes = 0
        self._runs: list[Path] = []
        self._spilled = 0

    def add(self, table: pa.Table) -> None:
        """Takes rows in."""
        self._collected.append(table)
        self._bytes += table.nbytes
        if self._bytes >= RUN_BYTES:
            self._spill([self._sorted()])

    def merged(self, *others: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """All rows in order, a piece at a time; none may be added after it.

        Args:
            others: More rows with the columns of the schema, each in order already.
        """
        while len(self._runs) > FAN_IN:
            first, self._runs = self._runs[:FAN_IN], self._runs[FAN_IN:]
            self._spill(_merge([_Run(_stored(path, FAN_IN)) for path in first]))
            for path in first:
                path.unlink()
        stored = [_stored(path, len(self._runs)) for path in self._runs]
        yield from _merge([_Run(batches) for batches in (*others, *stored, iter(self._sorted().to_batches()))])

    def _sorted(self) -> pa.Table:
        """The rows collected, in order; they are not collected any more."""
        table = pa.concat_tables([self._schema.empty_table(), *self._collected])
        self._collected, self._bytes = [], 0
        return ordered(table)

    def _spill(self, tables: Iterable[pa.Table]) -> None:
        path = self._folder / f"run-{self._spilled}.arrow"
        self._spilled += 1
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, self._schema, options=options) as writer:
            for table in tables:
                rows = table.num_rows * BLOCK_BYTES // max(1, table.nbytes)
                writer.write_table(table, max_chunksize=max(1, rows))
        self._runs.append(path)


def _stored(path: Path, runs: int) -> Iterator[pa.RecordBatch]:
    """The rows of a run in blocks, where so many runs are read together."""
    most = BLOCKS_BYTES // runs
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        held: list[pa.RecordBatch] = []
        for batch in reader:
            held.append(batch)
            if sum(one.nbytes for one in held) + BLOCK_BYTES > most:
                yield from _joined(held)
                held = []
        yield from _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []


class _Run:
    """Rows in order, of which a block is in memory.

    Attributes:
        ended: Whether all rows were taken.
        last: The last row of the block.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.ended = False
        self.last: Rank = ()
        self._block = self._next()

    def through(self, row: Rank) -> pa.RecordBatch:
        """Takes the rows of the block that are not greater than a row."""
        block = self._block
        if row < self.last:
            count = _count_through(block, row)
            self._block = block.slice(count)
            return block.slice(0, count)
        self._block = self._next()
        return block

    def _next(self) -> pa.RecordBatch:
        """The next block; none after the last, which `ended` says."""
        block = next((batch for batch in self._batches if batch.num_rows), None)
        self.ended = block is None
        if block is not None:
            self.last = tuple(_rank(column, block.num_rows - 1) for column in block.columns)
        return block


def _merge(runs: list[_Run]) -> Iterator[pa.Table]:
    """The rows of runs in order. Each turn uses up the block of one, so that none waits in memory for more of equal rows."""
    while runs := [run for run in runs if not run.ended]:
        bound = min(run.last for run in runs)
        taken = [batch for run in runs if (batch := run.through(bound)).num_rows]
        table = pa.Table.from_batches(taken)
        yield ordered(table) if len(taken) > 1 else table


def _count_through(block: pa.RecordBatch, row: Rank) -> int:
    """How many rows of a block are not greater than a row: found column by column among those equal so far."""
    low, high = 0, int(block.num_rows)
    numbers = range(high)
    for column, value in zip(block.columns, row, strict=True):

        def rank(index: int, column: pa.Array = column) -> Rank:
            return _rank(column, index)

        end = bisect_right(numbers, value, low, high, key=rank)
        low = bisect_left(numbers, value, low, end, key=rank)
        if low == end:
            return low
        high = end
    return high


def _rank(column: pa.Array, index: int) -> Rank:
    scalar = column[index]
    if not scalar.is_valid:
        return (False,)
    return (True, scalar.value if pa.types.is_timestamp(scalar.type) else scalar.as_py())
