"""Which prediction an outcome is about, whichever of the two arrives first.

An outcome with a prediction id is about just that prediction. An outcome with entity and predictedAt is about the
newest prediction of the entity in [predictedAt - tolerance, predictedAt], among those that have arrived when the match is
made; a match once made stays. The first outcome of a prediction wins: it may have been exported and trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from homeostat_services.observer.tables import outcomes, pending

# A pending outcome with the prediction that it is about, or NULL.
RESOLVE = """
SELECT q.seq AS seq, q.label AS label, q.observed_at AS observed_at, COALESCE(
    (SELECT p.seq FROM predictions p
     WHERE p.namespace = q.namespace AND p.deployment = q.deployment AND p.id = q.prediction_id),
    (SELECT p.seq FROM predictions p
     WHERE p.namespace = q.namespace AND p.deployment = q.deployment AND p.entity = q.entity
       AND p.time BETWEEN q.predicted_at - :tolerance AND q.predicted_at
     ORDER BY p.time DESC, p.seq DESC LIMIT 1)
) AS prediction
FROM pending q
"""

NEWLY_PENDING = sa.text(RESOLVE + "WHERE q.seq > :before ORDER BY q.seq")

# CROSS JOIN is SQLite's way to say: go through the few new predictions, and look up the many pending outcomes.
WAITING_FOR_PREDICTIONS = sa.text(
    RESOLVE  # noqa: S608 - constants only, values are bound
    + """
WHERE q.seq IN (
    SELECT w.seq FROM predictions n CROSS JOIN pending w
    WHERE n.seq > :before AND w.namespace = n.namespace AND w.deployment = n.deployment AND w.prediction_id = n.id
    UNION
    SELECT w.seq FROM predictions n CROSS JOIN pending w
    WHERE n.seq > :before AND w.namespace = n.namespace AND w.deployment = n.deployment AND w.entity = n.entity
      AND w.predicted_at BETWEEN n.time AND n.time + :tolerance
) ORDER BY q.seq
"""
)


@dataclass(frozen=True)
class Settled:
    """How many pending outcomes found their prediction, by what it led to."""

    matched: int = 0
    duplicate: int = 0
    conflicting: int = 0


def newly_pending(connection: sa.Connection, before: int, tolerance: float) -> Sequence[Any]:
    """Outcomes that became pending after number `before`, with their predictions."""
    return connection.execute(NEWLY_PENDING, {"before": before, "tolerance": tolerance}).all()


def waiting_for_predictions(connection: sa.Connection, before: int, tolerance: float) -> Sequence[Any]:
    """Pending outcomes that may be about predictions after number `before`."""
    return connection.execute(WAITING_FOR_PREDICTIONS, {"before": before, "tolerance": tolerance}).all()


def settle(connection: sa.Connection, rows: Sequence[Any], now: float) -> Settled:
    """Turn pending outcomes whose prediction is known into outcomes; those without one stay."""
    joined = [row for row in rows if row.prediction is not None]
    if not joined:
        return Settled()
    candidates = [row.prediction for row in joined]
    earlier = sa.select(outcomes.c.prediction, outcomes.c.label).where(outcomes.c.prediction.in_(candidates))
    labels = {row.prediction: row.label for row in connection.execute(earlier)}
    new, duplicate, conflicting = [], 0, 0
    for row in joined:
        if row.prediction not in labels:
            labels[row.prediction] = row.label
            outcome = {"prediction": row.prediction, "label": row.label}
            new.append(outcome | {"observed_at": row.observed_at, "matched_at": now})
        elif labels[row.prediction] == row.label:
            duplicate += 1
        else:
            conflicting += 1
    if new:
        connection.execute(sa.insert(outcomes), new)
    connection.execute(sa.delete(pending).where(pending.c.seq.in_([row.seq for row in joined])))
    return Settled(len(new), duplicate, conflicting)
