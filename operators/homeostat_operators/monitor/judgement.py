"""From windows to the state of each signal: every window is judged once, and the streak is kept in status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from homeostat.api.common import decimal, parse_duration, truncated
from homeostat.api.v1alpha1 import signals as api
from homeostat.api.v1alpha1.modeldeployment import ServedVersion
from homeostat.signals import (
    Baseline,
    DriftEstimate,
    FeatureBaseline,
    SignalState,
    Streak,
    Threshold,
    Unjudged,
    Window,
    advance,
    coverage,
    coverage_fell,
    due_windows,
    feature_drift,
    judge,
    judge_performance,
    judge_value,
    resume,
    unit_change,
)
from homeostat.signals.blindness import blindness
from homeostat.signals.windows import mixes_times_of_day
from homeostat_operators.monitor.observed import CohortWindow, DriftWindow, SignalData, ValueWindow, WindowData

SETTLE = timedelta(seconds=10)
"""After a window's end: until the last scrape is stored, or the last outcome of those due is counted."""

BACKLOG = 24
"""Missed windows that are judged after an outage; older ones are skipped, and the signal says so."""

SMALL, LARGE = 1e-4, 1e12

MAX_FEATURES = 256
MAX_UNJUDGED = 32
NAMED_FEATURES, NAMED_VALUES = 3, 3
"""Features whose new categories a message names at most, and categories of each."""


@dataclass(frozen=True)
class Due:
    """Windows to judge now, oldest first."""

    windows: tuple[Window, ...]
    skipped: int


def due(
    signal: api.Signal, old: api.SignalStatus | None, stable: ServedVersion, outcome_delay: timedelta, now: datetime
) -> Due:
    """Windows of one signal that have ended, settled and were not judged, aligned to the champion's start."""
    delay = outcome_delay if signal.type is api.SignalType.PERFORMANCE else timedelta()
    streak = remembered(old, stable)
    windows = due_windows(stable.since, parse_duration(signal.window), streak.judged_through, now - delay - SETTLE)
    skipped = max(0, len(windows) - BACKLOG)
    return Due(tuple(windows[skipped:]), skipped)


def remembered(old: api.SignalStatus | None, stable: ServedVersion) -> Streak:
    """The streak that goes on; another version begins anew."""
    if old is None or old.version != stable.version:
        return Streak()
    breaches, calm = old.consecutive_breaches, old.windows_within_bounds
    return resume(Streak(old.judged_through, breaches, old.first_breach, calm), stable.since)


