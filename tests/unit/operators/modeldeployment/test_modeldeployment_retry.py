"""A version that failed is tried again when the annotation homeostat.dev/retry names its digest."""

import pytest

from homeostat.signals.gate import Verdict
from unit.operators.modeldeployment.world import BROKEN, World, digest, in_canary, serving_one

COMMAND = "To try it again: kubectl annotate modeldeployment churn -n churn homeostat.dev/retry="


def rolled_back() -> World:
    """Version 2 lost its pods on its canary; they would be well now."""
    world = in_canary()
    world.health["2"] = BROKEN
    world.turn()
    del world.health["2"]
    return world.turns(12)


def command(world: World) -> str:
    """The value that the condition proposes; empty if it proposes none."""
    message = world.condition("Ready").message
    return message.partition(COMMAND)[2].removesuffix(" --overwrite") if COMMAND in message else ""


def test_a_version_that_was_rolled_back_says_how_it_is_tried_again_and_then_it_is() -> None:
    world = rolled_back()
    assert command(world) == digest("2")
    world.annotate(retry=command(world))
    world.turns(4)
    assert world.shares == {"1": 75, "2": 25}
    assert world.status.retried == digest("2")
    assert world.turn(25).turn().shares == {"2": 100}
    assert command(world.turns(12)) == ""


def test_an_annotation_that_stays_tries_a_version_once_and_another_value_once_more() -> None:
    world = rolled_back()
    world.health["2"] = BROKEN
    jobs = len(world.jobs)
    for number, value in enumerate((digest("2"), f"{digest('2')}/2", f"{digest('2')}/3"), 1):
        assert command(world) == value
        world.annotate(retry=value)
        world.turns(3).turn(601).turns(30)
        assert (len(world.jobs), world.status.candidate) == (jobs + number, None)


def test_text_after_the_slash_is_free() -> None:
    world = rolled_back()
    world.annotate(retry=f"{digest('2')}/after the fix of the network")
    assert world.turn().status.candidate.version == "2"
    world.health["2"] = BROKEN
    assert command(world.turns(3).turn(601).turns(2)) == f"{digest('2')}/2"


@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.REJECT])
def test_a_version_that_the_gate_stopped_is_evaluated_again(verdict: Verdict) -> None:
    world = serving_one()
    world.versions.append("2")
    world.verdict = verdict
    world.turns(4)
    world.annotate(retry=command(world))
    world.verdict = None
    assert world.turns(5).status.candidate.version == "2"
    world.verdict = Verdict.PROMOTE
    assert world.turns(2).shares == {"1": 75, "2": 25}


@pytest.mark.parametrize("value", [digest("1"), digest("3"), "2", "", digest("2")[:-1]])
def test_a_value_that_names_another_digest_tries_nothing(value: str) -> None:
    world = rolled_back()
    world.annotate(retry=value)
    assert world.turns(5).status.candidate is None
    assert world.status.retried == ""
    assert command(world) == digest("2")


def test_a_retry_is_recorded_before_anything_is_done_about_it() -> None:
    world = rolled_back()
    world.annotate(retry=digest("2"))
    world.turn(act=False)
    assert (world.status.candidate.version, world.status.retried) == ("2", digest("2"))
    assert world.turns(4).shares == {"1": 75, "2": 25}


def test_a_newer_version_is_not_held_up_by_an_annotation_that_stays() -> None:
    world = rolled_back()
    world.annotate(retry=digest("2"))
    world.versions.append("3")
    assert world.turn().status.candidate.version == "3"
    assert world.status.retried == ""


def test_no_retry_is_proposed_of_a_version_that_the_spec_does_not_ask_for_any_more() -> None:
    world = in_canary()
    world.spec(model={"registered": {"name": "churn", "version": "1"}})
    world.turn()
    assert world.reason() == "RolledBack"
    assert command(world) == ""
