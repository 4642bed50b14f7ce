"""Sentences of docs/decisions.md about a new version's way, each with what happens where it would be broken."""

import pytest

from homeostat.signals.gate import Verdict
from homeostat_operators.modeldeployment.observed import StepTraffic
from unit.operators.modeldeployment.world import BROKEN, in_canary, serving_one


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


def test_a_candidate_goes_back_above_its_error_rate_and_not_at_it() -> None:
    at, above = in_canary(), in_canary()
    bound = float(at.resource.spec.rollback.max_error_rate)
    at.traffic = StepTraffic(1000, 1000 * bound)
    above.traffic = StepTraffic(1000, 1000 * bound + 1)
    assert at.turn(0).status.candidate is not None
    assert above.turn(0).status.candidate is None


def test_twenty_requests_are_enough_to_judge_errors() -> None:
    world = in_canary()
    world.traffic = StepTraffic(20, 20)
    assert world.turn(0).shares == {"1": 100}