@dataclass(frozen=True)
class Judged:
    """One window's verdict."""

    state: SignalState
    sentence: str
    feature: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    samples: float = 0
    drifted: tuple[str, ...] = ()
    with_nulls: tuple[str, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()
    coverage: float | None = None
    baseline_coverage: float | None = None
    unit_change: str = ""
    idle: bool = False
    """The counters are there, and none of them rose."""


def judged(signal: api.Signal, data: WindowData, baseline_coverage: float | None) -> Judged:
    """The verdict on one window.

    Args:
        signal: What is judged.
        data: What was read of the window.
        baseline_coverage: Share of due outcomes known of earlier windows; None: there were none.
    """
    match data:
        case DriftWindow() if signal.type is api.SignalType.PREDICTION_DRIFT:
            return _prediction_drift(signal, data)
        case DriftWindow():
            return _drift(signal, data)
        case CohortWindow():
            return _performance(signal, data, baseline_coverage)
        case ValueWindow():
            return _business(signal, data)
        case _:
            assert_never(data)


def _threshold(signal: api.Signal) -> Threshold:
    return Threshold(signal.threshold.operator, float(signal.threshold.value))


def _drift(signal: api.Signal, data: DriftWindow) -> Judged:
    if data.gap:
        return Judged(SignalState.NO_DATA, data.gap)
    selected, note = _selected(signal, data.baseline)
    if not selected:
        return Judged(SignalState.NO_DATA, f"There is no feature to judge.{note}")
    judgement = _compared(signal, data, selected, "feature")
    if isinstance(judgement, Judged):
        return judgement
    if judgement.state is SignalState.NO_DATA:
        return Judged(
            judgement.state, judgement.sentence + note, samples=judgement.samples, unjudged=judgement.unjudged
        )
    drifted = tuple(dict.fromkeys((*judgement.moved, *judgement.unseen)))
    return Judged(
        state=judgement.state,
        sentence=judgement.sentence + _new_values(data, judgement.unseen) + note,
        feature=judgement.feature,
        value=judgement.value,
        lower=judgement.lower,
        upper=judgement.upper,
        samples=judgement.samples,
        drifted=drifted,
        with_nulls=judgement.null,
        unjudged=judgement.unjudged,
        unit_change=_unit_change(data, drifted),
    )


def _prediction_drift(signal: api.Signal, data: DriftWindow) -> Judged:
    """As drift of a feature; it names none, because what moved is what the model makes of all of them."""
    if data.gap:
        return Judged(SignalState.NO_DATA, data.gap)
    if data.baseline.score is None:
        return Judged(
            SignalState.NO_DATA, "baseline.json of the served model has no bins of predictions; train it again."
        )
    judgement = _compared(signal, data, [data.baseline.score], "output")
    if isinstance(judgement, Judged):
        return judgement
    return Judged(
        state=judgement.state,
        sentence=judgement.sentence,
        value=judgement.value,
        lower=judgement.lower,
        upper=judgement.upper,
        samples=judgement.samples,
    )


def _compared(
    signal: api.Signal, data: DriftWindow, selected: list[FeatureBaseline], noun: str
) -> DriftEstimate | Judged:
    """Histograms of the window against those of training, or why they cannot be compared."""
    mixed_times = mixes_times_of_day((data.window.end - data.window.start).total_seconds())
    try:
        features = [feature_drift(one, data.counts.get(one.name, []), mixed_times=mixed_times) for one in selected]
    except ValueError as error:
        return Judged(SignalState.NO_DATA, f"{error}.")
    if data.idle:
        return Judged(SignalState.NO_DATA, "No requests arrived in this window.", idle=True)
    blind = {one.name: blindness(one, len(selected)) for one in selected}
    return judge(features, float(signal.threshold.value), signal.min_samples, blind=blind, noun=noun)


def _selected(signal: api.Signal, baseline: Baseline) -> tuple[list[FeatureBaseline], str]:
    """The features to judge, and a note on names that the served version does not have."""
    selection = signal.features or api.FeatureSelection()
    names = {feature.name for feature in baseline.features}
    included = names if selection.include is None else set(selection.include)
    selected = [f for f in baseline.features if f.name in included and f.name not in (selection.exclude or ())]
    unknown = sorted({*(selection.include or ()), *(selection.exclude or ())} - names)
    form = "include" if selection.include else "exclude"
    note = f" features.{form} names {', '.join(unknown)}, which the served version does not have." if unknown else ""
    return selected, note


def _new_values(data: DriftWindow, unseen: tuple[str, ...]) -> str:
    """Sentences that name the most frequent new categories of features with new values; empty where none is frequent."""
    sentences = []
    for name in [feature for feature in unseen if data.new_values.get(feature)][:NAMED_FEATURES]:
        total = sum(rows for part in data.counts[name] for rows in part.values())
        most = sorted(data.new_values[name].items(), key=lambda item: item[1], reverse=True)[:NAMED_VALUES]
        sentences.append(f" New values of {name}: {', '.join(f'{v!r} ({rows / total:.1%})' for v, rows in most)}.")
    return "".join(sentences)


def _unit_change(data: DriftWindow, moved: tuple[str, ...]) -> str:
    """What became of the values of the only feature that moved; empty where no factor or offset explains it."""
    if len(moved) != 1 or moved[0] not in data.moments:
        return ""
    return str(unit_change(data.baseline.feature(moved[0]), data.moments[moved[0]]) or "")


def _performance(signal: api.Signal, data: CohortWindow, usual: float | None) -> Judged:
    metric = signal.metric or data.cohort.PRIMARY
    judgement = judge_performance(metric, _threshold(signal), data.cohort, signal.min_samples, ripe=True)
    share = coverage(data.cohort).value if data.cohort.predictions else None
    if share is not None and usual is not None and coverage_fell(data.cohort, usual):
        message = f"Only {share:.0%} of the due outcomes are known, {usual:.0%} are usual: outcomes are not arriving."
        return Judged(
            SignalState.NO_DATA, message, samples=data.cohort.matured, coverage=share, baseline_coverage=usual
        )
    return Judged(
        state=judgement.state,
        sentence=judgement.sentence,
        value=judgement.estimate.value if judgement.estimate else None,
        lower=judgement.estimate.lower if judgement.estimate else None,
        upper=judgement.estimate.upper if judgement.estimate else None,
        samples=judgement.matured,
        coverage=share,
        baseline_coverage=share if judgement.estimate else usual,
    )


def _business(signal: api.Signal, data: ValueWindow) -> Judged:
    bound = signal.threshold
    state = judge_value(data.value, _threshold(signal))
    if state is SignalState.NO_DATA:
        return Judged(state, "The query returns no number.")
    side = "beyond" if state is SignalState.BREACHED else "within"
    return Judged(
        state,
        f"{data.value:.4g} is {side} the bound {bound.operator.value} {bound.value}.",
        value=data.value,
        samples=1,
    )


def status_of(
    signal: api.Signal, old: api.SignalStatus | None, data: SignalData, stable: ServedVersion, now: datetime
) -> api.SignalStatus:
    """The signal's status after every window that was read.

    It is Breached when `consecutive` windows agree, and until as many are within bounds again; a window without data neither
    confirms nor ends a breach, but nothing is decided on it.
    """
    fresh = api.SignalStatus(
        name=signal.name,
        state=SignalState.OUTCOMES_PENDING,
        version=stable.version,
        since=now,
        message=f"The first window of {signal.window} has not ended, or its outcomes are not due yet.",
    )
    streak = remembered(old, stable)
    same = old is not None and old.version == stable.version and streak.judged_through == old.judged_through
    status = old if old is not None and same else fresh
    if data.skipped and data.windows:
        # Windows on the two sides of a hole do not follow each other.
        streak = Streak(judged_through=data.windows[0].window.start)
    note = f" {data.skipped} older windows were missed and skipped." if data.skipped else ""
    for one in data.windows:
        usual = None if status.baseline_coverage is None else float(status.baseline_coverage)
        verdict = judged(signal, one, usual)
        streak = advance(streak, one.window, verdict.state, signal.consecutive)
        status = _after(signal, status, verdict, streak, note)
    if data.unavailable:
        status = _changed(status, SignalState.NO_DATA, now, data.unavailable)
    return status


def _after(
    signal: api.Signal, status: api.SignalStatus, verdict: Judged, streak: Streak, note: str
) -> api.SignalStatus:
    state = verdict.state
    message = verdict.sentence
    confirmed = streak.confirmed(signal.consecutive)
    if verdict.state is SignalState.BREACHED and not confirmed:
        state = SignalState.WITHIN_BOUNDS
        message = f"{message} Breach {streak.breaches} of {signal.consecutive} consecutive ones required."
    elif verdict.state is SignalState.WITHIN_BOUNDS and confirmed:
        state = SignalState.BREACHED
        message = (
            f"{message} Within bounds in {streak.calm} of {signal.consecutive} consecutive windows that end the breach."
        )
    figures: dict[str, object] = {
        "feature": verdict.feature,
        "value": _decimal(verdict.value),
        "lower": _decimal(verdict.lower),
        "upper": _decimal(verdict.upper),
        "samples": int(verdict.samples),
        "judged_through": streak.judged_through,
        "consecutive_breaches": streak.breaches,
        "first_breach": streak.first_breach,
        "windows_within_bounds": streak.calm,
        "unjudged_features": [
            api.UnjudgedFeature(
                feature=one.feature, reason=truncated(one.reason, 256), effective_samples=int(one.effective_samples)
            )
            for one in verdict.unjudged[:MAX_UNJUDGED]
        ],
        "coverage": _decimal(verdict.coverage),
        "baseline_coverage": _decimal(verdict.baseline_coverage),
        "traffic_stopped": verdict.idle and (status.samples > 0 or status.traffic_stopped),
    }
    if verdict.state is SignalState.BREACHED or not confirmed:
        # A breach that has not ended keeps what breached: its cause does not change with a window that is calm or silent.
        figures |= {
            "drifted_features": list(verdict.drifted)[:MAX_FEATURES],
            "features_with_nulls": list(verdict.with_nulls)[:MAX_FEATURES],
            "unit_change": verdict.unit_change,
        }
    return _changed(status.model_copy(update=figures), state, streak.judged_through, message + note)


def _changed(status: api.SignalStatus, state: SignalState, when: datetime | None, message: str) -> api.SignalStatus:
    since = status.since if status.state is state else when
    return status.model_copy(update={"state": state, "since": since, "message": message})


def _decimal(value: float | None) -> str | None:
    """Four places, or the digits that a figure in a small or a large unit needs."""
    if value is None or value == 0 or SMALL <= abs(value) < LARGE:
        return None if value is None else f"{value:.4f}"
    return decimal(value)


def since_shift(signal: api.Signal, status: api.SignalStatus, shift: datetime | None) -> SignalState:
    """The state of a Performance signal for the cause table.

    While inputs have moved only predictions made since then count, and it takes `consecutive` windows of them to be within
    bounds. A breach that is not yet confirmed proves nothing: what was known before its first window stands.
    """
    if status.state is SignalState.BREACHED:
        early = shift is not None and not _windows_since(shift, status.judged_through, signal)
    elif status.state is SignalState.WITHIN_BOUNDS:
        known = status.first_breach or status.judged_through
        if shift is not None:
            early = _windows_since(shift, known, signal) < signal.consecutive
        else:
            early = status.first_breach is not None and (status.since is None or status.since > status.first_breach)
    else:
        return status.state
    return SignalState.OUTCOMES_PENDING if early else status.state


def _windows_since(start: datetime, end: datetime | None, signal: api.Signal) -> int:
    """Whole windows of a signal between two times; 0 without an end."""
    return 0 if end is None else max(0, (end - start) // parse_duration(signal.window))


def breach_since(statuses: Sequence[api.SignalStatus]) -> datetime | None:
    """Start of the earliest window of any confirmed breach."""
    breached = [s.first_breach for s in statuses if s.state is SignalState.BREACHED and s.first_breach]
    return min(breached, default=None)
