"""Which prediction an outcome is about, whichever of the two arrives first.

An outcome with a prediction id is about just that prediction. An outcome with entity and predictedAt is about the prediction
of the entity whose time is nearest to predictedAt, before or after it, within the tolerance: clocks of clients differ from
those of predictors either way. Of two that are equally near it is the earlier one. Only predictions that have arrived when
the match is made are considered; a match once made stays. The first outcome of a prediction wins: it may have been exported
and trained on.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from homeostat_services.observer.messages import MatchResult
from homeostat_services.observer.predicted import Column, as_label, label_column, label_of, tasks_of
from homeostat_services.observer.tables import outcomes, pending

# A pending outcome with the prediction that it is about, or NULL.
RESOLVE = """
SELECT r.*, m.id AS matched_id, m.version AS matched_version, m.time AS matched_time FROM (
    SELECT q.*, COALESCE(
        (SELECT p.seq FROM predictions p
         WHERE p.namespace = q.namespace AND p.deployment = q.deployment AND p.id = q.prediction_id),
        (SELECT near.seq FROM (
             SELECT p.seq, p.time, ABS(p.time - q.predicted_at) AS away FROM predictions p
             WHERE p.namespace = q.namespace AND p.deployment = q.deployment AND p.entity = q.entity
               AND p.time BETWEEN q.predicted_at - :tolerance AND q.predicted_at + :tolerance
         ) near ORDER BY near.away, near.time, near.seq LIMIT 1)
    ) AS prediction
    FROM pending q
) r LEFT JOIN predictions m ON m.seq = r.prediction
"""

NEWLY_PENDING = sa.text(RESOLVE + "WHERE r.seq > :before ORDER BY r.seq")

# CROSS JOIN is SQLite's way to say: go through the few new predictions, and look up the many pending outcomes.
WAITING_FOR_PREDICTIONS = sa.text(
    RESOLVE  # noqa: S608 - constants only, values are bound
    + """
WHERE r.seq IN (
    SELECT w.seq FROM predictions n CROSS JOIN pending w
    WHERE n.seq > :before AND w.namespace = n.namespace AND w.deployment = n.deployment AND w.prediction_id = n.id
    UNION
    SELECT w.seq FROM predictions n CROSS JOIN pending w
    WHERE n.seq > :before AND w.namespace = n.namespace AND w.deployment = n.deployment AND w.entity = n.entity
      AND w.predicted_at BETWEEN n.time - :tolerance AND n.time + :tolerance
) ORDER BY r.seq
"""
)


def newly_pending(connection: sa.Connection, before: int, tolerance: float) -> Sequence[Any]:
    """Outcomes that became pending after number `before`, with their predictions."""
    return connection.execute(NEWLY_PENDING, {"before": before, "tolerance": tolerance}).all()


def waiting_for_predictions(connection: sa.Connection, before: int, tolerance: float) -> Sequence[Any]:
    """Pending outcomes that may be about predictions after number `before`."""
    return connection.execute(WAITING_FOR_PREDICTIONS, {"before": before, "tolerance": tolerance}).all()


def settle(connection: sa.Connection, rows: Sequence[Any], now: float) -> dict[int, MatchResult]:
    """Turn pending outcomes whose prediction is known into outcomes; those without one stay.

    One that is no label of what was predicted is dropped.

    Returns what became of those that found their prediction, by the number of the pending outcome.
    """
    joined = [row for row in rows if row.prediction is not None]
    if not joined:
        return {}
    labels = _recorded(connection, (row.prediction for row in joined))
    tasks = tasks_of(connection, ((row.namespace, row.deployment, row.matched_version) for row in joined))
    new: list[dict[str, Any]] = []
    results: dict[int, MatchResult] = {}
    for row in joined:
        label = as_label(label_of(row.label), tasks[row.namespace, row.deployment, row.matched_version])
        if label is None:
            results[row.seq] = MatchResult.UNUSABLE
        elif row.prediction not in labels:
            labels[row.prediction] = label
            outcome = {"prediction": row.prediction, "label": label_column(label)}
            new.append(outcome | {"observed_at": row.observed_at, "matched_at": now})
            results[row.seq] = MatchResult.ACCEPTED
        else:
            same = labels[row.prediction] == label
            results[row.seq] = MatchResult.DUPLICATE if same else MatchResult.CONFLICTING
    if new:
        connection.execute(sa.insert(outcomes), new)
    connection.execute(sa.delete(pending).where(pending.c.seq.in_(list(results))))
    return results


def _recorded(connection: sa.Connection, predictions: Iterable[int]) -> dict[int, Column]:
    """Labels recorded already, by prediction."""
    earlier = sa.select(outcomes.c.prediction, outcomes.c.label).where(outcomes.c.prediction.in_(list(predictions)))
    return {row.prediction: label_of(row.label) for row in connection.execute(earlier)}
