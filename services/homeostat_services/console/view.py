"""From objects to what the page shows; pure, so that every state of the page can be tested without a cluster.

Numbers are shown as the status gives them: the page rounds nothing that a decision was made on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, Monitor, TrainingJob
from homeostat.api.v1alpha1.modeldeployment import GateRecord, HistoryEntry
from homeostat.api.v1alpha1.monitor import Decision, LabelProgress, Signal, SignalStatus
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.enums import Operator, SignalState
from homeostat_services.console.cluster import Document, Snapshot

TIMELINE = 40
HISTORY = 60

GOOD, BUSY, BAD, IDLE = "good", "busy", "bad", "idle"

Window = tuple[datetime, float]
"""End and value of a judged window."""

Windows = Mapping[tuple[str, str, str], Sequence[Window]]
"""Judged windows by (namespace, monitor, signal), oldest first."""


@dataclass(frozen=True)
class Card:
    """One object in the loop."""

    name: str
    tone: str
    state: str
    message: str
    facts: tuple[tuple[str, str], ...] = ()
    progress: tuple[int, int] | None = None


@dataclass(frozen=True)
class Stage:
    """One station of the loop."""

    kind: str
    plural: str
    title: str
    empty: str
    cards: tuple[Card, ...]
    visible: bool = True


@dataclass(frozen=True)
class SignalView:
    """One signal against its threshold."""

    monitor: str
    name: str
    type: str
    state: str
    tone: str
    operator: str
    threshold: float
    message: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    samples: int = 0
    streak: str = ""
    judged_through: datetime | None = None
    windows: tuple[float, ...] = ()


@dataclass(frozen=True)
class ShareView:
    """A version's part of the requests: percentages that it answers, and that it gets a copy of."""

    version: str
    role: str
    weight: int
    mirror: int


@dataclass(frozen=True)
class RolloutView:
    """Who answers the requests of one deployment, and what the gate said."""

    name: str
    url: str
    shares: tuple[ShareView, ...]
    steps: str
    shadow: str
    gate: GateRecord | None
    history: tuple[HistoryEntry, ...]


@dataclass(frozen=True)
class DecisionView:
    """Why the last decision of a Monitor was made."""

    monitor: str
    decision: Decision | None
    labels: LabelProgress | None
    breach_since: datetime | None
    next_eligible: datetime | None
    tone: str


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    time: datetime
    kind: str
    name: str
    title: str
    text: str
    tone: str
    count: int = 1


@dataclass(frozen=True)
class Overview:
    """The page."""

    namespace: str
    stages: tuple[Stage, ...] = ()
    decisions: tuple[DecisionView, ...] = ()
    signals: tuple[SignalView, ...] = ()
    rollouts: tuple[RolloutView, ...] = ()
    timeline: tuple[Moment, ...] = ()
    hidden: tuple[str, ...] = field(default=())


EMPTY = {
    "featuresets": "No FeatureSet yet. Apply one that names your Parquet files: kubectl apply -f featureset.yaml",
    "trainingjobs": "No TrainingJob yet. Apply one, or POST /api/v1/trainingjobs.",
    "modeldeployments": "No ModelDeployment yet. Apply one that follows the model your TrainingJobs make.",
    "monitors": "No Monitor yet. Apply one that says what still good means for your ModelDeployment.",
}
TITLES = {
    "featuresets": "Features",
    "trainingjobs": "Training",
    "modeldeployments": "Serving",
    "monitors": "Monitoring",
}


def overview(snapshot: Snapshot, namespace: str, allowed: frozenset[str], windows: Windows | None = None) -> Overview:
    """What a caller who may list the `allowed` plurals sees of a namespace."""

    def seen(plural: str) -> list[Document]:
        return snapshot.of(plural, namespace) if plural in allowed else []

    sets = [FeatureSet.model_validate(o) for o in seen("featuresets")]
    jobs = [TrainingJob.model_validate(o) for o in seen("trainingjobs")]
    deployments = [ModelDeployment.model_validate(o) for o in seen("modeldeployments")]
    monitors = [Monitor.model_validate(o) for o in seen("monitors")]
    cards = {
        "featuresets": tuple(_feature_set(o) for o in sets),
        "trainingjobs": tuple(_training_job(o) for o in reversed(jobs)),
        "modeldeployments": tuple(_deployment(o) for o in deployments),
        "monitors": tuple(_monitor(o) for o in monitors),
    }
    kinds = {kind.PLURAL: kind.KIND for kind in (FeatureSet, TrainingJob, ModelDeployment, Monitor)}
    return Overview(
        namespace=namespace,
        stages=tuple(
            Stage(kinds[plural], plural, TITLES[plural], EMPTY[plural], cards[plural], plural in allowed)
            for plural in cards
        ),
        decisions=tuple(_decision(o) for o in monitors),
        signals=tuple(view for o in monitors for view in _signals(o, windows or {})),
        rollouts=tuple(_rollout(o) for o in deployments),
        timeline=_timeline(snapshot.events, namespace, {kinds[plural] for plural in allowed}, monitors, deployments),
        hidden=tuple(kinds[plural] for plural in cards if plural not in allowed),
    )


