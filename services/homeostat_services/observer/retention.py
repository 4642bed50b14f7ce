"""How long predictions are kept: deletes those that are older, with their exported outcomes."""

import time
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from homeostat_services.observer.export import uploaded_through
from homeostat_services.observer.store import Store
from homeostat_services.observer.tables import business, mirrored, outcomes, pending, predictions

PRUNE_ROWS = 10_000
"""Rows deleted in one transaction, so that writers never wait long."""


class Retention:
    """Deletes what one observer need not keep.

    Args:
        store: Where predictions and outcomes are.
        clock: Unix time in seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def delete_older_than(self, age: timedelta) -> int:
        """Delete predictions that are older, their exported outcomes, and whatever waited that long.

        An outcome that is not exported yet keeps its prediction: a training may still need it. Returns the number of
        predictions deleted.
        """
        cutoff = self._clock() - age.total_seconds()
        deleted = 0
        while batch := self._delete_some(cutoff):
            deleted += batch
        with self._store.writing() as connection:
            connection.execute(sa.delete(pending).where(pending.c.received_at < cutoff))
            connection.execute(sa.delete(business).where(business.c.time < cutoff))
            connection.execute(sa.delete(mirrored).where(mirrored.c.time < cutoff))
        return deleted

    def _delete_some(self, cutoff: float) -> int:
        keep = sa.select(outcomes.c.prediction).where(outcomes.c.id > uploaded_through())
        old = (
            sa.select(predictions.c.seq)
            .where(predictions.c.time < cutoff, predictions.c.seq.not_in(keep))
            .limit(PRUNE_ROWS)
        )
        with self._store.writing() as connection:
            batch = list(connection.scalars(old))
            connection.execute(sa.delete(outcomes).where(outcomes.c.prediction.in_(batch)))
            connection.execute(sa.delete(predictions).where(predictions.c.seq.in_(batch)))
        return len(batch)
