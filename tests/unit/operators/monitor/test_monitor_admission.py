"""The order of admission: each earlier question wins over all later ones."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.testing.builders import a_monitor, a_training_job
from unit.operators.monitor.world import DIGEST, MINUTE, START, World, a_deployment, retrain, shifted


def admitted_but(**changes: Any) -> World:
    """A world that would be retrained now, if it were not for `changes` of the Monitor's retrain."""
    return shifted(monitor=a_monitor(**retrain(**changes))).live(9 * MINUTE)


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"action": "None"}, ("None", "RetrainingDisabled")),
        ({"action": "Alert"}, ("Alert", "AlertOnly")),
        ({"action": "Propose"}, ("Propose", "Proposed")),
        ({"action": "Auto"}, ("Retrain", "Admitted")),
    ],
)
def test_automation_is_a_stated_choice(changes: dict[str, Any], decision: tuple[str, str]) -> None:
    told = [(d.action.value, d.reason) for d in admitted_but(**changes).history if d.cause == "CovariateShift"]
    assert told[-1] == decision


def test_a_proposal_is_a_suspended_training_job_and_is_made_once() -> None:
    world = admitted_but(action="Propose").live(60 * MINUTE)
    assert world.made == ["churn-retrain-1"]
    assert world.jobs["churn-retrain-1"].spec.suspend
    assert world.decision == ("CovariateShift", "Propose", "Proposed")


def test_a_suspended_monitor_shows_signals_and_decides_nothing() -> None:
    world = shifted(monitor=a_monitor(suspend=True, **retrain())).live(20 * MINUTE)
    assert world.decision == ("CovariateShift", "None", "Suspended")
    assert world.status.breached == "drift, logloss"
    assert world.made == []


def blocked(world: World) -> str:
    return world.live(9 * MINUTE).decision[2]


def test_a_training_job_of_the_same_model_that_is_not_finished_comes_first() -> None:
    world = shifted(training=timedelta(days=1))
    world.jobs["by-hand"] = a_training_job("by-hand")
    world.deployment = a_deployment("1", START, candidate="2")
    assert blocked(world) == "ConcurrentJob"
    assert world.made == []


def test_a_job_of_another_model_is_of_no_concern() -> None:
    world = shifted(training=timedelta(days=1))
    world.jobs["other"] = a_training_job("other", output={"model": "fraud"})
    world.live(9 * MINUTE)
    assert world.made == ["churn-retrain-1"]


def test_a_candidate_in_rollout_comes_before_the_cooldown() -> None:
    world = shifted(monitor=a_monitor(**retrain(), status={"retraining": a_record(START)}))
    world.deployment = a_deployment("1", START, candidate="2")
    assert blocked(world) == "CandidateInFlight"


def test_a_version_that_has_not_been_through_the_gate_counts_as_a_candidate() -> None:
    world = shifted(rollout=timedelta(days=1))
    model = {"name": "churn.churn", "version": "2", "uri": "s3://homeostat/m", "digest": DIGEST}
    done = {"model": model, "completion_time": START}
    world.jobs["by-hand"] = a_training_job("by-hand", status=done)
    world.roll_out = lambda: None  # type: ignore[method-assign]
    assert blocked(world) == "CandidateInFlight"


def a_record(time: datetime) -> dict[str, Any]:
    return {"number": 1, "name": "churn-retrain-1", "uid": "gone", "time": time}


def test_the_cooldown_counts_from_the_last_retraining_even_if_its_job_was_deleted() -> None:
    monitor = a_monitor(**retrain(cooldown="60m"), status={"retraining": a_record(START), "retrains": 1})
    world = shifted(monitor=monitor)
    assert blocked(world) == "Cooldown"
    assert world.status.next_eligible_time == START + timedelta(hours=1)
    world.live(60 * MINUTE)
    assert world.made == ["churn-retrain-2"]


def test_a_bounded_number_of_retrainings_is_not_exceeded() -> None:
    bound = {"cooldown": "1s", "max_retrains": {"count": 1, "window": "10h"}}
    world = shifted(monitor=a_monitor(**retrain(**bound)), verdict="Held").live(90 * MINUTE)
    assert world.made == ["churn-retrain-1"]
    assert world.decision[2] == "RetrainLimitReached"


def test_features_must_be_materialised_through_the_time_of_the_breach() -> None:
    world = shifted(through=START)
    assert blocked(world) == "WaitingForFeatures"
    world.through = world.status.breach_since
    world.live(MINUTE)
    assert world.made == ["churn-retrain-1"]


def test_a_held_model_is_followed_by_another_only_after_the_cooldown() -> None:
    world = shifted(verdict="Held").live(16 * MINUTE)
    assert world.made == ["churn-retrain-1"]
    assert world.decision == ("CovariateShift", "Wait", "Cooldown")
