"""A version in shadow: it sees requests, answers none, and is compared with what callers got."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from homeostat.api.v1alpha1.modeldeployment import Outcome, RolloutStep
from homeostat.signals.shadow import compare
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.modeldeployment.observed import StepTraffic
from unit.operators.modeldeployment.world import BROKEN, World, serving_one

STEPS = [{"mirror": 100, "min_duration": "20s", "min_requests": 200}, {"weight": 25, "min_duration": "20s"}]
SENTENCE = (
    "On 2 mirrored requests its scores are 0.050 higher on average than those returned to callers "
    "(mean absolute difference 0.150, largest 0.200); 50.0% fall on the other side of 0.5."
)


def in_shadow() -> World:
    world = serving_one(resource=a_model_deployment(rollout={"steps": STEPS}))
    world.comparison = compare(3, [(0.6, 0.4), (0.2, 0.3)])
    world.versions.append("2")
    return world.turns(4)


def test_a_version_in_shadow_answers_nothing_and_the_champion_everything() -> None:
    world = in_shadow()
    assert [(t.version, t.weight, t.mirror) for t in world.status.traffic] == [("1", 100, 0), ("2", 0, 100)]
    assert (world.ready, world.reason(), world.reason("Reconciling")) == (True, "Shadow", "Shadow")
    assert "Version 2 answers a copy of 100 % of requests, step 1 of 2" in world.condition("Ready").message


def test_the_comparison_is_reported_while_it_lasts_and_kept_when_the_version_is_promoted() -> None:
    world = in_shadow().turn()
    assert world.condition("Ready").message.endswith(SENTENCE)
    assert (world.status.candidate.shadow.mirrored_predictions, world.status.candidate.shadow.compared_predictions) == (
        3,
        2,
    )
    assert world.status.candidate.shadow.mean_difference == "0.050000"
    world.turn(25)
    world.turn()
    assert (world.shares, world.reason()) == ({"1": 75, "2": 25}, "Canary")
    assert world.status.candidate.mirror == 0
    world.turn(25)
    world.turn()
    assert world.status.stable.version == "2"
    assert world.status.history[0].message == f"It passed 2 steps. {SENTENCE}"


def test_a_shadow_step_lasts_until_its_copies_are_answered() -> None:
    world = in_shadow()
    world.traffic = StepTraffic(199, 0)
    assert world.turns(20, 10).shares == {"1": 100, "2": 0}


def test_an_observer_that_does_not_answer_is_reported_and_holds_nothing_up() -> None:
    world = in_shadow()
    world.comparison = None
    assert "the observer does not answer" in world.turn().condition("Ready").message
    world.turn(25)
    assert world.turn().shares == {"1": 75, "2": 25}


def test_a_shadow_that_fails_its_copies_is_taken_back() -> None:
    world = in_shadow()
    world.traffic = StepTraffic(100, 30)
    world.turn()
    assert world.shares == {"1": 100}
    entry = world.status.history[0]
    assert entry.outcome is Outcome.ROLLED_BACK
    assert "failed 30 of 100 requests (30.0%) with a copy of 100 % of requests" in entry.message


def test_a_shadow_that_loses_its_last_pod_is_taken_back() -> None:
    world = in_shadow()
    world.health["2"] = replace(BROKEN, ready=0)
    world.turn()
    assert "lost its last ready pod with a copy of 100 % of requests" in world.status.history[0].message


def test_a_first_version_has_nothing_to_be_compared_with_and_serves_at_once() -> None:
    world = serving_one(resource=a_model_deployment(rollout={"steps": STEPS}))
    assert world.shares == {"1": 100}


@pytest.mark.parametrize("given", [{}, {"weight": 10, "mirror": 10}])
def test_a_step_has_exactly_one_of_weight_and_mirror(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="exactly one of weight and mirror"):
        RolloutStep.model_validate(given)
