"""What a Monitor decides, as sentences; `World` plays customers, outcomes, trainings and rollouts on a simulated clock."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.monitor import Decision, Monitor, SignalType
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.reconcile.conditions import get, is_true
from homeostat.signals import CohortCounts, FeatureKind, Window, count_cohort, fit
from homeostat.testing.builders import a_model_deployment, a_monitor, a_training_job, a_training_spec
from homeostat_operators.actions import Action, CreateOnce
from homeostat_operators.monitor import signals
from homeostat_operators.monitor.observed import (
    CohortWindow,
    DriftWindow,
    LabelCount,
    Observed,
    SignalData,
    ValueWindow,
)
from homeostat_operators.monitor.plan import plan

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
BASELINE = fit({"internet": ["dsl", "none"] * 2000}, {"internet": FeatureKind.CATEGORICAL})
STILL = {"dsl": 30.0, "none": 30.0}
MOVED = {"dsl": 20.0, "none": 20.0, "__unseen__": 20.0}
MISSING = {"dsl": 20.0, "none": 20.0, "__null__": 20.0}
ROWS = 500
GOOD = count_cohort([0.9, 0.1] * (ROWS // 2), [1, 0] * (ROWS // 2))
BAD = count_cohort([0.9, 0.1] * (ROWS // 2), [1, 0, 0, 1] * (ROWS // 4))
DIGEST = f"sha256:{'ab' * 32}"
BUSINESS = {
    "name": "retained",
    "type": "Business",
    "query": "up",
    "threshold": {"operator": "LessThan", "value": "1"},
    "window": "60s",
}


def retrain(**changes: Any) -> dict[str, Any]:
    base = {
        "action": "Auto",
        "template": {"spec": a_training_spec()},
        "requires": {"new_labels": 1000},
        "cooldown": "15m",
    }
    return {"retrain": {**base, **changes}}


@dataclass
class World:
    """Customers whose mix changes at `shift`; training takes a minute, a rollout another, and cures what it learnt."""

    monitor: Monitor = field(default_factory=lambda: a_monitor(**retrain()))
    outcome_delay: str = "60s"
    shift: Any = None
    hurts: bool = True
    """Whether the new customers are predicted badly."""
    counts: Callable[[datetime], dict[str, float]] | None = None
    cohorts: Callable[[Window], CohortCounts] | None = None
    value: float | None = 2.0
    down: str = ""
    """Prometheus does not answer: why."""
    through: datetime | None = datetime(2027, 1, 1, tzinfo=UTC)
    training: timedelta = timedelta(minutes=1)
    rollout: timedelta = timedelta(minutes=1)
    verdict: str = "Promoted"
    now: datetime = START
    jobs: dict[str, TrainingJob] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of all TrainingJobs that were ever created, in order."""
    candidate_since: datetime | None = None
    deployment: Any = field(default_factory=lambda: a_deployment("1", START))
    learnt: datetime | None = None
    """Labels up to here are known to the model in service."""
    last: tuple[Any, ...] = ()
    history: list[Decision] = field(default_factory=list)

    @property
    def status(self) -> Any:
        return self.monitor.status

    @property
    def decision(self) -> tuple[str, str, str]:
        last = self.status.last_decision
        return (last.cause, last.action.value, last.reason) if last else ("", "", "")

    def cured(self, window: Window) -> bool:
        return self.shift is None or window.end <= self.shift or (self.learnt or START) > self.shift

    def read(self) -> dict[str, SignalData]:
        stable, old = self.deployment.status.stable, {s.name: s for s in self.status.signals}
        assert stable is not None
        found = {}
        for signal in self.monitor.spec.signals:
            due = signals.due(signal, old.get(signal.name), stable, parse_duration(self.outcome_delay), self.now)
            if self.down and signal.type is not SignalType.PERFORMANCE:
                found[signal.name] = SignalData(unavailable=self.down)
                continue
            match signal.type:
                case SignalType.DATA_DRIFT:
                    windows: tuple[Any, ...] = tuple(map(self.drift, due.windows))
                case SignalType.PERFORMANCE:
                    windows = tuple(map(self.performance, due.windows))
                case SignalType.BUSINESS:
                    windows = tuple(ValueWindow(w, self.value) for w in due.windows)
            found[signal.name] = SignalData(windows, due.skipped)
        return found

    def drift(self, window: Window) -> DriftWindow:
        mix = self.counts(window.start) if self.counts else STILL if self.cured(window) else MOVED
        return DriftWindow(window, BASELINE, {"internet": [mix] * 12})

    def performance(self, window: Window) -> CohortWindow:
        if self.cohorts:
            return CohortWindow(window, self.cohorts(window))
        return CohortWindow(window, GOOD if self.cured(window) or not self.hurts else BAD)

    def observed(self) -> Observed:
        since = self.status.breach_since
        ripe = self.now - parse_duration(self.outcome_delay)
        labels = LabelCount(since, max(0, int((ripe - since).total_seconds() * 10))) if since else None
        return Observed(
            deployment=self.deployment,
            signals=self.read(),
            jobs=tuple(self.jobs.values()),
            materialized={"customers": self.through},
            labels=labels,
            outages=(self.down,) if self.down else (),
        )

    def turn(self, *, act: bool = True) -> "World":
        """One turn of the loop; with `act=False` the operator dies after it has recorded the status."""
        decided = plan(self.monitor, self.observed(), self.now)
        before = self.status.last_decision
        self.monitor = self.monitor.model_copy(update={"status": decided.status})
        if decided.status.last_decision is not None and decided.status.last_decision != before:
            self.history.append(decided.status.last_decision)
        self.last = decided.actions
        if act:
            for action in decided.actions:
                self.act(action)
        return self

    def act(self, action: Action) -> None:
        assert isinstance(action, CreateOnce)
        name = action.manifest["metadata"]["name"]
        if name in self.jobs:
            return
        self.made.append(name)
        job = TrainingJob.model_validate(action.manifest)
        meta = job.metadata.model_copy(update={"uid": f"uid-{len(self.made)}", "creation_timestamp": self.now})
        self.jobs[name] = job.model_copy(update={"metadata": meta})

    def live(self, span: timedelta, step: float = 5) -> "World":
        """Time passes: trainings finish, rollouts too, and the operator takes its turns."""
        end = self.now + span
        while self.now < end:
            self.now += timedelta(seconds=step)
            self.train()
            self.roll_out()
            self.turn()
        return self

    def train(self) -> None:
        for name, job in self.jobs.items():
            made = job.metadata.creation_timestamp
            if (
                made
                and not job.spec.suspend
                and job.status.completion_time is None
                and self.now >= made + self.training
            ):
                number = str(len(self.made) + 1)
                model = {"name": "churn.churn", "version": number, "uri": "s3://homeostat/m", "digest": DIGEST}
                status = job.status.model_validate({"model": model, "completion_time": self.now})
                self.jobs[name] = job.model_copy(update={"status": status})

    def roll_out(self) -> None:
        status = self.deployment.status
        serving, done = int(status.stable.version) if status.stable else 0, {h.version for h in status.history}
        fresh = [(j.status.model.version, j) for j in self.jobs.values() if j.status.model]
        for version, job in fresh:
            if int(version) <= serving or version in done:
                continue
            if self.candidate_since is None:
                self.candidate_since = self.now
            if self.now < self.candidate_since + self.rollout:
                self.deployment = a_deployment(str(serving), status.stable.since, candidate=version)
                return
            self.candidate_since = None
            if self.verdict == "Promoted":
                self.learnt = job.metadata.creation_timestamp
                self.deployment = a_deployment(version, self.now)
            else:
                self.deployment = a_deployment(str(serving), status.stable.since, held=version)


