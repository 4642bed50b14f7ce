"""A version that needs an input which its champion does not have, in the mode in which callers send them."""

from dataclasses import replace
from typing import Any

import pytest

from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.signals.gate import Verdict
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.modeldeployment.inputs import hold
from unit.operators.modeldeployment.world import World, digest, serving_one

REQUEST = {"replicas": 2, "features": "Request"}


def challenged(*new_inputs: str, **spec: Any) -> World:
    """Version 1 serves, and version 2 has passed the gate or was held after it."""
    world = serving_one(resource=a_model_deployment(realtime=REQUEST, **spec), new_inputs=new_inputs)
    world.versions.append("2")
    return world.turns(4)


def test_a_version_whose_requests_would_lack_an_input_is_held_before_its_canary_by_name() -> None:
    world = challenged("basket_value").turns(12)
    entry = world.status.history[0]
    assert (entry.outcome, world.shares, set(world.served)) == (Outcome.HELD, {"1": 100}, {"1"})
    assert entry.message == (
        "Every request needs the input 'basket_value', which version 1 does not have, so callers do not send it yet. Let them "
        "send it, which version 1 ignores, and then try this version again."
    )
    assert (world.ready, world.reason()) == (True, "Held")
    assert f"homeostat.dev/retry={digest('2')} --overwrite" in world.condition("Ready").message


def test_several_inputs_are_named_together() -> None:
    assert (
        "needs the inputs 'basket_value', 'hour', which" in challenged("basket_value", "hour").status.history[0].message
    )


def test_a_person_who_asks_for_it_by_its_digest_has_it_rolled_out() -> None:
    world = challenged("basket_value")
    world.annotate(retry=digest("2"))
    world.turns(5)
    assert world.shares == {"1": 75, "2": 25}


def test_the_gate_judges_it_before_its_inputs_do() -> None:
    world = serving_one(resource=a_model_deployment(realtime=REQUEST), new_inputs=("basket_value",))
    world.versions.append("2")
    world.verdict = None
    world.turns(3)
    assert (world.status.candidate.version, world.jobs) == ("2", ["churn-evaluate-1", "churn-evaluate-2"])
    world.verdict = Verdict.HOLD
    assert "Every request needs" not in world.turn().status.history[0].message


def test_a_version_on_a_step_is_not_held_for_inputs_that_are_observed_all_the_same() -> None:
    world = challenged()
    assert world.status.candidate.step_start_time is not None
    observed = replace(world.observed(), new_inputs=("basket_value",))
    assert hold(world.resource, world.status, observed, world.now) == world.status


def test_without_new_inputs_and_without_a_champion_nothing_is_held() -> None:
    assert challenged().shares == {"1": 75, "2": 25}
    for inputs in (("basket_value",), None):
        assert World(resource=a_model_deployment(realtime=REQUEST), new_inputs=inputs).turns(6).shares == {"1": 100}


def test_an_open_gate_holds_it_as_well() -> None:
    world = challenged("basket_value", promotion={"gate": {}})
    assert world.turns(12).status.history[0].outcome is Outcome.HELD
    assert set(world.served) == {"1"}


def test_a_version_waits_until_its_inputs_could_be_compared() -> None:
    world = challenged()
    world.versions.append("3")
    world.turn(25).turn()
    assert world.status.stable.version == "2"
    world.new_inputs = None
    world.turns(20, 60)
    assert world.shares == {"2": 100}
    assert "inputs cannot be compared with the champion's yet" in world.condition("Ready").message
    world.new_inputs = ()
    assert world.turn().shares == {"2": 75, "3": 25}


@pytest.mark.parametrize("new_inputs", [None, ("basket_value",)])
def test_a_version_past_its_first_step_is_not_held(new_inputs: tuple[str, ...] | None) -> None:
    world = challenged()
    world.new_inputs = new_inputs
    assert world.turn(25).turn().shares == {"2": 100}


def test_with_lookup_a_version_that_needs_a_request_feature_is_held_by_name() -> None:
    world = serving_one(new_inputs=("basket_value",))
    world.versions.append("2")
    entry = world.turns(16).status.history[0]
    assert (entry.outcome, set(world.served)) == (Outcome.HELD, {"1"})
    assert entry.message.startswith("Every request needs the input 'basket_value', which version 1 does not have")


def test_inputs_that_are_looked_up_hold_nothing_up() -> None:
    world = serving_one(new_inputs=())
    world.versions.append("2")
    assert world.turns(4).shares == {"1": 75, "2": 25}
