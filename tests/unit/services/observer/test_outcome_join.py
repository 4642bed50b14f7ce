import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeostat_services.observer.messages import Outcome, OutcomesAnswer, Prediction

WORLDS = itertools.count()
"""Namespaces of their own for examples that share a database."""
START = datetime(2027, 1, 15, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_prediction(number: int, *, entity: str = "7590-VHVEG", seconds: float = 0, score: float = 0.7) -> Prediction:
    return Prediction(id=f"p{number}", version="1", entity=entity, time=at(seconds), score=score)


def by_id(number: int, label: Literal[0, 1] = 1) -> Outcome:
    return Outcome(prediction_id=f"p{number}", label=label, observed_at=at(60))


def by_entity(seconds: float, *, entity: str = "7590-VHVEG", label: Literal[0, 1] = 1) -> Outcome:
    return Outcome(entity=entity, predicted_at=at(seconds), label=label, observed_at=at(60))


def labels(observer: Any) -> dict[str, int]:
    query = "SELECT p.id, o.label FROM outcomes o JOIN predictions p ON p.seq = o.prediction"
    with observer.store.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(sa.text(query))}


def counts(answer: OutcomesAnswer) -> tuple[int, int, int, int]:
    return answer.accepted, answer.duplicate, answer.conflicting, answer.unknown


def test_a_prediction_sent_twice_is_recorded_once(observer: Any) -> None:
    batch = [a_prediction(1), a_prediction(2)]
    assert observer.store.add_predictions("churn", "churn", batch).accepted == 2
    again = observer.store.add_predictions("churn", "churn", [*batch, a_prediction(3)])
    assert (again.accepted, again.duplicate) == (1, 2)


def test_an_outcome_by_id_sent_twice_counts_once(observer: Any) -> None:
    observer.store.add_predictions("churn", "churn", [a_prediction(1)])
    assert counts(observer.store.add_outcomes("churn", "churn", [by_id(1)])) == (1, 0, 0, 0)
    assert counts(observer.store.add_outcomes("churn", "churn", [by_id(1)])) == (0, 1, 0, 0)


def test_the_first_label_of_a_prediction_stays_and_another_is_reported(observer: Any) -> None:
    observer.store.add_predictions("churn", "churn", [a_prediction(1)])
    answer = observer.store.add_outcomes("churn", "churn", [by_id(1, label=1), by_id(1, label=0)])
    assert counts(answer) == (1, 0, 1, 0)
    assert labels(observer) == {"p1": 1}


NEAREST = {
    "just before": (39.9, "p3"),
    "at the same time": (20, "p2"),
    "nearer to the later one": (31, "p3"),
    "nearer to the earlier one": (29, "p2"),
    "equally near to two": (30, "p2"),
    "a client's clock behind": (-1, "p1"),
    "a client's clock ahead": (90, "p3"),
}


@pytest.mark.parametrize("case", NEAREST)
@pytest.mark.parametrize("first", ["predictions", "outcome"])
def test_an_outcome_by_entity_is_about_the_prediction_nearest_to_its_time(observer: Any, case: str, first: str) -> None:
    seconds, expected = NEAREST[case]
    made = [a_prediction(1, seconds=0), a_prediction(2, seconds=20), a_prediction(3, seconds=40)]
    if first == "predictions":
        observer.store.add_predictions("churn", "churn", made)
        assert counts(observer.store.add_outcomes("churn", "churn", [by_entity(seconds)])) == (1, 0, 0, 0)
    else:
        assert counts(observer.store.add_outcomes("churn", "churn", [by_entity(seconds)])) == (0, 0, 0, 1)
        observer.store.add_predictions("churn", "churn", made)
    assert labels(observer) == {expected: 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(0, 2000), min_size=1, max_size=6), asked=st.integers(-700, 2700))
