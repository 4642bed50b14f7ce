"""All reads and writes of the observer's database; one writer at a time, readers never wait (WAL).

Methods block: the service calls them in worker threads.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects.sqlite import insert

from homeostat.artifacts.holdout import held_out
from homeostat.signals.shadow import NEWEST, Answered, ShadowComparison, compare_all
from homeostat.tasks import AnyCohort, Cohort, Task
from homeostat_services.observer import outcome_join
from homeostat_services.observer.messages import (
    BusinessAnswer,
    BusinessValue,
    MatchResult,
    Outcome,
    OutcomeMatch,
    OutcomesAnswer,
    PredictedBy,
    Prediction,
    PredictionsAnswer,
)
from homeostat_services.observer.predicted import (
    Output,
    UnusableValueError,
    label_column,
    label_of,
    outputs_of,
    prediction_columns,
    record_models,
    refusal,
    rows_at_a_time,
    tasks_of,
)
from homeostat_services.observer.tables import business, mirrored, outcomes, pending, predictions
from homeostat_services.observer.times import check_times

log = structlog.get_logger()

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

    def add_predictions(
        self,
        namespace: str,
        deployment: str,
        batch: Sequence[Prediction],
        models: Mapping[str, PredictedBy] = MappingProxyType({}),
    ) -> PredictionsAnswer:
        """Record predictions that are not known by their id, and match outcomes that were waiting for them.

        Args:
            namespace: Namespace of the deployment.
            deployment: Its name.
            batch: The predictions.
            models: What versions among theirs predict.

        Raises:
            ImpossibleTimeError: A time is impossible; nothing is recorded.
            UnusableValueError: An output is none of its version's task; nothing is recorded.
        """
        self._check_times((f"predictions[{row}].time", p.time) for row, p in enumerate(batch))
        own = (namespace, deployment)
        with self.writing() as connection:
            record_models(connection, own, models)
            tasks = tasks_of(connection, ((*own, p.version) for p in batch))
            answered: list[dict[str, Any]] = []
            copies: list[dict[str, Any]] = []
            for row, p in enumerate(batch):
                output = prediction_columns(f"predictions[{row}]", p, tasks[*own, p.version])
                columns: dict[str, Any] = {
                    "namespace": namespace,
                    "deployment": deployment,
                    "id": p.id,
                    "version": p.version,
                }
                columns |= {"time": p.time.timestamp(), **output}
                if p.mirrored:
                    copies.append(columns)
                    continue
                inputs = None if p.inputs is None else json.dumps(p.inputs, separators=(",", ":"))
                answered.append(columns | {"entity": p.entity, "inputs": inputs})
            before = _last(connection, predictions.c.seq)
            accepted = _insert_new(connection, predictions, answered) + _insert_new(connection, mirrored, copies)
            pairs = outcome_join.waiting_for_predictions(connection, before, self._tolerance)
            results = outcome_join.settle(connection, pairs, self._clock())
        unusable = sum(result is MatchResult.UNUSABLE for result in results.values())
        if unusable:
            log.warning(
                "outcomes are no labels of what was predicted", deployment=f"{namespace}/{deployment}", count=unusable
            )
        return PredictionsAnswer(accepted=accepted, duplicate=len(batch) - accepted, unusable_outcomes=unusable)

    def add_outcomes(self, namespace: str, deployment: str, batch: Sequence[Outcome]) -> OutcomesAnswer:
        """Record outcomes: matched with their predictions, or kept until those arrive.

        Raises:
            ImpossibleTimeError: A time is impossible; nothing is recorded.
            UnusableValueError: A label is none of what its prediction's version predicts; nothing is recorded.
        """
        self._check_times((f"outcomes[{row}].predictedAt", o.predicted_at) for row, o in enumerate(batch))
        self._check_times((f"outcomes[{row}].observedAt", o.observed_at) for row, o in enumerate(batch))
        now = self._clock()
        key = {"namespace": namespace, "deployment": deployment, "received_at": now}
        rows = [
            key
            | {"prediction_id": o.prediction_id, "entity": o.entity, "label": label_column(o.label)}
            | {"predicted_at": o.predicted_at and o.predicted_at.timestamp(), "observed_at": o.observed_at.timestamp()}
            for o in batch
        ]
        with self.writing() as connection:
            before = _last(connection, pending.c.seq)
            _insert_new(connection, pending, rows)
            pairs = outcome_join.newly_pending(connection, before, self._tolerance)
            results = outcome_join.settle(connection, pairs, now)
            _refuse_unusable(connection, rows, pairs, results)
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
            sa.select(
                predictions.c.score,
                # The probabilities of those that have no outcome yet are of no use, and most of what would be read.
                sa.case((outcomes.c.label.is_not(None), predictions.c.probabilities)).label("probabilities"),
                outcomes.c.label,
            )
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
            (task,) = tasks_of(connection, [(namespace, deployment, version)]).values()
            counted: Cohort = task.cohort([], [], 0)
            for rows in connection.execute(query).partitions(rows_at_a_time(task)):
                matured, outputs = outputs_of([row for row in rows if row.label is not None], task)
                counted = counted.plus(task.cohort(outputs, [label_of(row.label) for row in matured], len(rows)))
        return cast("AnyCohort", counted)

    def shadow(self, namespace: str, deployment: str, version: str, start: datetime) -> ShadowComparison:
        """A version's predictions on the newest mirrored requests after `start`, compared with those returned to callers.

        Reads at most `NEWEST` pairs. Those that were answered by versions of another task cannot be compared.
        """
        with self.engine.connect() as connection:
            (task,) = tasks_of(connection, [(namespace, deployment, version)]).values()
            copies = (
                sa.select(mirrored)
                .where(
                    mirrored.c.namespace == namespace,
                    mirrored.c.deployment == deployment,
                    mirrored.c.version == version,
                    mirrored.c.time > start.timestamp(),
                )
                .order_by(mirrored.c.time.desc())
                .limit(min(NEWEST, rows_at_a_time(task)))
                .subquery()
            )
            same = (
                (predictions.c.namespace == copies.c.namespace)
                & (predictions.c.deployment == copies.c.deployment)
                & (predictions.c.id == copies.c.id)
            )
            theirs = (predictions.c.score, predictions.c.probabilities)
            query = sa.select(copies.c.score, copies.c.probabilities, predictions.c.version.label("by"), *theirs)
            rows = connection.execute(query.select_from(copies.join(predictions, same, isouter=True))).all()
            versions = {row.by for row in rows if row.by is not None}
            tasks = tasks_of(connection, ((namespace, deployment, by) for by in versions))
        groups = [_pairs([row for row in rows if row.by == key[2]], task, of) for key, of in tasks.items()]
        return compare_all(len(rows), task, groups)


def _pairs(rows: Sequence[Any], task: Task, other: Task) -> Answered:
    """The outputs of a version in shadow, and those of the version that answered, on the requests for which there are both."""
    both = [(Output(*row[:2]), Output(*row[3:])) for row in rows]
    if other.name == task.name:
        both = [pair for pair in both if outputs_of(pair[:1], task)[0] and outputs_of(pair[1:], other)[0]]
    mine, returned = [mine for mine, _ in both], [returned for _, returned in both]
    return Answered(other, outputs_of(mine, task)[1], outputs_of(returned, other)[1])


def _refuse_unusable(
    connection: sa.Connection, rows: list[dict[str, Any]], pairs: Sequence[Any], results: dict[int, MatchResult]
) -> None:
    """Refuse the first outcome that is no label of what its prediction's version predicts.

    Raises:
        UnusableValueError: For that outcome.
    """
    wrong = [pair for pair in pairs if results.get(pair.seq) is MatchResult.UNUSABLE]
    if not wrong:
        return
    places = {(row["prediction_id"], row["entity"], row["predicted_at"], row["label"]): n for n, row in enumerate(rows)}
    pair = min(wrong, key=lambda one: one.seq)
    place = places[pair.prediction_id, pair.entity, pair.predicted_at, pair.label]
    (task,) = tasks_of(connection, [(pair.namespace, pair.deployment, pair.matched_version)]).values()
    raise UnusableValueError(refusal(f"outcomes[{place}]", label_of(pair.label), pair.matched_version, task))


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
    numbers = {result.value.lower(): counts[result] for result in MatchResult if result is not MatchResult.UNUSABLE}
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
