"""Copies of labelled outcomes in the object store, as immutable Parquet parts that trainings read.

Exactly once, whatever is killed when: a part is first *reserved* in the database (its range of outcome ids, place and
digest), then uploaded under a name made of that range, then marked. A reserved part that is not marked is made again
from the same rows and uploaded under the same name, before anything newer is reserved.
"""

import io
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from homeostat.artifacts.bundle import digest_of
from homeostat.artifacts.layout import outcomes_prefix, outcomes_uri
from homeostat.artifacts.outcomes import ColumnType, columns
from homeostat.engines.objects import ObjectStore
from homeostat.tasks import LabelType
from homeostat_services.observer.messages import ExportAnswer
from homeostat_services.observer.predicted import label_of, tasks_of
from homeostat_services.observer.store import Store
from homeostat_services.observer.tables import exports, outcomes, predictions
from homeostat_services.observer.times import EARLIEST, LATEST_READABLE

PART_ROWS = 50_000

ARROW = {
    ColumnType.TEXT: pa.string(),
    ColumnType.TIME: pa.timestamp("us", tz="UTC"),
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.INTEGER: pa.int64(),
}
SCHEMAS = {
    labels: pa.schema([(name, ARROW[kind]) for name, kind in columns(ColumnType(labels.value))]) for labels in LabelType
}

# Earlier versions recorded any time; one such row would end every training that reads it.
READABLE = predictions.c.time.between(
    EARLIEST.timestamp(), LATEST_READABLE.timestamp()
) & outcomes.c.observed_at.between(EARLIEST.timestamp(), LATEST_READABLE.timestamp())

LABELLED = sa.select(
    outcomes.c.id,
    predictions.c.namespace,
    predictions.c.deployment,
    predictions.c.id.label("prediction_id"),
    predictions.c.entity,
    predictions.c.time,
    predictions.c.version,
    predictions.c.score,
    outcomes.c.label,
    outcomes.c.observed_at,
).join_from(outcomes, predictions, outcomes.c.prediction == predictions.c.seq)


def encode(rows: Sequence[Any], labels: LabelType) -> bytes:
    """One Parquet file of rows of `LABELLED` with labels of one type; the same rows give the same bytes."""
    schema = SCHEMAS[labels]
    values = [
        [row.prediction_id for row in rows],
        [row.entity for row in rows],
        [round(row.time * 1e6) for row in rows],
        [row.version for row in rows],
        [row.score for row in rows],
        [label_of(row.label) for row in rows],
        [round(row.observed_at * 1e6) for row in rows],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer)
    return buffer.getvalue()


def _key(row: Any) -> tuple[str, str, str]:
    return row.namespace, row.deployment, row.version


