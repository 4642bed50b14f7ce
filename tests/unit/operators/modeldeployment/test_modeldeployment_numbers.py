"""A registry that was restored or counts anew: its numbers are no order in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.artifacts.bundle import BundleRef
from homeostat.signals.gate import Verdict
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.core.actions import SetAlias, TagVersion
from homeostat_operators.modeldeployment.observed import Available
from unit.operators.modeldeployment.world import START, World, a_version, digest, serving_one


def anew(number: str, of: str = "50", job: str = "train-anew", days: float = 1) -> Available:
    """A version that was trained after all of `World.versions`, with a number that was given out before."""
    files = f"s3://homeostat/churn/models/churn/{of}"
    later = START + timedelta(days=days)
    return replace(a_version(number), digest=digest(of), uri=files, training_job=job, completed=later)


def serving_five() -> World:
    world = World(versions=["4", "5"]).turns(6)
    assert world.status.stable.version == "5"
    return world


def test_a_later_training_is_newer_though_its_number_is_lower() -> None:
    world = serving_five()
    world.recorded.append(anew("2"))
    candidate = world.turn().status.candidate
    assert (candidate.version, candidate.digest) == ("2", digest("50"))
    assert world.turns(3).shares == {"5": 75, "2": 25}
    world.turn(25).turns(12)
    assert world.status.stable.digest == digest("50")
    assert world.turns(5).status.candidate is None, "version 5 has the higher number and is older"


def test_the_order_outlives_the_training_job_of_the_version_that_serves() -> None:
    world = serving_five()
    world.versions = ["4"]
    assert world.turn().status.candidate is None
    world.recorded.append(anew("2"))
    assert world.turn().status.candidate.version == "2"


def test_where_nobody_knows_when_the_served_version_was_trained_numbers_decide() -> None:
    world = serving_five()
    stable = world.status.stable.model_copy(update={"completion_time": None})
    world.resource = world.resource.model_copy(update={"status": world.status.model_copy(update={"stable": stable})})
    world.versions = ["4", "6"]
    assert world.turn().status.candidate.version == "6"
    world.versions = ["4"]
    assert world.turn().status.candidate is None


def test_a_status_of_an_earlier_release_takes_the_time_from_the_training_job() -> None:
    world = serving_five()
    stable = world.status.stable.model_copy(update={"completion_time": None})
    world.resource = world.resource.model_copy(update={"status": world.status.model_copy(update={"stable": stable})})
    world.recorded.append(anew("2"))
    assert world.turn().status.candidate.version == "2"


def test_trainings_of_the_same_second_are_ordered_by_number() -> None:
    world = World(versions=[], recorded=[anew("10", "10"), anew("9", "9")]).turn()
    assert world.status.candidate.version == "10"
    served = serving_five()
    served.recorded = [replace(anew("4"), completed=a_version("5").completed)]
    assert served.turn().status.candidate is None
    served.recorded = [replace(anew("6"), completed=a_version("5").completed)]
    assert served.turn().status.candidate.version == "6"


def test_a_version_with_the_number_of_the_one_that_serves_is_reported_and_not_rolled_out() -> None:
    world = serving_five()
    world.recorded.append(anew("5"))
    world.turns(5)
    assert (world.status.candidate, world.shares) == (None, {"5": 100})
    assert (world.ready, world.reason()) == (True, "AmbiguousVersion")
    assert (
        "TrainingJob train-anew recorded version 5, the number of the version that serves, with other files: the registry was "
        "restored or counts anew. It is not rolled out; train again"
    ) in world.condition("Ready").message
    world.recorded.append(anew("6", "60", days=2))
    assert world.turn().status.candidate.digest == digest("60")
    assert "counts anew" not in world.condition("Ready").message


@pytest.mark.parametrize("served", [True, False])
def test_a_pinned_number_that_stands_for_different_files_is_reported_until_one_is_deleted(served: bool) -> None:
    world = serving_one() if served else World(versions=[])
    world.versions.append("2")
    world.recorded.append(anew("2"))
    world.spec(model={"registered": {"name": "churn", "version": "2"}})
    world.turns(3)
    assert (world.status.candidate, world.jobs) == (None, ["churn-evaluate-1"] if served else [])
    assert (
        "TrainingJobs train-2 and train-anew recorded version 2 with different files"
        in world.condition("Ready").message
    )
    world.versions.remove("2")
    assert world.turn().status.candidate.digest == digest("50")


def test_a_pin_to_the_number_that_serves_keeps_its_files() -> None:
    world = serving_one()
    world.spec(model={"registered": {"name": "churn", "version": "1"}})
    assert world.turn().reason() == "Serving"
    world.versions, world.recorded = [], [anew("1")]
    world.turns(3)
    assert (world.status.stable.digest, world.status.candidate, world.reason()) == (
        digest("1"),
        None,
        "AmbiguousVersion",
    )


def test_each_of_two_versions_with_one_number_has_its_own_end_and_its_own_dataset() -> None:
    world = World(versions=["1", "3"], verdict=Verdict.REJECT).turns(4)
    assert [(e.version, e.digest) for e in world.status.history] == [("3", digest("3"))]
    world.verdict = Verdict.PROMOTE
    other = replace(anew("3"), dataset=BundleRef(uri="s3://homeostat/d", digest=digest("77")))
    world.recorded.append(other)
    world.turns(6)
    assert [(e.digest, e.outcome) for e in world.status.history] == [
        (digest("50"), Outcome.PROMOTED),
        (digest("3"), Outcome.REJECTED),
    ]
    assert digest("77") in world.tags[-1].value


def test_nothing_is_written_to_a_registry_that_has_other_files_under_the_number_and_that_is_reported() -> None:
    world = serving_five()
    world.alias = None
    for has in (None, "", digest("8")):
        world.registered = {"5": has}
        world.turn()
        assert not [a for a in world.last if isinstance(a, SetAlias)]
        assert "The registry does not have its files as version 5" in world.condition("Ready").message
        assert (world.ready, world.reason()) == (True, "Serving")
    world.registered = {"5": digest("5")}
    assert world.turn().alias == "5"
    assert "The registry" not in world.condition("Ready").message


def test_a_verdict_is_not_written_to_a_version_with_other_files() -> None:
    world = World(resource=a_model_deployment(), registered={"1": digest("8")}).turns(6)
    assert (world.status.stable.version, world.tags) == ("1", [])
    assert not [a for a in world.last if isinstance(a, TagVersion)]
