"""What exported outcomes add to a training: one row of each entity that is not in the model's holdout."""

from datetime import datetime

import sqlalchemy as sa

from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.outcomes import LabelGain
from homeostat_services.observer.tables import exports, outcomes, predictions


def label_gain(
    engine: sa.Engine, deployment: tuple[str, str], since: datetime, model: str, holdout: Holdout
) -> LabelGain:
    """See `homeostat.engines.outcomes.Outcomes.label_gain`.

    Args:
        engine: The observer's database.
        deployment: Namespace and name.
        since: Time of the earliest prediction that counts.
        model: `<namespace>.<model>`.
        holdout: Its holdout; of a share of the entities, or of the newest time that no version is trained on.
    """
    start, source = since.timestamp(), predictions.join(outcomes, outcomes.c.prediction == predictions.c.seq)
    labelled = sa.and_(
        predictions.c.namespace == deployment[0],
        predictions.c.deployment == deployment[1],
        predictions.c.time >= start,
        outcomes.c.id <= _exported(deployment),
    )
    with engine.connect() as connection:
        newest = connection.scalar(sa.select(sa.func.max(predictions.c.time)).select_from(source).where(labelled))
        middle, cut = (start + (newest or start)) / 2, (newest or start) - holdout.kept_seconds
        held: sa.ColumnElement[bool] = sa.func.held_out(
            model, predictions.c.entity, holdout.percent or 0, type_=sa.Boolean
        )
        if holdout.kept_seconds:
            held = sa.func.max(predictions.c.time) >= cut
        entities = (
            sa.select(
                held.label("held"),
                sa.func.count().label("outcomes"),
                sa.func.count().filter(predictions.c.time > middle).label("later"),
            )
            .select_from(source)
            .where(labelled)
            .group_by(predictions.c.entity)
            .subquery()
        )
        kept, of = ~entities.c.held, entities.c
        total = connection.execute(
            sa.select(
                sa.func.count().filter(kept).label("rows"),
                sa.func.count().filter(of.held).label("held_out"),
                sa.func.sum(of.outcomes).filter(kept).label("outcomes"),
                sa.func.count().filter(kept & (of.later == of.outcomes)).label("later_rows"),
                sa.func.sum(of.later).filter(kept).label("later_outcomes"),
            )
        ).one()
    return LabelGain(**{name: number or 0 for name, number in total._asdict().items()})


def _exported(deployment: tuple[str, str]) -> sa.ScalarSelect[int]:
    """Newest outcome of a deployment that is in the object store, where trainings read it."""
    own = (exports.c.namespace == deployment[0]) & (exports.c.deployment == deployment[1])
    newest = sa.select(sa.func.coalesce(sa.func.max(exports.c.last), 0))
    return newest.where(own, exports.c.uploaded_at.is_not(None)).scalar_subquery()
