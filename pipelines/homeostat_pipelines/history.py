"""The row of an entity that was known at a time: the one rule that training, evaluation and the online store share.

A snapshot is ordered by entity, time, then every other column (`ordering.ordered`). The row known at a time is the last one of
the entity that is not later. So of two rows of one time the one with the greater values counts, compared column by column,
and a value counts before a missing one: the order of the source's files plays no part.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Column: TypeAlias = pa.Array | pa.ChunkedArray


class NotOrdered(ValueError):  # noqa: N818 - a state of the rows
    """The rows are not ordered by entity and time."""


class History:
    """Entities and times of the rows of a snapshot; 8 bytes of memory a row, and each entity once.

    Args:
        rows: Number of rows.
        pieces: Entities and times, timestamps in microseconds, of the rows: one piece after the other.

    Raises:
        NotOrdered: The rows are not ordered.
    """

    def __init__(self, rows: int, pieces: Iterable[tuple[Column, Column]]) -> None:
        # After the last row comes one that is later than all times.
        self._times: Integers = np.full(rows + 1, np.iinfo(np.int64).max)
        entities: list[pa.Array] = []
        starts: list[Integers] = []
        before: list[pa.Array] = []
        end = 0
        for keys, times in pieces:
            self._times[end : end + len(keys)] = _microseconds(times)
            column = pa.concat_arrays([*before, _whole(keys)])
            begin, end = end - len(before), end + len(keys)
            one, next_one = column.slice(0, len(column) - 1), column.slice(1)
            grown, same = _truths(pc.less(one, next_one)), _truths(pc.equal(one, next_one))
            if not np.all(grown | (same & (np.diff(self._times[begin:end]) >= 0))):
                raise NotOrdered
            new = np.flatnonzero(grown) + 1 if before else np.append(0, np.flatnonzero(grown) + 1)
            entities.append(column.take(pa.array(new)))
            starts.append(new + begin)
            before = [column.slice(len(column) - 1)]
        self._entities = pa.chunked_array(entities, None if entities else pa.string())
        self._starts: Integers = np.concatenate([np.array([], dtype=np.int64), *starts])
        self._ends: Integers = np.append(self._starts, rows)[1:]

    def rows_at(self, keys: Column, times: Column, ttl_seconds: int) -> pa.Array:
        """Index of the row of each entity that was known at each time.

        Args:
            keys: Entities, of the type of the snapshot's.
            times: Times in microseconds, one per entity.
            ttl_seconds: Rows older than this at the time are not known any more.

        Returns:
            One index per entity; null where no row is known.
        """
        rows: Integers = np.full(len(keys), -1)
        codes = self._codes(keys)
        asked = np.flatnonzero(codes >= 0)
        wanted = _microseconds(times)[asked]
        found = self._last(codes[asked], wanted)
        fresh = (found >= 0) & (wanted - self._times[found] <= ttl_seconds * 1_000_000)
        rows[asked[fresh]] = found[fresh]
        return pa.array(rows, mask=rows < 0)

    def _codes(self, keys: Column) -> Integers:
        """Number of each entity, -1 where it has no row. Only those between the least and the greatest key are looked through."""
        if not len(keys):
            return np.array([], dtype=np.int64)
        span, numbers = pc.min_max(keys).as_py(), range(len(self._entities))
        first = bisect_left(numbers, span["min"], key=lambda number: self._entities[number].as_py())
        end = bisect_right(numbers, span["max"], key=lambda number: self._entities[number].as_py())
        found = pc.index_in(keys, value_set=self._entities.slice(first, end - first).cast(keys.type)).cast(pa.int64())
        codes: Integers = pc.fill_null(pc.add(found, first), -1).to_numpy()
        return codes

    def _last(self, codes: Integers, wanted: Integers) -> Integers:
        """The last row of each entity that is not later than the time wanted, -1 where there is none: a binary search."""
        first = self._starts[codes]
        low, high = first, self._ends[codes]
        while (searched := low < high).any():
            middle = (low + high) // 2
            past = searched & (self._times[middle] <= wanted)
            low, high = np.where(past, middle + 1, low), np.where(past, high, middle)
        return np.where(low > first, low - 1, -1)


def known_at(pieces: Iterable[pa.Table], entity: str, time_field: str, at: datetime) -> Iterator[pa.Table]:
    """The row of each entity that was known at one time; entities without any are left out.

    Args:
        pieces: The rows of a snapshot in their order; one piece of them is in memory.
        entity: Column of the entities.
        time_field: Column of the times.
        at: The time.
    """
    held: list[pa.Table] = []
    for piece in pieces:
        past = piece.filter(pc.less_equal(piece.column(time_field), pa.scalar(at, pa.timestamp("us", tz="UTC"))))
        if past.num_rows:
            rows = pa.concat_tables([*held, past])
            keys, end = _whole(rows.column(entity)), rows.num_rows - 1
            yield rows.slice(0, end).filter(pc.not_equal(keys.slice(0, end), keys.slice(1)))
            # The next piece may go on with the last entity; the copy lets go of this one.
            held = [rows.take(pa.array([end]))]
    yield from held


def _whole(column: Column) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _truths(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _microseconds(times: Column) -> Integers:
    integers: Integers = times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return integers