class Exporter:
    """Exports of one observer; there must be only one at a time.

    Args:
        store: Where outcomes are.
        objects: Where parts go.
        bucket: Bucket of the platform.
    """

    def __init__(self, store: Store, objects: ObjectStore, bucket: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._objects = objects
        self._bucket = bucket
        self._clock = clock

    def run(self) -> int:
        """Export everything labelled so far; blocks. Returns the number of parts uploaded.

        Raises:
            EngineUnavailable: The object store is down; the next run goes on from there.
        """
        parts = self._upload_reserved()
        while self._reserve():
            parts += self._upload_reserved()
        return parts

    def _reserve(self) -> bool:
        """Reserve parts of the next outcomes, one for each deployment and type of label; False when there are none."""
        with self._store.writing() as connection:
            done = sa.select(sa.func.coalesce(sa.func.max(exports.c.last), 0)).scalar_subquery()
            fresh = LABELLED.where(outcomes.c.id > done, READABLE).order_by(outcomes.c.id).limit(PART_ROWS)
            rows = sorted(connection.execute(fresh), key=lambda row: (row.namespace, row.deployment, row.id))
            tasks = tasks_of(connection, map(_key, rows))
            # In the order of ids: where versions with labels of two types take turns, each turn is a part.
            groups = groupby(rows, lambda row: (row.namespace, row.deployment, tasks[_key(row)].label_type))
            parts = [self._part(list(group), labels) for (*_, labels), group in groups]
            if parts:
                connection.execute(sa.insert(exports), parts)
        return bool(parts)

    def _part(self, rows: list[Any], labels: LabelType) -> dict[str, Any]:
        first, last = rows[0].id, rows[-1].id
        namespace, deployment = rows[0].namespace, rows[0].deployment
        return {
            "namespace": namespace,
            "deployment": deployment,
            "first": first,
            "last": last,
            "rows": len(rows),
            "uri": outcomes_uri(outcomes_prefix(self._bucket, namespace, deployment), first, last),
            "digest": digest_of(encode(rows, labels)),
            "reserved_at": self._clock(),
        }

    def _upload_reserved(self) -> int:
        with self._store.engine.connect() as connection:
            waiting = connection.execute(
                sa.select(exports).where(exports.c.uploaded_at.is_(None)).order_by(exports.c.seq)
            ).all()
        for part in waiting:
            self._upload(part)
        return len(waiting)

    def _upload(self, part: Any) -> None:
        mine = LABELLED.where(
            outcomes.c.id.between(part.first, part.last),
            predictions.c.namespace == part.namespace,
            predictions.c.deployment == part.deployment,
            READABLE,
        ).order_by(outcomes.c.id)
        with self._store.engine.connect() as connection:
            rows = connection.execute(mine).all()
            (task, *_) = tasks_of(connection, map(_key, rows)).values()
            content = encode(rows, task.label_type)
        self._objects.write(part.uri, content)
        # Another version of pyarrow may encode the same rows in other bytes: the digest is of what was uploaded.
        done = {"uploaded_at": self._clock(), "digest": digest_of(content)}
        with self._store.writing() as connection:
            connection.execute(sa.update(exports).where(exports.c.seq == part.seq).values(done))

    def lag_seconds(self) -> float:
        """Age of the oldest matched outcome that is not in the object store; 0 when there is none."""
        with self._store.engine.connect() as connection:
            oldest = connection.scalar(
                sa.select(outcomes.c.matched_at)
                .join(predictions, outcomes.c.prediction == predictions.c.seq)
                .where(outcomes.c.id > uploaded_through(), READABLE)
                .order_by(outcomes.c.id)
                .limit(1)
            )
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)

    def status(self, namespace: str, deployment: str) -> ExportAnswer:
        """How far the export of one deployment is."""
        own = (predictions.c.namespace == namespace) & (predictions.c.deployment == deployment)
        uploaded = (
            (exports.c.namespace == namespace)
            & (exports.c.deployment == deployment)
            & exports.c.uploaded_at.is_not(None)
        )
        with self._store.engine.connect() as connection:
            labelled = connection.scalar(
                sa.select(sa.func.count())
                .select_from(outcomes)
                .join(predictions, outcomes.c.prediction == predictions.c.seq)
                .where(own)
            )
            rows, parts = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(exports.c.rows), 0), sa.func.count()).where(uploaded)
            ).one()
            oldest = connection.scalar(
                sa.select(sa.func.min(outcomes.c.matched_at))
                .select_from(outcomes)
                .join(predictions, outcomes.c.prediction == predictions.c.seq)
                .where(own, outcomes.c.id > uploaded_through(), READABLE)
            )
            skipped = connection.scalar(
                sa.select(sa.func.count())
                .select_from(outcomes)
                .join(predictions, outcomes.c.prediction == predictions.c.seq)
                .where(own, ~READABLE)
            )
        lag = 0.0 if oldest is None else max(0.0, self._clock() - oldest)
        return ExportAnswer(labelled=labelled or 0, exported=rows, parts=parts, skipped=skipped or 0, lag_seconds=lag)


def uploaded_through() -> sa.ScalarSelect[int]:
    """The outcome id up to which everything is in the object store: before the first part that is not, if any."""
    waiting = sa.select(sa.func.min(exports.c.first) - 1).where(exports.c.uploaded_at.is_(None)).scalar_subquery()
    last = sa.select(sa.func.max(exports.c.last)).scalar_subquery()
    return sa.select(sa.func.coalesce(waiting, last, 0)).scalar_subquery()