def judged_windows(snapshot: Snapshot) -> dict[tuple[str, str, str], Window]:
    """The newest judged window of every signal, from which the page's history is gathered."""
    newest = {}
    for document in snapshot.objects.get("monitors", []):
        monitor = Monitor.model_validate(document)
        for signal in monitor.status.signals:
            if signal.judged_through is not None and signal.value is not None:
                key = (monitor.metadata.namespace, monitor.metadata.name, signal.name)
                newest[key] = (signal.judged_through, float(signal.value))
    return newest


def _condition(resource: Any, kind: str = "Ready") -> tuple[str, str, str]:
    """(tone, reason, message) of a condition; new objects have none yet."""
    conditions = {c.type: c for c in resource.status.conditions}
    found = conditions.get(kind)
    if found is None:
        return BUSY, "New", "No operator has looked at it yet."
    stalled = conditions.get("Stalled")
    if found.status == "True":
        return GOOD, found.reason, found.message
    wrong = stalled is not None and stalled.status == "True"
    final = kind == SUCCEEDED and found.status == "False"
    return (BAD if wrong or final else BUSY), found.reason, found.message


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _facts(*pairs: tuple[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in pairs if value not in {None, ""})


def _feature_set(o: FeatureSet) -> Card:
    tone, state, message = _condition(o)
    snapshot, last = o.status.snapshot, o.status.last_materialization
    facts = _facts(
        ("Version", snapshot and snapshot.version),
        ("Rows", snapshot and f"{snapshot.rows:,}"),
        ("Online", last and f"{last.online_rows:,} entities"),
        ("Through", last and _time(last.through)),
        ("Next", _time(o.status.next_run_time)),
    )
    return Card(o.metadata.name, tone, state, message, facts)


def _training_job(o: TrainingJob) -> Card:
    tone, state, message = _condition(o, SUCCEEDED)
    status = o.status
    facts = _facts(
        ("Trigger", o.spec.trigger.type.value),
        ("Engine", status.run and status.run.engine),
        ("Model", status.model and f"{status.model.name} v{status.model.version or '…'}"),
        ("Rows", status.dataset and f"{status.dataset.rows:,} + {status.dataset.holdout_rows:,} holdout"),
        *((metric.name, metric.value) for metric in status.metrics[:3]),
        ("Attempt", status.attempt if status.attempt > 1 else None),
    )
    running = status.progress if status.completion_time is None else None
    progress = (running.completed_steps, running.total_steps) if running and running.total_steps else None
    step = running.summary or running.current_step if running else ""
    return Card(o.metadata.name, tone, state, step or message, facts, progress)


def _deployment(o: ModelDeployment) -> Card:
    tone, state, message = _condition(o)
    stable, candidate = o.status.stable, o.status.candidate
    facts = _facts(
        ("Stable", stable and f"v{stable.version}"),
        ("Candidate", candidate and " with ".join(filter(None, (f"v{candidate.version}", candidate.share)))),
        ("Ready pods", o.status.replicas),
        ("Features", o.spec.realtime.features.value),
        ("Engine", o.status.engine),
    )
    return Card(o.metadata.name, tone, state, message, facts)


def _monitor(o: Monitor) -> Card:
    tone, state, message = _condition(o)
    breached = o.status.breached
    facts = _facts(
        ("Watches", o.spec.deployment_ref.name),
        ("Breached", breached or "none"),
        ("Retrains", o.status.retrains),
        ("Action", o.spec.retrain.action.value),
        ("Eligible", _time(o.status.next_eligible_time)),
    )
    return Card(o.metadata.name, BAD if breached else tone, "Breached" if breached else state, message, facts)


SIGNAL_TONES = {
    SignalState.WITHIN_BOUNDS: GOOD,
    SignalState.BREACHED: BAD,
    SignalState.OUTCOMES_PENDING: BUSY,
    SignalState.NO_DATA: IDLE,
}
SIGNAL_TEXTS = {
    SignalState.WITHIN_BOUNDS: "Within bounds",
    SignalState.OUTCOMES_PENDING: "Outcomes pending",
    SignalState.NO_DATA: "No data",
}


def _signals(o: Monitor, windows: Windows) -> list[SignalView]:
    known = {status.name: status for status in o.status.signals}
    return [_signal(o, signal, known.get(signal.name), windows) for signal in o.spec.signals]


def _signal(o: Monitor, signal: Signal, status: SignalStatus | None, windows: Windows) -> SignalView:
    view = SignalView(
        monitor=o.metadata.name,
        name=signal.name,
        type=signal.type.value,
        state="Waiting",
        tone=IDLE,
        operator="above" if signal.threshold.operator is Operator.GREATER_THAN else "below",
        threshold=float(signal.threshold.value),
        message="The first window has not been judged yet.",
    )
    if status is None:
        return view
    history = windows.get((o.metadata.namespace, o.metadata.name, signal.name), ())
    return replace(
        view,
        state=SIGNAL_TEXTS.get(status.state, status.state.value),
        tone=SIGNAL_TONES[status.state],
        value=_number(status.value),
        lower=_number(status.lower),
        upper=_number(status.upper),
        samples=status.samples,
        streak=f"{status.consecutive_breaches} of {signal.consecutive} windows" if status.consecutive_breaches else "",
        message=status.message,
        judged_through=status.judged_through,
        windows=tuple(value for _, value in history),
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _rollout(o: ModelDeployment) -> RolloutView:
    stable, candidate = o.status.stable, o.status.candidate
    roles = {stable.version: "stable"} if stable else {}
    if candidate:
        roles[candidate.version] = "candidate"
    shares = tuple(ShareView(t.version, roles.get(t.version, "draining"), t.weight, t.mirror) for t in o.status.traffic)
    steps = o.spec.rollout.steps
    step = ""
    if candidate and candidate.share and candidate.step < len(steps):
        now = steps[candidate.step]
        place = f"Step {candidate.step + 1} of {len(steps)}"
        step = f"{place}: v{candidate.version} answers {candidate.share} for {now.min_duration}, at least {now.min_requests}"
    shadow = candidate.shadow.message if candidate and candidate.shadow else ""
    return RolloutView(o.metadata.name, o.status.url, shares, step, shadow, o.status.gate, tuple(o.status.history[:5]))


def _decision(o: Monitor) -> DecisionView:
    status = o.status
    tones = {"Retrain": BUSY, "Propose": BUSY, "Alert": BAD, "Wait": BUSY, "Hold": IDLE, "None": GOOD}
    tone = tones[status.last_decision.action] if status.last_decision else IDLE
    return DecisionView(
        o.metadata.name, status.last_decision, status.labels, status.breach_since, status.next_eligible_time, tone
    )


def _timeline(
    events: Sequence[Document],
    namespace: str,
    kinds: set[str],
    monitors: Sequence[Monitor],
    deployments: Sequence[ModelDeployment],
) -> tuple[Moment, ...]:
    moments = [_event(e) for e in events if _concerns(e, namespace, kinds)]
    for monitor in monitors:
        if decision := monitor.status.last_decision:
            title = f"{decision.cause} → {decision.action}"
            tone = _decision(monitor).tone
            moments.append(Moment(decision.time, "Monitor", monitor.metadata.name, title, decision.message, tone))
    for deployment in deployments:
        for entry in deployment.status.history:
            tone = GOOD if entry.outcome == "Promoted" else BAD
            title = f"v{entry.version} {entry.outcome}"
            moments.append(Moment(entry.time, "ModelDeployment", deployment.metadata.name, title, entry.message, tone))
    return tuple(sorted(moments, key=lambda m: m.time, reverse=True)[:TIMELINE])


def _concerns(event: Document, namespace: str, kinds: set[str]) -> bool:
    return event["metadata"]["namespace"] == namespace and event["involvedObject"].get("kind") in kinds


def _event(event: Document) -> Moment:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    time = datetime.fromisoformat(next(t for t in times if t))
    tone = BAD if event.get("type") == "Warning" else IDLE
    about = event["involvedObject"]
    text = event.get("message", "")
    return Moment(time, about["kind"], about["name"], event.get("reason", ""), text, tone, event.get("count") or 1)
