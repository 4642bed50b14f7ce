"""What the signals' states mean together, and what each cause leads to."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from homeostat.api.common import format_time
from homeostat.api.v1alpha1.monitor import DecisionAction, MonitorReason
from homeostat.api.v1alpha1.signals import NoDataPolicy, Signal, SignalStatus, SignalType
from homeostat.enums import SignalState
from homeostat.signals import Cause, Evidence, combined
from homeostat_operators.monitor.admission import Ruling
from homeostat_operators.monitor.judgement import breach_since, since_shift

Pair = tuple[Signal, SignalStatus]

RETRAINING = frozenset({Cause.COVARIATE_SHIFT, Cause.CONCEPT_DRIFT})
"""Causes that a training on newer data can cure."""


DRIFT = frozenset({SignalType.DATA_DRIFT, SignalType.PREDICTION_DRIFT})
"""Signals of the inputs: predictions of one version move only where its inputs do, though none of them alone may."""


def gather_evidence(pairs: Sequence[Pair], stale: tuple[str, ...]) -> Evidence:
    """What the cause table looks at."""
    drift = [pair for pair in pairs if pair[0].type in DRIFT]
    breaches = [(signal, status) for signal, status in drift if status.state is SignalState.BREACHED]
    breached = [status for _, status in breaches]
    shift = breach_since(breached)
    return Evidence(
        drift=combined([status.state for _, status in drift]),
        performance=combined(
            [since_shift(signal, status, shift) for signal, status in pairs if signal.type is SignalType.PERFORMANCE]
        ),
        business=combined([status.state for signal, status in pairs if signal.type is SignalType.BUSINESS]),
        moved=_union(status.drifted_features for status in breached),
        predictions_moved=any(signal.type is SignalType.PREDICTION_DRIFT for signal, _ in breaches),
        null=_union(status.features_with_nulls for status in breached),
        unjudged=unjudged_of(status for _, status in drift),
        stale_feature_sets=stale,
        traffic_stopped=any(status.traffic_stopped for _, status in drift),
        unit_change=next((status.unit_change for status in breached if status.unit_change), ""),
        coverage_down=any(_coverage_fell(status) for _, status in pairs),
        values=_figures(pairs, shift),
    )


def _union(lists: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))


def unjudged_of(statuses: Iterable[SignalStatus]) -> tuple[str, ...]:
    """Features that the newest windows leave open; a signal without data is no partial judgement."""
    judged = {SignalState.WITHIN_BOUNDS, SignalState.BREACHED}
    return _union([one.feature for one in s.unjudged_features] for s in statuses if s.state in judged)


def _coverage_fell(status: SignalStatus) -> bool:
    """The baseline coverage follows the coverage of every window but those in which it fell."""
    return (
        status.coverage is not None
        and status.baseline_coverage is not None
        and status.state is SignalState.NO_DATA
        and float(status.coverage) < float(status.baseline_coverage)
    )


def _figures(pairs: Sequence[Pair], shift: datetime | None) -> dict[str, str]:
    figures = {signal.name: _figure(signal, status) for signal, status in pairs}
    if shift is not None:
        figures["inputs drifted since"] = format_time(shift)
    return figures


def _figure(signal: Signal, status: SignalStatus) -> str:
    if status.value is None:
        return status.state.value
    bounds = f" (95 % {status.lower} to {status.upper})" if status.lower is not None else ""
    side = "<" if signal.threshold.operator.value == "LessThan" else ">"
    of = f"{status.feature} " if status.feature else ""
    return f"{of}{status.value}{bounds}, breach {side} {signal.threshold.value}, {status.samples} samples"


def answer(cause: Cause, sentence: str, pairs: Sequence[Pair]) -> Ruling | None:
    """What follows from a cause; None for those that ask for retraining, which admission decides."""
    if cause in RETRAINING:
        return None
    match cause:
        case Cause.NONE:
            return Ruling(DecisionAction.NONE, MonitorReason.WITHIN_BOUNDS, sentence)
        case Cause.UNKNOWN:
            silent = [signal for signal, status in pairs if status.state is SignalState.NO_DATA]
            alert = any(signal.no_data is NoDataPolicy.ALERT for signal in silent)
            return Ruling(DecisionAction.ALERT if alert else DecisionAction.HOLD, MonitorReason.NO_DATA, sentence)
        case Cause.UNPROVEN_SHIFT:
            return Ruling(DecisionAction.WAIT, MonitorReason.WAITING_FOR_LABELS, sentence)
        case Cause.BUSINESS_MISS | Cause.UNCLASSIFIED | Cause.UNIT_CHANGE:
            return Ruling(DecisionAction.ALERT, MonitorReason.NO_ACTION_FOR_CAUSE, sentence)
        case _:
            return Ruling(DecisionAction.HOLD, MonitorReason.NO_ACTION_FOR_CAUSE, sentence)
