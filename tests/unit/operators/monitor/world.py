"""`World` plays customers, outcomes, trainings and rollouts around a Monitor on a simulated clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.monitor import Decision, Monitor
from homeostat.api.v1alpha1.signals import SignalType
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts.outcomes import LabelGain
from homeostat.artifacts.signature import Signature
from homeostat.reconcile.conditions import get
from homeostat.signals import FeatureKind, Window, fit
from homeostat.tasks import AnyCohort
from homeostat.tasks.binary import BinaryClassification
from homeostat.testing.builders import a_model_deployment, a_monitor, a_training_spec
from homeostat_operators.core.actions import Action, CreateOnce
from homeostat_operators.monitor import judgement
from homeostat_operators.monitor.observed import (
    CohortWindow,
    DriftWindow,
    LabelCount,
    MonitorObservation,
    SignalData,
    ValueWindow,
)
from homeostat_operators.monitor.plan import plan
from support.replay import replayed

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
BASELINE = fit({"internet": ["dsl", "none"] * 2000}, {"internet": FeatureKind.CATEGORICAL})
SCORED = fit({"internet": ["dsl"] * 4000}, {"internet": FeatureKind.CATEGORICAL}, scores=[0.2, 0.8] * 2000)
STILL = {"dsl": 30.0, "none": 30.0}
MOVED = {"dsl": 20.0, "none": 20.0, "__unseen__": 20.0}
NOTHING = {"dsl": 0.0, "none": 0.0}
MISSING = {"dsl": 20.0, "none": 20.0, "__null__": 20.0}
EVEN = {"0": 30.0, "1": 30.0}
RISEN = {"0": 10.0, "1": 50.0}
ROWS = 500
GOOD = BinaryClassification().cohort([0.9, 0.1] * (ROWS // 2), [1, 0] * (ROWS // 2))
BAD = BinaryClassification().cohort([0.9, 0.1] * (ROWS // 2), [1, 0, 0, 1] * (ROWS // 4))
DIGEST = f"sha256:{'ab' * 32}"
PREDICTION_DRIFT = {
    "name": "predictions",
    "type": "PredictionDrift",
    "threshold": {"operator": "GreaterThan", "value": "0.1"},
    "window": "60s",
}
BUSINESS = {
    "name": "retained",
    "type": "Business",
    "query": "up",
    "threshold": {"operator": "LessThan", "value": "1"},
    "window": "60s",
}


def a_signature(**changes: Any) -> bytes:
    """The file signature.json of a model."""
    inputs = [{"name": "internet", "datatype": "BYTES", "feature_set": "customers"}]
    whole = {"model": "churn.churn", "entity": "customer_id", "featureSets": ["customers"], "inputs": inputs, **changes}
    return Signature.model_validate(whole).model_dump_json(by_alias=True).encode()


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
    scores_move: bool = True
    """Whether the predictions of the new customers are distributed otherwise."""
    hurts: bool = True
    """Whether the new customers are predicted badly."""
    counts: Callable[[datetime], dict[str, float]] | None = None
    cohorts: Callable[[Window], AnyCohort] | None = None
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
            due = judgement.due(signal, old.get(signal.name), stable, parse_duration(self.outcome_delay), self.now)
            if self.down and signal.type is not SignalType.PERFORMANCE:
                found[signal.name] = SignalData(unavailable=self.down)
                continue
            match signal.type:
                case SignalType.DATA_DRIFT:
                    windows: tuple[Any, ...] = tuple(map(self.drift, due.windows))
                case SignalType.PREDICTION_DRIFT:
                    windows = tuple(map(self.prediction_drift, due.windows))
                case SignalType.PERFORMANCE:
                    windows = tuple(map(self.performance, due.windows))
                case SignalType.BUSINESS:
                    windows = tuple(ValueWindow(w, self.value) for w in due.windows)
            found[signal.name] = SignalData(windows, due.skipped)
        return found

    def drift(self, window: Window) -> DriftWindow:
        mix = self.counts(window.start) if self.counts else STILL if self.cured(window) else MOVED
        return DriftWindow(window, BASELINE, {"internet": [mix] * 12})

    def prediction_drift(self, window: Window) -> DriftWindow:
        mix = RISEN if self.scores_move and not self.cured(window) else EVEN
        return DriftWindow(window, SCORED, {"score": [mix] * 12})

    def performance(self, window: Window) -> CohortWindow:
        if self.cohorts:
            return CohortWindow(window, self.cohorts(window))
        return CohortWindow(window, GOOD if self.cured(window) or not self.hurts else BAD)

    def observed(self) -> MonitorObservation:
        since = self.status.breach_since
        ripe = self.now - parse_duration(self.outcome_delay)
        rows = max(0, int((ripe - since).total_seconds() * 10)) if since else 0
        labels = LabelCount(since, LabelGain(rows=rows)) if since else None
        return MonitorObservation(
            deployment=self.deployment,
            signals=self.read(),
            jobs=tuple(self.jobs.values()),
            materialized={"customers": self.through},
            renewals={"customers": "It is renewed."},
            labels=labels,
            outages=(self.down,) if self.down else (),
        )

    def turn(self, *, act: bool = True) -> "World":
        """One turn of the loop; with `act=False` the operator dies after it has recorded the status."""
        decided = replayed(plan, self.monitor, self.observed(), self.now)
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
