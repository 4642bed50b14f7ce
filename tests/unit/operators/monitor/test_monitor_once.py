"""One breach, one TrainingJob, whatever happens to the operator."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.api.v1alpha1.monitor import MonitorStatus
from homeostat.reconcile.stored import Unreadable
from homeostat.signals import FeatureKind, Window, fit
from homeostat.testing.builders import a_monitor, a_training_job
from homeostat_operators.core.actions import CreateOnce
from homeostat_operators.monitor.observed import DriftWindow
from homeostat_operators.monitor.plan import plan
from unit.operators.monitor.world import (
    BUSINESS,
    DIGEST,
    MINUTE,
    MOVED,
    START,
    STILL,
    World,
    a_deployment,
    retrain,
    shifted,
)


def at_admission() -> World:
    """The turn before the TrainingJob is made."""
    world = shifted()
    while True:
        world.now += timedelta(seconds=5)
        trial = plan(world.monitor, world.observed(), world.now)
        if trial.actions:
            return world
        world.turn()


def test_the_number_is_in_status_before_the_create_and_a_crash_between_repeats_the_same_name() -> None:
    world = at_admission().turn(act=False)
    assert (world.status.retrains, world.status.retraining.name) == (1, "churn-retrain-1")
    assert world.made == []
    world.turn().turn().turn()
    assert world.made == ["churn-retrain-1"]
    assert world.decision == ("CovariateShift", "Retrain", "Admitted")


def test_a_job_that_was_seen_and_then_deleted_by_a_user_is_not_made_again() -> None:
    world = at_admission().turn().turn()
    assert world.status.retraining.uid == "uid-1"
    world.jobs.clear()
    world.live(10 * MINUTE)
    assert world.made == ["churn-retrain-1"]
    assert world.decision[2] == "Cooldown"


def test_an_operator_that_slept_through_the_cooldown_admits_the_breach_again_by_the_same_words() -> None:
    world = at_admission().turn().turn()
    world.jobs.clear()
    world.now += timedelta(days=1)
    world.live(10 * MINUTE)
    assert world.made == ["churn-retrain-1", "churn-retrain-2"]


def test_a_name_that_belongs_to_another_is_left_and_the_next_number_taken() -> None:
    world = at_admission().turn(act=False)
    world.jobs["churn-retrain-1"] = a_training_job("churn-retrain-1", output={"model": "fraud"})
    world.turn().turn()
    assert world.made == ["churn-retrain-2"]
    assert world.status.last_decision.training_job == "churn-retrain-2"


def edited(world: World, **status: Any) -> World:
    """The world with other fields in the Monitor's status."""
    world.monitor = world.monitor.model_copy(update={"status": world.status.model_copy(update=status)})
    return world


@pytest.mark.parametrize("has_decided", [True, False])
def test_a_number_that_moves_on_changes_no_decision_but_its_own(has_decided: bool) -> None:
    world = at_admission().turn(act=False)
    later = world.status.last_decision.model_copy(update={"training_job": "", "reason": "Cooldown"})
    edited(world, last_decision=later if has_decided else None)
    world.jobs["churn-retrain-1"] = a_training_job("churn-retrain-1", output={"model": "fraud"})
    moved = plan(world.monitor, replace(world.observed(), deployment=None), world.now)
    assert [one.manifest["metadata"]["name"] for one in moved.actions if isinstance(one, CreateOnce)] == [
        "churn-retrain-2"
    ]
    assert moved.status.last_decision == (later if has_decided else None)


def test_a_name_that_another_takes_after_the_training_is_gone_costs_no_number() -> None:
    world = at_admission().turn().turn()
    world.jobs["churn-retrain-1"] = a_training_job("churn-retrain-1", output={"model": "fraud"})
    world.turn()
    assert (world.status.retrains, world.made) == (1, ["churn-retrain-1"])


@pytest.mark.parametrize("change", [{"suspend": True}, {"retrain": retrain(template=None)["retrain"]}])
def test_a_number_that_was_reserved_is_not_used_while_the_spec_forbids_it(change: dict[str, Any]) -> None:
    world = at_admission().turn(act=False)
    world.monitor = a_monitor(**{**retrain(), **change}, status=world.status.model_dump(mode="json"))
    world.turn()
    assert world.made == []


def test_a_decision_of_before_does_not_stand_because_a_training_runs() -> None:
    world = at_admission().turn().turn()
    edited(world, last_decision=world.status.last_decision.model_copy(update={"training_job": "", "reason": "Held"}))
    world.turn()
    assert world.decision[2] == "ConcurrentJob"


def test_a_decision_whose_training_failed_does_not_stand_because_another_version_is_on_its_way() -> None:
    world = at_admission().turn().turn()
    failed = world.jobs["churn-retrain-1"]
    world.jobs["churn-retrain-1"] = failed.model_copy(
        update={"status": failed.status.model_validate({"completion_time": world.now})}
    )
    world.deployment = a_deployment("1", START, candidate="7")
    world.turn()
    assert world.decision[2] != "Admitted"


