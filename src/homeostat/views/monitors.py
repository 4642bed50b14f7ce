"""Monitors: the card, each signal against its threshold, and why the last decision was made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from homeostat.api.v1alpha1 import Monitor
from homeostat.api.v1alpha1.monitor import Decision, LabelProgress
from homeostat.api.v1alpha1.signals import Signal, SignalStatus, UnjudgedFeature
from homeostat.enums import Operator, SignalState
from homeostat.views.card import BAD, BUSY, GOOD, IDLE, Card, condition_of, facts_of, time_text

Window = tuple[datetime, float]
"""End and value of a judged window."""

Windows = Mapping[tuple[str, str, str], Sequence[Window]]
"""Judged windows by (namespace, monitor, signal), oldest first."""

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
    metric: str = ""
    """Metric that value and bounds are of, with type Performance."""
    feature: str = ""
    """Feature that they are of, with type DataDrift."""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    samples: int = 0
    streak: str = ""
    judged_through: datetime | None = None
    windows: tuple[float, ...] = ()
    unjudged: tuple[UnjudgedFeature, ...] = ()


@dataclass(frozen=True)
class DecisionView:
    """Why the last decision of a Monitor was made."""

    monitor: str
    decision: Decision | None
    labels: LabelProgress | None
    breach_since: datetime | None
    next_eligible: datetime | None
    tone: str


def monitor_card(o: Monitor) -> Card:
    """What it watches, what is breached, and what it may do."""
    tone, state, message = condition_of(o)
    breached = o.status.breached
    facts = facts_of(
        ("Watches", o.spec.deployment_ref.name),
        ("Breached", breached or "none"),
        ("Retrains", o.status.retrains),
        ("Action", o.spec.retrain.action.value),
        ("Eligible", time_text(o.status.next_eligible_time)),
    )
    return Card(o.metadata.name, BAD if breached else tone, "Breached" if breached else state, message, facts)


def judged_windows(monitors: Iterable[Monitor]) -> dict[tuple[str, str, str], Window]:
    """The newest judged window of every signal, from which a history can be gathered."""
    newest = {}
    for monitor in monitors:
        for signal in monitor.status.signals:
            if signal.judged_through is not None and signal.value is not None:
                key = (monitor.metadata.namespace, monitor.metadata.name, signal.name)
                newest[key] = (signal.judged_through, float(signal.value))
    return newest


def signal_views(o: Monitor, windows: Windows) -> list[SignalView]:
    """Its signals in the order of the spec, also those without a judged window."""
    statuses = {status.name: status for status in o.status.signals}
    return [_signal(o, signal, statuses.get(signal.name), windows) for signal in o.spec.signals]


def _signal(o: Monitor, signal: Signal, status: SignalStatus | None, windows: Windows) -> SignalView:
    view = SignalView(
        monitor=o.metadata.name,
        name=signal.name,
        type=signal.type.value,
        state="Waiting",
        tone=IDLE,
        operator="above" if signal.threshold.operator is Operator.GREATER_THAN else "below",
        threshold=float(signal.threshold.value),
        message="The first window has not been evaluated yet.",
        metric=signal.metric or "",
    )
    if status is None:
        return view
    history = windows.get((o.metadata.namespace, o.metadata.name, signal.name), ())
    state, tone = SIGNAL_TEXTS.get(status.state, status.state.value), SIGNAL_TONES[status.state]
    if blind := len(status.unjudged_features):
        # Within bounds is said of the features that were judged: it is not plainly good.
        tone = BUSY if tone == GOOD else tone
        state = f"{state}, {blind} feature{'s' if blind > 1 else ''} not judged"
    return replace(
        view,
        state=state,
        tone=tone,
        feature=status.feature,
        value=_number(status.value),
        lower=_number(status.lower),
        upper=_number(status.upper),
        samples=status.samples,
        streak=_streak(signal, status),
        message=status.message,
        judged_through=status.judged_through,
        windows=tuple(value for _, value in history),
        unjudged=tuple(status.unjudged_features),
    )


def _streak(signal: Signal, status: SignalStatus) -> str:
    if status.windows_within_bounds:
        return f"within bounds in {status.windows_within_bounds} of {signal.consecutive} windows"
    breaches = min(status.consecutive_breaches, signal.consecutive)
    return f"{breaches} of {signal.consecutive} windows" if breaches else ""


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def decision_view(o: Monitor) -> DecisionView:
    """The last decision, and what the next one waits for."""
    status = o.status
    tones = {"Retrain": BUSY, "Propose": BUSY, "Alert": BAD, "Wait": BUSY, "Hold": IDLE, "None": GOOD}
    tone = tones[status.last_decision.action] if status.last_decision else IDLE
    return DecisionView(
        o.metadata.name, status.last_decision, status.labels, status.breach_since, status.next_eligible_time, tone
    )
