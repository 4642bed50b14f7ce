import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from homeostat.artifacts.holdout import Holdout
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.outcomes.memory import Prediction as Remembered
from homeostat.reconcile.errors import EngineUnavailable
from homeostat_services.observer.label_gain import label_gain
from homeostat_services.observer.messages import BusinessValue, Outcome, Prediction
from homeostat_services.observer.store import TooManyNamesError, open_database
from homeostat_services.observer.tables import metadata

START = datetime(2027, 1, 15, 8, tzinfo=UTC)
PREFIX = "s3://homeostat/churn/outcomes/churn/"


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it and clean up."""


class FragileObjects(MemoryObjects):
    """Objects whose next write is cut short: before it took effect, after it, or by an outage."""

    death: str = ""

    def write(self, uri: str, content: bytes) -> None:
        death, self.death = self.death, ""
        if death == "before":
            raise Killed
        if death == "outage":
            raise EngineUnavailable("the object store is down")
        super().write(uri, content)
        if death == "after":
            raise Killed


def label(observer: Any, numbers: range, *, deployment: str = "churn", days_ago: int = 0) -> None:
    """Predictions with outcomes, one entity for two of them."""
    time = START - timedelta(days=days_ago)
    observer.store.add_predictions(
        "churn",
        deployment,
        [
            Prediction(id=f"p{n}", version="1", entity=f"e{n // 2}", time=time + timedelta(seconds=n), score=n / 100)
            for n in numbers
        ],
    )
    observer.store.add_outcomes(
        "churn",
        deployment,
        [
            Outcome(prediction_id=f"p{n}", label=1 if n % 2 else 0, observed_at=time + timedelta(minutes=1))
            for n in numbers
        ],
    )


def exported(objects: Any, prefix: str = PREFIX) -> list[str]:
    parts = [pq.read_table(io.BytesIO(objects.read(uri))) for uri in objects.list(prefix)]
    return [row["prediction_id"] for part in parts for row in part.to_pylist()]


def test_labelled_outcomes_become_parts_with_the_columns_that_trainings_read(observer: Any) -> None:
    label(observer, range(3))
    assert observer.exporter.run() == 1
    (uri,) = observer.objects.list(PREFIX)
    table = pq.read_table(io.BytesIO(observer.objects.read(uri)))
    columns = ["prediction_id", "entity", "predicted_at", "version", "score", "label", "observed_at"]
    assert table.column_names == columns
    assert table.to_pylist()[1] == {
        "prediction_id": "p1",
        "entity": "e0",
        "predicted_at": START + timedelta(seconds=1),
        "version": "1",
        "score": 0.01,
        "label": 1,
        "observed_at": START + timedelta(minutes=1),
    }


def test_each_outcome_is_exported_once_and_a_run_without_news_makes_no_part(observer: Any) -> None:
    label(observer, range(5))
    label(observer, range(4), deployment="other")
    assert observer.exporter.run() == 2
    assert observer.exporter.run() == 0
    label(observer, range(5, 9))
    assert observer.exporter.run() == 1
    assert sorted(exported(observer.objects)) == sorted(f"p{n}" for n in range(9))
    assert len(exported(observer.objects, "s3://homeostat/churn/outcomes/other/")) == 4


@pytest.mark.parametrize("death", ["before", "after"])
def test_killed_in_the_upload_nothing_is_lost_or_doubled(observer: Any, death: str) -> None:
    observer.objects = FragileObjects()
    observer.restart()
    label(observer, range(5))
    observer.objects.death = death
    with pytest.raises(Killed):
        observer.exporter.run()
    observer.restart()
    label(observer, range(5, 7))
    assert observer.exporter.run() == 2
    assert sorted(exported(observer.objects)) == sorted(f"p{n}" for n in range(7))


def test_an_outage_of_the_object_store_only_delays_the_export_and_shows_as_lag(observer: Any) -> None:
    observer.objects = FragileObjects()
    observer.restart()
    label(observer, range(5))
    observer.objects.death = "outage"
    with pytest.raises(EngineUnavailable):
        observer.exporter.run()
    observer.now += 42
    assert observer.exporter.lag_seconds() == 42
    assert gained(observer) == 0
    assert observer.exporter.run() == 1
    assert observer.exporter.lag_seconds() == 0


def test_an_impossible_time_that_was_recorded_before_it_was_refused_is_skipped_and_counted(observer: Any) -> None:
    label(observer, range(4))
    with observer.store.writing() as connection:
        connection.execute(sa.text("UPDATE predictions SET time = -62135596800 WHERE id = 'p1'"))
        connection.execute(sa.text("UPDATE predictions SET time = 253402300799 WHERE id = 'p3'"))
    observer.exporter.run()
    assert exported(observer.objects) == ["p0", "p2"]
    observer.now += 42
    status = observer.exporter.status("churn", "churn")
    assert (status.exported, status.skipped, status.lag_seconds) == (2, 2, 0)
    assert observer.exporter.lag_seconds() == 0
    label(observer, range(4, 6))
    observer.exporter.run()
    assert sorted(exported(observer.objects)) == ["p0", "p2", "p4", "p5"]


def gained(observer: Any, since: datetime = START) -> int:
    return label_gain(observer.store.engine, ("churn", "churn"), since, "churn.churn", Holdout(percent=0)).rows


def test_labels_count_distinct_entities_of_predictions_since_and_only_once_exported(observer: Any) -> None:
    label(observer, range(10))
    observer.exporter.run()
    label(observer, range(10, 20))
    assert gained(observer) == 5
    assert gained(observer, START + timedelta(seconds=6)) == 2
    observer.exporter.run()
    assert gained(observer) == 10
    status = observer.exporter.status("churn", "churn")
    assert (status.labelled, status.exported, status.parts, status.lag_seconds) == (20, 20, 2, 0)


def test_what_a_training_gains_is_counted_without_its_holdout_and_by_when_its_entities_came(observer: Any) -> None:
    label(observer, range(100))
    observer.exporter.run()
    outcomes = MemoryOutcomes()
    for n in range(100):
        outcomes.add("churn", "churn", Remembered("1", f"e{n // 2}", START + timedelta(seconds=n), 0.5, 1))
    for holdout in (Holdout(percent=0), Holdout(latest_seconds=30, refit=False), Holdout(percent=30)):
        expected = outcomes.label_gain("churn", "churn", START, "churn.churn", holdout)
        assert label_gain(observer.store.engine, ("churn", "churn"), START, "churn.churn", holdout) == expected
    assert 0 < expected.held_out < expected.rows
    assert expected.later_outcomes > expected.later_rows > 0


def test_what_is_older_than_the_retention_is_forgotten_unless_it_is_not_exported(observer: Any) -> None:
    observer.now = (START + timedelta(minutes=5)).timestamp()
    label(observer, range(4), days_ago=91)
    observer.exporter.run()
    label(observer, range(4, 6), days_ago=91)
    label(observer, range(6, 9))
    assert observer.retention.delete_older_than(timedelta(days=90)) == 4
    observer.exporter.run()
    assert observer.retention.delete_older_than(timedelta(days=90)) == 2
    assert observer.exporter.status("churn", "churn").labelled == 3
    assert sorted(exported(observer.objects)) == sorted(f"p{n}" for n in range(9))


def test_a_lost_database_never_reaches_the_names_of_its_predecessors_parts(observer: Any, tmp_path: Path) -> None:
    label(observer, range(3))
    observer.exporter.run()
    observer.path = tmp_path / "anew.db"
    observer.restart()
    with observer.store.engine.begin() as connection:
        start = connection.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'outcomes'"))
    assert start > 1_700_000_000_000
    label(observer, range(3))
    observer.exporter.run()
    assert len(observer.objects.list(PREFIX)) == 2


def test_the_migrations_lead_to_the_tables_that_the_code_uses_and_may_run_again(tmp_path: Path) -> None:
    open_database(tmp_path / "a.db").dispose()
    with open_database(tmp_path / "a.db").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_value_of_each_business_number_is_kept_whatever_the_order(observer: Any) -> None:
    later = BusinessValue(name="retained", value=0.8, time=START + timedelta(hours=1))
    earlier = BusinessValue(name="retained", value=0.9, time=START)
    assert observer.store.add_business("churn", "churn", [later, earlier]).accepted == 2
    assert observer.store.add_business("churn", "churn", [later]).duplicate == 1
    assert observer.store.newest_business() == [("churn", "churn", "retained", 0.8)]


def test_too_many_names_of_business_numbers_are_refused_as_each_is_a_time_series(observer: Any) -> None:
    values = [BusinessValue(name=f"n{i}", value=1, time=START) for i in range(101)]
    with pytest.raises(TooManyNamesError, match="101 names"):
        observer.store.add_business("churn", "churn", values)
    assert observer.store.newest_business() == []
