"""Sentences of docs/decisions.md about a new version's way, each with what happens where it would be broken."""

import math

import pytest

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.signals import difference_lower, wilson
from homeostat.signals.gate import Verdict
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.modeldeployment.observed import Answered, StepTraffic
from unit.operators.modeldeployment.world import BROKEN, in_canary, serving_one


def allowing(bound: float) -> ModelDeployment:
    return a_model_deployment(rollback={"max_error_rate": repr(bound)})


@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.REJECT])
def test_a_held_or_rejected_version_is_not_evaluated_again_by_follow_newest(verdict: Verdict) -> None:
    world = serving_one()
    world.versions.append("2")
    world.verdict = verdict
    world.turns(40)
    assert world.jobs == ["churn-evaluate-1", "churn-evaluate-2"]
    assert world.status.candidate is None
    assert set(world.served) == {"1"}


def test_a_version_that_was_taken_back_is_not_tried_again_by_follow_newest_nor_is_an_older_one() -> None:
    world = in_canary()
    world.health["2"] = BROKEN
    world.turns(30)
    assert [entry.version for entry in world.status.history] == ["2", "1"]
    assert world.jobs == ["churn-evaluate-1", "churn-evaluate-2"]
    assert set(world.served) == {"1"}


def test_without_error_rate_among_its_triggers_errors_take_no_candidate_back() -> None:
    world = serving_one()
    world.spec(rollback={"on": [], "max_error_rate": "0.01"})
    world.versions.append("2")
    world.turns(4)
    world.traffic = StepTraffic(40, 40)
    world.turn()
    assert world.shares == {"1": 75, "2": 25}


@pytest.mark.parametrize(
    ("traffic", "lower"),
    [
        (StepTraffic(1000, 120, Answered(3000, 90)), difference_lower((120, 1000), (90, 3000))),
        (StepTraffic(1000, 120), wilson(120, 1000)[0]),
        (StepTraffic(20, 20, Answered(1, 0)), difference_lower((20, 20), (0, 1))),
    ],
)
def test_a_candidate_goes_back_above_its_error_rate_and_not_at_it(traffic: StepTraffic, lower: float) -> None:
    at, above = (in_canary(resource=allowing(bound)) for bound in (lower, math.nextafter(lower, 0)))
    at.traffic = above.traffic = traffic
    assert at.turn(0).status.candidate is not None
    assert above.turn(0).status.candidate is None


@pytest.mark.parametrize("champion", [Answered(300, 90), Answered(5, 0)])
def test_errors_that_the_champion_shares_or_that_it_is_not_known_to_lack_take_no_candidate_back(
    champion: Answered,
) -> None:
    world = in_canary()
    world.traffic = StepTraffic(100, 30, champion)
    assert world.turn(0).shares == {"1": 75, "2": 25}


def test_the_message_compares_candidate_and_champion() -> None:
    world = in_canary()
    world.traffic = StepTraffic(100, 30, Answered(300, 3))
    world.turn(0)
    lower = difference_lower((30, 100), (3, 300))
    assert world.status.history[0].message == (
        "Version 2 failed 30 of 100 requests (30.0%) with 25 % of requests, "
        f"the champion 3 of 300 requests (1.0%) in the same time: at least {lower:.1%} more, "
        "beyond rollback.maxErrorRate of 5.0%."
    )


def test_twenty_requests_are_enough_to_judge_errors() -> None:
    world = in_canary()
    world.traffic = StepTraffic(20, 20)
    assert world.turn(0).shares == {"1": 100}
