"""Which version becomes a candidate, and what its end leaves in the history."""

from dataclasses import replace
from typing import Any

import pytest

from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.modeldeployment.candidates import ambiguity, choose, failed, finish, target_version
from unit.operators.modeldeployment.world import START, World, a_version, digest, in_canary, serving_one

FOLLOWS = {"registered": {"name": "churn", "follow": "Newest"}}


def pins(version: str) -> dict[str, Any]:
    return {"registered": {"name": "churn", "version": version}}


def ended(outcome: Outcome, *, version: str = "2", generation: int = 1, of: str = "2") -> dict[str, Any]:
    return {
        "version": version,
        "digest": digest(of),
        "outcome": outcome.value,
        "generation": generation,
        "time": START,
    }


@pytest.mark.parametrize(
    ("model", "generation", "is_failed"),
    [(FOLLOWS, 1, True), (FOLLOWS, 2, True), (pins("2"), 1, True), (pins("2"), 2, False)],
)
def test_only_a_pin_of_a_later_spec_asks_for_a_failed_version_again(
    model: dict[str, Any], generation: int, is_failed: bool
) -> None:
    resource = a_model_deployment(
        model=model, generation=generation, status={"history": [ended(Outcome.ROLLED_BACK, generation=1)]}
    )
    assert failed(resource, resource.status, a_version("2")) is is_failed


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.PROMOTED])
def test_every_end_but_promotion_is_a_failure(outcome: Outcome) -> None:
    resource = a_model_deployment(status={"history": [ended(outcome)]})
    assert failed(resource, resource.status, a_version("2"))


def test_a_version_that_was_promoted_here_before_has_not_failed() -> None:
    resource = a_model_deployment(status={"history": [ended(Outcome.PROMOTED)]})
    assert not failed(resource, resource.status, a_version("2"))


def test_a_version_with_other_files_than_the_one_that_failed_has_not_failed() -> None:
    resource = a_model_deployment(status={"history": [ended(Outcome.REJECTED, of="8")]})
    assert not failed(resource, resource.status, a_version("2"))


def test_only_the_end_of_the_version_itself_counts() -> None:
    resource = a_model_deployment(status={"history": [ended(Outcome.REJECTED, version="3", of="2")]})
    assert not failed(resource, resource.status, a_version("2"))


@pytest.mark.parametrize("pinned", ["1", "2", "7"])
def test_a_pin_that_serves_failed_under_the_same_spec_or_is_absent_is_no_candidate(pinned: str) -> None:
    world = serving_one(versions=["1"])
    status = {**world.status.model_dump(), "history": [ended(Outcome.HELD)]}
    world.resource = a_model_deployment(model=pins(pinned), generation=1, status=status)
    world.versions = ["1", "2"]
    assert target_version(world.resource, world.status, world.observed()) is None


def test_a_pin_before_anything_serves_is_the_candidate() -> None:
    world = World(resource=a_model_deployment(model=pins("1")), versions=["1", "2"])
    target = target_version(world.resource, world.status, world.observed())
    assert target is not None
    assert target.version == "1"


def test_a_version_is_newer_by_its_number_and_not_by_its_text() -> None:
    world = World(versions=["9", "10"])
    target = target_version(world.resource, world.status, world.observed())
    assert target is not None
    assert target.version == "10"


def test_a_candidate_whose_files_changed_begins_anew() -> None:
    world = World(verdict=None).turn()
    stale = world.status.candidate.model_copy(update={"digest": digest("8")})
    status = world.status.model_copy(update={"candidate": stale})
    chosen = choose(world.resource, status, world.observed(), world.now).candidate
    assert chosen is not None
    assert (chosen.digest, chosen.evaluation, chosen.since) == (digest("1"), 0, world.now)


def test_the_promoted_version_serves_with_all_that_was_known_of_the_candidate() -> None:
    world = in_canary()
    stable = finish(world.resource, world.status, Outcome.PROMOTED, "It passed.", world.now).stable
    assert stable is not None
    assert stable.model_dump(by_alias=False) == {
        "version": "2",
        "digest": digest("2"),
        "uri": "s3://homeostat/churn/models/churn/2",
        "training_job": "train-2",
        "feature_set": "customers",
        "since": world.now,
        "completion_time": a_version("2").completed,
    }


def test_an_end_is_written_once_per_version_newest_first_and_within_the_limit() -> None:
    world = in_canary(resource=a_model_deployment(rollback={"history_limit": 2}))
    old = [ended(Outcome.HELD), ended(Outcome.PROMOTED, version="1", of="1"), ended(Outcome.HELD, version="4")]
    status = world.status.model_validate({**world.status.model_dump(), "history": old})
    after = finish(world.resource, status, Outcome.ROLLED_BACK, "Slow.", world.now)
    assert [(e.version, e.outcome) for e in after.history] == [("2", Outcome.ROLLED_BACK), ("1", Outcome.PROMOTED)]
    assert (after.candidate, after.history[0].message) == (None, "Slow.")
    assert after.history[0].generation == world.resource.metadata.generation
    assert after.stable == status.stable


def test_a_version_that_failed_stays_failed_while_another_is_on_its_way() -> None:
    another = {"version": "3", "digest": digest("3"), "uri": "s3://x", "trainingJob": "churn-3", "since": START}
    resource = a_model_deployment(status={"candidate": another, "history": [ended(Outcome.REJECTED)]})
    assert failed(resource, resource.status, a_version("2"))


def test_what_serves_stays_when_the_trainings_of_all_versions_are_deleted() -> None:
    world = serving_one()
    world.versions = []
    observed = world.observed()
    assert target_version(world.resource, world.status, observed) is None
    assert ambiguity(world.resource, world.status, observed) is None


def test_a_pinned_number_that_is_not_recorded_has_nothing_to_do_with_another_that_was_given_twice() -> None:
    world = serving_one()
    renumbered = replace(world.observed(), versions=(replace(a_version("1"), digest=digest("8")),))
    assert ambiguity(world.resource, world.status, renumbered) is not None
    pinned = a_model_deployment(model=pins("7"), status=world.status.model_dump())
    assert ambiguity(pinned, world.status, renumbered) is None
