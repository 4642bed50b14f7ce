"""The row of an entity that was known at a time: the one rule that training, evaluation and the online store share.

A snapshot is ordered by entity, time, then every other column (`snapshots.ordered`). The row known at a time is the last one of
the entity that is not later. So of two rows of one time the one with the greater values counts, compared column by column,
and a value counts before a missing one: the order of the source's files plays no part.
"""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_ROOM = 2**62
"""Composite keys below it fit into 64 bits with room to spare."""


class NotOrdered(ValueError):  # noqa: N818 - a state of the rows
    """The rows are not ordered by entity and time."""


class History:
    """Entities and times of the rows of a snapshot.

    Args:
        keys: Entity of each row.
        times: Time of each row, timestamps in microseconds.

    Raises:
        NotOrdered: The rows are not ordered.
    """

    def __init__(self, keys: pa.ChunkedArray, times: pa.ChunkedArray) -> None:
        self._times = _microseconds(times)
        column = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
        first = np.ones(len(column), dtype=bool)
        if len(column) > 1:
            first[1:] = pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)).to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(first)
        self._entities = column.take(pa.array(starts))
        self._codes: Integers = np.cumsum(first, dtype=np.int64) - 1
        same = ~first[1:]
        if np.any(np.diff(self._times)[same] < 0) or pc.count_distinct(self._entities).as_py() != len(starts):
            raise NotOrdered

    def known_at(self, time: datetime) -> pa.Array:
        """Index of the row of each entity that was known at one time; entities without any are left out."""
        past = np.flatnonzero(self._times <= round(time.timestamp() * 1_000_000))
        codes = self._codes[past]
        last = np.ones(past.size, dtype=bool)
        last[:-1] = codes[1:] != codes[:-1]
        return pa.array(past[last])

    def rows_at(self, keys: pa.ChunkedArray, times: pa.ChunkedArray, ttl_seconds: int) -> pa.Array:
        """Index of the row of each entity that was known at each time.

        Args:
            keys: Entities, of the type of the snapshot's.
            times: Times in microseconds, one per entity.
            ttl_seconds: Rows older than this at the time are not known any more.

        Returns:
            One index per entity; null where no row is known.
        """
        if self._codes.size == 0:
            return pa.nulls(len(keys), pa.int64())
        wanted = _microseconds(times)
        found = pc.index_in(keys, value_set=self._entities)
        codes = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        ordered, asked = self._composite(codes, wanted)
        position = np.searchsorted(ordered, asked, side="right") - 1
        row = np.maximum(position, 0)
        known = (codes >= 0) & (position >= 0) & (self._codes[row] == codes)
        known &= wanted - self._times[row] <= ttl_seconds * 1_000_000
        return pa.array(row, mask=~known)

    def _composite(self, codes: Integers, wanted: Integers) -> tuple[Integers, Integers]:
        """Entity and time as one number that grows with both: of the rows, and of what is asked for."""
        least, span = int(self._times.min()), int(self._times.max()) - int(self._times.min()) + 1
        if (int(self._codes[-1]) + 1) * span < _ROOM:
            own = self._codes * span + (self._times - least)
            return own, codes * span + np.clip(wanted - least, -1, span - 1)
        # Too many entities over too long a time: the rank of a time takes its place.
        distinct = np.unique(self._times)
        own = self._codes * distinct.size + np.searchsorted(distinct, self._times)
        return own, codes * distinct.size + np.searchsorted(distinct, wanted, side="right") - 1


def _microseconds(times: pa.ChunkedArray) -> Integers:
    integers: Integers = times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return integers