def a_deployment(version: str, since: datetime, *, candidate: str = "", held: str = "") -> ModelDeployment:
    served = {"version": version, "digest": DIGEST, "uri": "s3://homeostat/m", "since": since}
    status: dict[str, Any] = {"stable": served}
    if candidate:
        status["candidate"] = {**served, "version": candidate}
    if held:
        status["history"] = [{"version": held, "digest": DIGEST, "outcome": "Held", "time": since}]
    return a_model_deployment(status=status)


MINUTE = timedelta(minutes=1)


def ready_reason(status: Any) -> str:
    found = get(status.conditions, "Ready")
    return found.reason if found else ""


def shifted(**changes: Any) -> World:
    """Five quiet minutes, then the customers change."""
    return World(shift=START + 5 * MINUTE, **changes).live(5 * MINUTE)


def test_calm_signals_lead_to_nothing() -> None:
    world = World().live(10 * MINUTE)
    assert world.decision == ("None", "None", "Calm")
    assert len(world.history) == 1
    assert is_true(world.status.conditions, "Ready")
    assert world.made == []


def test_the_churn_story_is_told_decision_by_decision() -> None:
    world = shifted(monitor=a_monitor(**retrain(requires={"new_labels": 4000}))).live(20 * MINUTE)
    told = [(d.cause, d.action.value, d.reason) for d in world.history]
    assert told == [
        ("None", "None", "Calm"),
        ("UnprovenShift", "Wait", "WaitingForLabels"),
        ("CovariateShift", "Wait", "WaitingForLabels"),
        ("CovariateShift", "Retrain", "Admitted"),
        ("None", "None", "Calm"),
    ]
    assert [d.id for d in world.history] == ["1", "2", "3", "4", "5"]
    assert world.made == ["churn-retrain-1"]
    assert world.deployment.status.stable.version == "2"
    retrained = world.history[3]
    assert retrained.training_job == "churn-retrain-1"
    assert "internet" in retrained.message
    assert {v.name for v in retrained.values} >= {"drift", "logloss", "labelled entities"}