def test_the_next_time_is_gone_in_the_moment_that_it_names() -> None:
    world = at_admission().turn().turn()
    world.live(5 * MINUTE)
    world.now = world.status.next_eligible_time
    world.turn()
    assert world.status.next_eligible_time is None


def test_a_decision_on_all_signals_that_a_monitor_may_have_fits_into_its_status() -> None:
    signals = [{**BUSINESS, "name": f"kpi-{number}"} for number in range(30)]
    drift, loss = (one.model_dump(mode="json", by_alias=True) for one in a_monitor().spec.signals)
    world = shifted(monitor=a_monitor(signals=[drift, loss, *signals], **retrain()))
    world.live(10 * MINUTE)
    decision = MonitorStatus.model_validate(world.status.model_dump(mode="json")).last_decision
    assert decision is not None
    assert [one.name for one in decision.values[:2]] == ["drift", "logloss"]
    assert len(decision.values) == 32


class LongNamed(World):
    """The feature that drifts has as long a name as there may be."""

    def drift(self, window: Window) -> DriftWindow:
        name = "x" * 256
        baseline = fit({name: ["dsl", "none"] * 2000}, {name: FeatureKind.CATEGORICAL})
        return DriftWindow(window, baseline, {name: [STILL if self.cured(window) else MOVED] * 12})


def test_a_figure_of_a_feature_with_a_long_name_fits_into_the_decision() -> None:
    world = LongNamed(shift=START + 5 * MINUTE).live(10 * MINUTE)
    decision = MonitorStatus.model_validate(world.status.model_dump(mode="json")).last_decision
    assert decision is not None
    assert max(len(one.value) for one in decision.values) == 256


def test_a_monitor_made_anew_goes_on_counting_after_the_jobs_of_its_predecessor() -> None:
    world = shifted()
    world.jobs["churn-retrain-4"] = a_training_job("churn-retrain-4", status={"completion_time": START})
    world.live(9 * MINUTE)
    assert world.made == ["churn-retrain-5"]


def test_the_name_of_a_training_that_cannot_be_read_is_taken() -> None:
    world = at_admission()
    bad = (Unreadable("TrainingJob", "churn-retrain-4", "spec.seed: no"), Unreadable("TrainingJob", "x-9", "no"))
    decided = plan(world.monitor, replace(world.observed(), unreadable=bad), world.now)
    assert decided.status.retraining is not None
    assert decided.status.retraining.name == "churn-retrain-5"


@pytest.mark.parametrize(
    ("digest", "reason"),
    [(DIGEST, "Admitted"), (f"sha256:{'7' * 64}", "CandidateInFlight")],
    ids=["its own", "another"],
)
def test_a_decision_stands_while_the_version_that_it_made_is_rolled_out_and_no_other_of_that_number(
    digest: str, reason: str
) -> None:
    world = at_admission().turn().turn()
    world.now += 2 * MINUTE
    world.train()
    rolling = a_deployment("1", START, candidate="2", held="2")
    candidate = rolling.status.candidate
    assert candidate is not None
    changed = {"candidate": candidate.model_copy(update={"digest": digest})}
    world.deployment = rolling.model_copy(update={"status": rolling.status.model_copy(update=changed)})
    world.turn()
    assert world.decision[2] == reason


def test_the_training_job_names_its_monitor_and_has_no_owner() -> None:
    world = at_admission().turn()
    manifest = world.last[0].manifest
    trigger = manifest["spec"]["trigger"]
    assert trigger["type"] == "Monitor"
    assert trigger["ref"] == {"kind": "Monitor", "name": "churn", "uid": "uid-of-churn"}
    assert "Inputs drifted" in trigger["message"]
    assert "ownerReferences" not in manifest["metadata"]
    assert manifest["metadata"]["labels"]["homeostat.dev/monitor"] == "churn"


FATES = st.lists(st.sampled_from(["turn", "turn", "crash", "repeat", "lose-decision"]), min_size=60, max_size=160)


@settings(max_examples=40, deadline=None)
@given(fates=FATES)
def test_an_operator_killed_or_repeated_anywhere_never_makes_two_jobs_for_one_breach(fates: list[str]) -> None:
    world = shifted(training=2 * MINUTE)
    for fate in fates:
        world.now += timedelta(seconds=10)
        world.train()
        world.roll_out()
        before = world.monitor
        world.turn(act=fate != "crash")
        if fate == "repeat":
            for action in world.last:
                world.act(action)
        if fate == "lose-decision" and not world.last:
            # The status write was lost: the next turn begins from the old one.
            world.monitor = before
    world.live(20 * MINUTE)
    assert world.made == ["churn-retrain-1"]
    assert world.deployment.status.stable.version == "2"


def test_a_breach_that_appears_is_decided_once_its_labels_are_counted() -> None:
    world = shifted()
    while not world.status.breached:
        world.now += timedelta(seconds=5)
        seen = replace(world.observed(), labels=None)
        decided = plan(world.monitor, seen, world.now)
        world.monitor = world.monitor.model_copy(update={"status": decided.status})
    assert decided.requeue_after == timedelta(seconds=2)
