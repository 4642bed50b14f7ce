"""Performance from late outcomes, grouped by the time of prediction.

The observer answers a cohort: predictions of one version made in one span of time, with the outcomes known so far.
Cohorts add up, so that a window may be put together from parts.
"""

from dataclasses import dataclass

from homeostat.enums import Operator, SignalState
from homeostat.intervals import Estimate, figure, share
from homeostat.signals.estimate import Threshold
from homeostat.tasks import Cohort

COVERAGE_TOLERANCE = 0.2
"""Fall of the share of due outcomes that is of no concern, whatever its significance."""


def coverage(cohort: Cohort) -> Estimate:
    """Share of predictions whose outcome is known, with Wilson's interval."""
    return share(cohort.matured, cohort.predictions)


def coverage_fell(cohort: Cohort, usual: float, tolerance: float = COVERAGE_TOLERANCE) -> bool:
    """Whether outcomes are missing that should be there: an outage of labels, not a loss of accuracy.

    Args:
        cohort: Predictions old enough that their outcomes are due, and the usual lag has passed.
        usual: Coverage of earlier cohorts, 0 to 1.
        tolerance: Fall that is of no concern.
    """
    return coverage(cohort).upper < usual - tolerance


@dataclass(frozen=True)
class PerformanceEstimate:
    """What a cohort says about one metric."""

    metric: str
    state: SignalState
    estimate: Estimate | None
    matured: int
    coverage: Estimate
    sentence: str


def judge_performance(
    metric: str, threshold: Threshold, cohort: Cohort, min_samples: int, *, ripe: bool
) -> PerformanceEstimate:
    """The state of one metric: a breach means that the confidence *bound* is on the wrong side.

    Args:
        metric: What is measured.
        threshold: The bound.
        cohort: Predictions of the current stable version in the window.
        min_samples: Matured predictions below which the state is undecided.
        ripe: Whether the outcomes of the window's predictions are due.

    OutcomesPending, when outcomes are not due or too few predictions were made; NoData, when outcomes are due but did not come.
    """
    figures = cohort.estimate(metric) if ripe and cohort.matured >= min_samples else None
    if not ripe:
        state, why = SignalState.OUTCOMES_PENDING, "outcomes are not due yet"
    elif cohort.predictions < min_samples:
        state, why = (
            SignalState.OUTCOMES_PENDING,
            f"{cohort.predictions} due predictions, below minSamples of {min_samples}",
        )
    elif cohort.matured < min_samples:
        state = SignalState.NO_DATA
        why = f"{cohort.matured} of {cohort.predictions} due outcomes are known, below minSamples of {min_samples}"
    elif figures is None:
        state, why = (
            SignalState.NO_DATA,
            f"not defined on {cohort.matured} outcomes of {cohort.METRICS[metric].undefined}",
        )
    else:
        crossed = threshold.crossed(figures.lower, figures.upper)
        state = SignalState.BREACHED if crossed else SignalState.WITHIN_BOUNDS
        why = _position(figures, threshold, crossed=crossed)
    return PerformanceEstimate(
        metric, state, figures, cohort.matured, coverage(cohort), f"{metric}: {why}.{cohort.note()}"
    )


def _position(figures: Estimate, threshold: Threshold, *, crossed: bool) -> str:
    side = "above" if threshold.operator is Operator.GREATER_THAN else "below"
    bounds = f"95 % {figure(figures.lower)} to {figure(figures.upper)}, {figures.samples:.0f} outcomes"
    return f"{figure(figures.value)} ({bounds}) {'is' if crossed else 'is not shown to be'} {side} {threshold.value:g}"