@pytest.mark.parametrize("delay", ["30m", "2h"])
def test_with_outcomes_far_later_than_the_cooldown_there_is_exactly_one_useful_retraining(delay: str) -> None:
    """The trap: drift goes on until the new model serves, and its own outcomes are due long after the cooldown."""
    world = World(outcome_delay=delay, shift=START + 5 * MINUTE, monitor=a_monitor(**retrain(cooldown="60s")))
    observation = {"entity_field": "customer_id", "outcome_delay": delay}
    world.deployment = a_model_deployment(observation=observation, status=world.deployment.status)
    world.live(6 * parse_duration(delay), step=30)
    assert world.made == ["churn-retrain-1"]
    trained = world.jobs["churn-retrain-1"].metadata.creation_timestamp
    assert trained > world.shift
    assert world.decision == ("None", "None", "Calm")
    assert world.status.breached == ""


def test_unlabelled_shift_is_never_trained_on() -> None:
    world = shifted(monitor=a_monitor(**retrain(requires={"new_labels": 10**9}))).live(60 * MINUTE)
    assert world.decision == ("CovariateShift", "Wait", "WaitingForLabels")
    assert world.made == []
    assert world.status.labels.need == 10**9
    assert world.status.labels.have > 0


def test_a_shift_that_does_not_hurt_is_benign() -> None:
    world = shifted(hurts=False).live(20 * MINUTE)
    assert world.decision == ("BenignShift", "Hold", "CauseHolds")
    assert world.made == []


def test_performance_that_falls_while_inputs_are_still_is_concept_drift_and_is_retrained() -> None:
    world = World(counts=lambda _: STILL, cohorts=lambda w: BAD if w.start >= START + 5 * MINUTE else GOOD)
    world.live(15 * MINUTE)
    assert ("ConceptDrift", "Retrain") in [(d.cause, d.action.value) for d in world.history]


def test_missing_values_are_an_outage_and_hold() -> None:
    world = World(counts=lambda _: MISSING, cohorts=lambda _: BAD).live(10 * MINUTE)
    assert world.decision == ("DataOutage", "Hold", "CauseHolds")
    assert world.made == []


def test_a_fall_in_coverage_is_an_outage_not_a_loss_of_accuracy() -> None:
    half = count_cohort([0.9, 0.1] * 150, [0, 1] * 150, predictions=1000)
    world = World(cohorts=lambda w: half if w.start >= START + 5 * MINUTE else GOOD).live(12 * MINUTE)
    assert world.decision == ("DataOutage", "Hold", "CauseHolds")
    assert world.made == []