def test_the_match_is_that_of_a_search_through_all_predictions(observer: Any, times: list[int], asked: int) -> None:
    world = f"world-{next(WORLDS)}"
    made = [a_prediction(number, seconds=time) for number, time in enumerate(times)]
    observer.store.add_predictions(world, "churn", made)
    (match,) = observer.store.add_outcomes(world, "churn", [by_entity(asked)]).matches
    near = [(abs(time - asked), time, number) for number, time in enumerate(times) if abs(time - asked) <= 600]
    if near:
        _, time, number = min(near)
        assert (match.result, match.prediction_id, match.predicted_at) == ("Accepted", f"p{number}", at(time))
    else:
        assert (match.result, match.prediction_id) == ("Unknown", None)


@pytest.mark.parametrize(("seconds", "matched"), [(0, 1), (600, 1), (600.5, 0), (-0.5, 1), (-600, 1), (-600.5, 0)])
def test_the_tolerance_bounds_how_far_away_a_prediction_may_lie(observer: Any, seconds: float, matched: int) -> None:
    observer.store.add_predictions("churn", "churn", [a_prediction(1)])
    assert observer.store.add_outcomes("churn", "churn", [by_entity(seconds)]).accepted == matched


def test_the_answer_reports_for_each_outcome_what_it_was_matched_with(observer: Any) -> None:
    observer.store.add_predictions("churn", "churn", [a_prediction(1), a_prediction(2, entity="other", seconds=5)])
    batch = [by_entity(-1), by_id(2), by_id(2, label=0), by_id(2), by_id(9)]
    found = [
        (match.result.value, match.prediction_id, match.version, match.predicted_at)
        for match in observer.store.add_outcomes("churn", "churn", batch).matches
    ]
    assert found == [
        ("Accepted", "p1", "1", at(0)),
        ("Accepted", "p2", "1", at(5)),
        ("Conflicting", "p2", "1", at(5)),
        ("Duplicate", "p2", "1", at(5)),
        ("Unknown", None, None, None),
    ]
    again = observer.store.add_outcomes("churn", "churn", [by_entity(-1), by_id(9)]).matches
    assert [(match.result.value, match.prediction_id) for match in again] == [("Duplicate", "p1"), ("Duplicate", None)]


def test_outcomes_that_come_first_are_matched_when_their_predictions_arrive(observer: Any) -> None:
    early = [by_id(1), by_entity(21, entity="other", label=0)]
    assert counts(observer.store.add_outcomes("churn", "churn", early)) == (0, 0, 0, 2)
    assert counts(observer.store.add_outcomes("churn", "churn", early)) == (0, 2, 0, 0)
    observer.store.add_predictions("churn", "churn", [a_prediction(1), a_prediction(2, entity="other", seconds=20)])
    assert labels(observer) == {"p1": 1, "p2": 0}


def test_an_outcome_of_another_deployment_is_not_matched(observer: Any) -> None:
    observer.store.add_predictions("churn", "churn", [a_prediction(1)])
    assert counts(observer.store.add_outcomes("churn", "other", [by_id(1)])) == (0, 0, 0, 1)
    assert counts(observer.store.add_outcomes("sales", "churn", [by_entity(1)])) == (0, 0, 0, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations([*(("prediction", n) for n in range(4)), *(("outcome", n) for n in range(4))]), data=st.data()
)
def test_in_whatever_order_things_arrive_and_repeat_each_prediction_gets_its_own_label(
    observer: Any, order: list[tuple[str, int]], data: st.DataObject
) -> None:
    world = data.draw(st.text("abcdefgh", min_size=12, max_size=12), label="a namespace of its own")
    repeated = order + data.draw(st.lists(st.sampled_from(order), max_size=8))
    for kind, number in repeated:
        if kind == "prediction":
            observer.store.add_predictions(world, "churn", [a_prediction(number, entity=f"e{number}")])
        else:
            observer.store.add_outcomes(world, "churn", [by_id(number, label=1 if number % 2 else 0)])
    with observer.store.engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT p.id, o.label FROM outcomes o JOIN predictions p ON p.seq = o.prediction WHERE p.namespace = :n"
            ),
            {"n": world},
        ).all()
    assert sorted(tuple(row) for row in found) == [("p0", 0), ("p1", 1), ("p2", 0), ("p3", 1)]
