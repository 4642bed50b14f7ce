"""All reads and writes of the observer's database; one writer at a time, readers never wait (WAL).

Methods block: the service calls them in worker threads.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects.sqlite import insert

from homeostat.artifacts.holdout import held_out
from homeostat.signals.shadow import NEWEST, ShadowComparison, compare
from homeostat.tasks import UNNAMED, AnyCohort
from homeostat_services.observer import outcome_join
from homeostat_services.observer.messages import (
    BusinessAnswer,
    BusinessValue,
    MatchResult,
    Outcome,
    OutcomeMatch,
    OutcomesAnswer,
    Prediction,
    PredictionsAnswer,
)
from homeostat_services.observer.tables import business, mirrored, outcomes, pending, predictions
from homeostat_services.observer.times import check_times

BUSY_SECONDS = 30
MAX_NAMES = 100
"""Business numbers of one deployment at most: each is a time series in Prometheus for ever."""


class TooManyNamesError(ValueError):
    """A deployment reports more business numbers than it may."""


def open_database(path: Path) -> sa.Engine:
    """The database, migrated to the newest tables.

    `synchronous=FULL`: an outcome that was accepted, or a part that was reserved, survives a power cut too.
    """
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("held_out", 3, held_out, deterministic=True)

    config = Config()
    config.set_main_option("script_location", "homeostat_services.observer:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


class Store:
    """Predictions, outcomes and business numbers.

    Args:
        engine: From `open_database`.
        tolerance: How far from an outcome's predictedAt its prediction may lie.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: sa.Engine, tolerance: timedelta, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._tolerance = tolerance.total_seconds()
        self._clock = clock
        self._writing = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction of the only writer."""
        with self._writing, self.engine.begin() as connection:
            yield connection

    def _check_times(self, times: Iterable[tuple[str, datetime | None]]) -> None:
        check_times(times, datetime.fromtimestamp(self._clock(), UTC))

    def add_predictions(self, namespace: str, deployment: str, batch: Sequence[Prediction]) -> PredictionsAnswer:
        """Record predictions that are not known by their id, and match outcomes that were waiting for them.

        Raises:
            ImpossibleTimeError: A time is impossible; nothing is recorded.
        """
        self._check_times((f"predictions[{row}].time", p.time) for row, p in enumerate(batch))
        key = {"namespace": namespace, "deployment": deployment}
        answered = [
            key
            | {"id": p.id, "version": p.version, "entity": p.entity, "time": p.time.timestamp(), "score": p.score}
            | {"inputs": None if p.inputs is None else json.dumps(p.inputs, separators=(",", ":"))}
            for p in batch
            if not p.mirrored
        ]
        copies = [
            key | {"id": p.id, "version": p.version, "time": p.time.timestamp(), "score": p.score}
            for p in batch
            if p.mirrored
        ]
        with self.writing() as connection:
            before = _last(connection, predictions.c.seq)
            accepted = _insert_new(connection, predictions, answered) + _insert_new(connection, mirrored, copies)
            pairs = outcome_join.waiting_for_predictions(connection, before, self._tolerance)
            outcome_join.settle(connection, pairs, self._clock())
        return PredictionsAnswer(accepted=accepted, duplicate=len(batch) - accepted)

    def add_outcomes(self, namespace: str, deployment: str, batch: Sequence[Outcome]) -> OutcomesAnswer:
        """Record outcomes: matched with their predictions, or kept until those arrive.

        Raises:
            ImpossibleTimeError: A time is impossible; nothing is recorded.
        """
        self._check_times((f"outcomes[{row}].predictedAt", o.predicted_at) for row, o in enumerate(batch))
        self._check_times((f"outcomes[{row}].observedAt", o.observed_at) for row, o in enumerate(batch))
        now = self._clock()
        key = {"namespace": namespace, "deployment": deployment, "received_at": now}
        rows = [
            key
            | {"prediction_id": o.prediction_id, "entity": o.entity, "label": o.label}
            | {"predicted_at": o.predicted_at and o.predicted_at.timestamp(), "observed_at": o.observed_at.timestamp()}
            for o in batch
        ]
        with self.writing() as connection:
            before = _last(connection, pending.c.seq)
            _insert_new(connection, pending, rows)
            pairs = outcome_join.newly_pending(connection, before, self._tolerance)
            results = outcome_join.settle(connection, pairs, now)
        return _answer(rows, pairs, results)

    def add_business(self, namespace: str, deployment: str, batch: Sequence[BusinessValue]) -> BusinessAnswer:
        """Record business numbers.

        Raises:
            TooManyNamesError: More than `MAX_NAMES` names for this deployment; nothing is recorded.
            ImpossibleTimeError: A time is impossible; nothing is recorded.
        """
        self._check_times((f"values[{row}].time", v.time) for row, v in enumerate(batch))
        key = {"namespace": namespace, "deployment": deployment}
        rows = [key | {"name": v.name, "time": v.time.timestamp(), "value": v.value} for v in batch]
        own = (business.c.namespace == namespace) & (business.c.deployment == deployment)
        with self.writing() as connection:
            names = {row["name"] for row in rows} | set(
                connection.scalars(sa.select(business.c.name).where(own).distinct())
            )
            if len(names) > MAX_NAMES:
                raise TooManyNamesError(
                    f"values: {len(names)} names for deployment {deployment!r}; use at most {MAX_NAMES}, "
                    "each is a time series in Prometheus"
                )
            accepted = _insert_new(connection, business, rows)
        return BusinessAnswer(accepted=accepted, duplicate=len(rows) - accepted)

    def newest_business(self) -> list[tuple[str, str, str, float]]:
        """(namespace, deployment, name, value) of the newest number of each name."""
        columns = (business.c.namespace, business.c.deployment, business.c.name)
        # SQLite takes bare columns from the row that holds the maximum: sqlite.org/lang_select.html#bareagg.
        query = sa.select(*columns, business.c.value, sa.func.max(business.c.time)).group_by(*columns)
        with self.engine.connect() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> AnyCohort:
        """Counts of the predictions made after `start`, up to and including `end`, with the outcomes known now."""
        source = predictions.join(outcomes, outcomes.c.prediction == predictions.c.seq, isouter=True)
        query = (
            sa.select(predictions.c.score, outcomes.c.label)
            .select_from(source)
            .where(
                predictions.c.namespace == namespace,
                predictions.c.deployment == deployment,
                predictions.c.version == version,
                predictions.c.time > start.timestamp(),
                predictions.c.time <= end.timestamp(),
            )
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        # No outcome yet: NaN.
        pairs = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 2)
        matured = pairs[~np.isnan(pairs[:, 1])]
        return UNNAMED.cohort(matured[:, 0], matured[:, 1], len(pairs))

    def shadow(self, namespace: str, deployment: str, version: str, start: datetime) -> ShadowComparison:
        """A version's predictions on the newest mirrored requests after `start`, compared with those returned to callers.

        Reads at most `NEWEST` pairs of scores.
        """
        copies = (
            sa.select(mirrored)
            .where(
                mirrored.c.namespace == namespace,
                mirrored.c.deployment == deployment,
                mirrored.c.version == version,
                mirrored.c.time > start.timestamp(),
            )
            .order_by(mirrored.c.time.desc())
            .limit(NEWEST)
            .subquery()
        )
        same = (
            (predictions.c.namespace == copies.c.namespace)
            & (predictions.c.deployment == copies.c.deployment)
            & (predictions.c.id == copies.c.id)
        )
        query = sa.select(copies.c.score, predictions.c.score).select_from(copies.join(predictions, same, isouter=True))
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return compare(len(rows), ((mine, theirs) for mine, theirs in rows if theirs is not None))


def _answer(rows: list[dict[str, Any]], pairs: Sequence[Any], results: dict[int, MatchResult]) -> OutcomesAnswer:
    """What became of each outcome: those that became pending now have a pair, the others were pending before."""
    found = {(row.prediction_id, row.entity, row.predicted_at, row.label): row for row in pairs}
    matches: list[OutcomeMatch] = []
    repeated = set()
    for row in rows:
        key = (row["prediction_id"], row["entity"], row["predicted_at"], row["label"])
        pair = found.get(key)
        if pair is None or key in repeated:
            result = MatchResult.DUPLICATE
        else:
            result = results.get(pair.seq, MatchResult.UNKNOWN)
        repeated.add(key)
        if pair is None or pair.prediction is None:
            matches.append(OutcomeMatch(result=result))
            continue
        time = datetime.fromtimestamp(pair.matched_time, UTC)
        about = {"prediction_id": pair.matched_id, "version": pair.matched_version, "predicted_at": time}
        matches.append(OutcomeMatch(result=result, **about))
    counts = Counter(match.result for match in matches)
    numbers = {result.value.lower(): counts[result] for result in MatchResult}
    return OutcomesAnswer(**numbers, matches=matches)


def _last(connection: sa.Connection, column: sa.Column[Any]) -> int:
    return int(connection.scalar(sa.select(sa.func.coalesce(sa.func.max(column), 0))) or 0)


def _insert_new(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows whose key is not known yet; how many."""
    if not rows:
        return 0
    before = _last(connection, table.c.seq)
    connection.execute(insert(table).on_conflict_do_nothing(), rows)
    return int(connection.scalar(sa.select(sa.func.count()).where(table.c.seq > before)) or 0)