def test_a_missed_business_number_alerts() -> None:
    watched = [signal.model_dump() for signal in a_monitor().spec.signals]
    world = World(monitor=a_monitor(signals=[*watched, BUSINESS], **retrain()), value=0.5).live(10 * MINUTE)
    assert world.decision == ("BusinessMiss", "Alert", "CauseHolds")


def test_one_breaching_window_of_two_is_no_breach() -> None:
    odd = lambda start: MOVED if start == START + 3 * MINUTE else STILL  # noqa: E731 - one line says it
    world = World(counts=odd).live(10 * MINUTE)
    assert [d.cause for d in world.history] == ["None"]


def test_while_prometheus_is_down_nothing_is_retrained_and_no_window_is_lost() -> None:
    world = shifted()
    world.down = "Prometheus does not answer; check that it runs."
    judged = world.status.signals[0].judged_through
    world.live(20 * MINUTE)
    assert world.made == []
    assert world.status.signals[0].state.value == "NoData"
    assert world.status.signals[0].judged_through == judged
    assert ready_reason(world.status) == "EngineUnavailable"
    world.down = ""
    assert world.live(MINUTE).made == ["churn-retrain-1"]


def test_after_a_long_outage_only_the_newest_windows_are_judged_and_the_signal_says_so() -> None:
    world = World().live(2 * MINUTE)
    world.now += timedelta(hours=2)
    world.turn()
    drift = world.status.signals[0]
    assert "older windows were missed and skipped" in drift.detail
    assert drift.judged_through > world.now - 2 * MINUTE


def test_every_window_is_judged_exactly_once_and_in_order() -> None:
    world, judged = World(), []
    real = world.drift

    def drift(window: Window) -> DriftWindow:
        judged.append(window.start)
        return real(window)

    world.drift = drift  # type: ignore[method-assign]
    world.live(30 * MINUTE, step=7)
    assert judged == [START + n * MINUTE for n in range(len(judged))]
    assert len(judged) >= 29


def test_without_a_serving_deployment_it_waits() -> None:
    world = World()
    decided = plan(world.monitor, Observed(), START)
    assert ready_reason(decided.status) == "WaitingForDeployment"
    assert decided.actions == ()


# --- the order of admission: each earlier question wins over all later ones


def admitted_but(**changes: Any) -> World:
    """A world that would be retrained now, if it were not for `changes` of the Monitor's retrain."""
    return shifted(monitor=a_monitor(**retrain(**changes))).live(9 * MINUTE)


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"action": "None"}, ("None", "ActionNone")),
        ({"action": "Alert"}, ("Alert", "ActionAlert")),
        ({"action": "Propose"}, ("Propose", "ActionPropose")),
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
    assert world.decision == ("CovariateShift", "Propose", "ActionPropose")


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
    assert world.decision[2] == "CountExhausted"


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


# --- exactly once


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


def test_a_name_that_belongs_to_another_is_left_and_the_next_number_taken() -> None:
    world = at_admission().turn(act=False)
    world.jobs["churn-retrain-1"] = a_training_job("churn-retrain-1", output={"model": "fraud"})
    world.turn().turn()
    assert world.made == ["churn-retrain-2"]
    assert world.status.last_decision.training_job == "churn-retrain-2"


def test_a_monitor_made_anew_goes_on_counting_after_the_jobs_of_its_predecessor() -> None:
    world = shifted()
    world.jobs["churn-retrain-4"] = a_training_job("churn-retrain-4", status={"completion_time": START})
    world.live(9 * MINUTE)
    assert world.made == ["churn-retrain-5"]


def test_the_training_job_names_its_monitor_and_has_no_owner() -> None:
    world = at_admission().turn()
    manifest = world.last[0].manifest
    trigger = manifest["spec"]["trigger"]
    assert trigger["type"] == "Monitor"
    assert trigger["ref"] == {"kind": "Monitor", "name": "churn", "uid": "uid-of-churn"}
    assert "Inputs moved" in trigger["reason"]
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
    assert decided.requeue_in == timedelta(seconds=2)
