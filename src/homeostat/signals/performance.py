"""Performance from late outcomes, grouped by the time of prediction.

The observer answers a cohort: predictions of one version made in one span of time, with the outcomes known so far.
Cohorts add up, so that a window may be put together from parts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self, assert_never

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from homeostat.documents import TolerantDocument
from homeostat.enums import Metric, Operator, SignalState
from homeostat.signals.estimate import (
    Estimate,
    Floats,
    Threshold,
    Z,
    normal,
    row_losses,
    wilson,
)

SCORE_BINS = 100
"""Equal-width bins of the score from 0 to 1."""

CALIBRATION_BINS = 10
COVERAGE_TOLERANCE = 0.2
"""Fall of the share of due outcomes that is of no concern, whatever its significance."""

Bin = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class CohortCounts(TolerantDocument):
    """Predictions of one version in one span of prediction time, and the outcomes known of them."""

    predictions: int = Field(0, ge=0)
    matured: int = Field(0, ge=0, description="Predictions whose outcome is known.")
    positives: int = Field(0, ge=0)
    log_loss_sum: float = Field(0.0, ge=0, description="Over matured predictions, in nats.")
    log_loss_squares: float = Field(0.0, ge=0)
    brier_sum: float = Field(0.0, ge=0)
    brier_squares: float = Field(0.0, ge=0)
    correct: int = Field(0, ge=0, description="Matured predictions with score >= 0.5 exactly where the outcome is 1.")
    score_bins: tuple[Bin, ...] = Field(
        ((0, 0),) * SCORE_BINS, description="[negatives, positives] per equal-width bin of the score from 0 to 1."
    )

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if len(self.score_bins) != SCORE_BINS:
            raise ValueError(f"scoreBins has {len(self.score_bins)} bins; {SCORE_BINS} are needed")
        if self.matured > self.predictions or max(self.positives, self.correct) > self.matured:
            raise ValueError("predictions, matured, positives and correct must each be no more than the one before")
        binned = sum(map(sum, self.score_bins))
        if binned != self.matured:
            raise ValueError(f"scoreBins hold {binned} outcomes, but matured is {self.matured}")
        return self


def count_cohort(scores: ArrayLike, labels: ArrayLike, predictions: int | None = None) -> CohortCounts:
    """Counts of matured predictions.

    Args:
        scores: Probability of the positive class, one per matured prediction.
        labels: Its outcome, 0 or 1.
        predictions: All predictions of the cohort; the matured ones when absent.

    Raises:
        ValueError: Scores that are no probabilities, or fewer predictions than outcomes.
    """
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("scores must be probabilities from 0 to 1; give the probability of the positive class")
    bins = np.minimum((score * SCORE_BINS).astype(np.intp), SCORE_BINS - 1)
    positives = np.bincount(bins[truth], minlength=SCORE_BINS).tolist()
    negatives = np.bincount(bins[~truth], minlength=SCORE_BINS).tolist()
    losses, squares = row_losses(Metric.LOG_LOSS, truth, score), row_losses(Metric.BRIER, truth, score)
    return CohortCounts(
        predictions=truth.size if predictions is None else predictions,
        matured=truth.size,
        positives=int(truth.sum()),
        log_loss_sum=float(losses.sum()),
        log_loss_squares=float((losses**2).sum()),
        brier_sum=float(squares.sum()),
        brier_squares=float((squares**2).sum()),
        correct=int(row_losses(Metric.ACCURACY, truth, score).sum()),
        score_bins=tuple(zip(negatives, positives, strict=True)),
    )


def merge(a: CohortCounts, b: CohortCounts) -> CohortCounts:
    """The cohort of two disjoint ones."""
    bins = tuple((n + m, p + q) for (n, p), (m, q) in zip(a.score_bins, b.score_bins, strict=True))
    sums = {
        field: getattr(a, field) + getattr(b, field) for field in CohortCounts.model_fields if field != "score_bins"
    }
    return CohortCounts(**sums, score_bins=bins)


def coverage(cohort: CohortCounts) -> Estimate:
    """Share of predictions whose outcome is known, with Wilson's interval."""
    return _share(cohort.matured, cohort.predictions)


def coverage_fell(cohort: CohortCounts, usual: float, tolerance: float = COVERAGE_TOLERANCE) -> bool:
    """Whether outcomes are missing that should be there: an outage of labels, not a loss of accuracy.

    Args:
        cohort: Predictions old enough that their outcomes are due, and the usual lag has passed.
        usual: Coverage of earlier cohorts, 0 to 1.
        tolerance: Fall that is of no concern.
    """
    return coverage(cohort).upper < usual - tolerance


def estimate(metric: Metric, cohort: CohortCounts) -> Estimate | None:
    """A metric on the matured predictions with its 95 % bounds; None where it is not defined on them."""
    n = cohort.matured
    if n < 2:
        return None
    match metric:
        case Metric.LOG_LOSS:
            return _mean(cohort.log_loss_sum, cohort.log_loss_squares, n)
        case Metric.BRIER:
            return _mean(cohort.brier_sum, cohort.brier_squares, n)
        case Metric.ACCURACY:
            return _share(cohort.correct, n)
        case Metric.AUC:
            return auc_from_bins(cohort.score_bins)
        case _:
            assert_never(metric)


def _mean(total: float, squares: float, n: int) -> Estimate:
    mean = total / n
    variance = max(0.0, squares / n - mean * mean) * n / (n - 1)
    return normal(mean, math.sqrt(variance / n), n, least=0.0)


def _share(part: int, whole: int) -> Estimate:
    lower, upper = wilson(part, whole)
    share = part / whole if whole else 0.0
    return Estimate(share, math.sqrt(share * (1 - share) / whole) if whole else 0.0, lower, upper, whole)


def auc_from_bins(score_bins: Sequence[tuple[int, int]]) -> Estimate | None:
    """AUC from [negatives, positives] per score bin; scores of one bin count as ties. None with a single class.

    Standard error after J. A. Hanley, B. J. McNeil, *The meaning and use of the area under a receiver operating
    characteristic (ROC) curve*, Radiology 143 (1982), with Q1 and Q2 counted from the rating table, not approximated.
    """
    table: Floats = np.asarray(score_bins, dtype=np.float64)
    bad, good = table[:, 0], table[:, 1]
    negatives, positives = float(bad.sum()), float(good.sum())
    if negatives == 0 or positives == 0:
        return None
    below = np.cumsum(bad) - bad
    above = positives - np.cumsum(good)
    area = float(np.sum(good * (below + bad / 2))) / (negatives * positives)
    # Two random positives both above one negative, and one positive above two random negatives.
    q1 = float(np.sum(bad * (above**2 + above * good + good**2 / 3))) / (positives**2 * negatives)
    q2 = float(np.sum(good * (below**2 + below * bad + bad**2 / 3))) / (negatives**2 * positives)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    error = math.sqrt(max(0.0, spread) / (negatives * positives))
    return normal(area, error, negatives + positives, least=0.0, most=1.0)


def calibration_error(cohort: CohortCounts) -> Estimate | None:
    """Mean distance between score and frequency over ten score bins, weighted by rows; None without outcomes.

    Bins of few rows differ from their scores by chance alone; the lower bound has that expected noise taken off.
    """
    table: Floats = np.asarray(cohort.score_bins, dtype=np.float64)
    rows, n = table.sum(axis=1), cohort.matured
    if n == 0:
        return None
    centres = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
    groups = (
        np.stack([rows, rows * centres, table[:, 1]])
        .reshape(3, CALIBRATION_BINS, SCORE_BINS // CALIBRATION_BINS)
        .sum(axis=2)
    )
    size, scored, positives = groups[:, groups[0] > 0]
    value = float(np.abs(positives - scored).sum()) / n
    expected = scored / size
    deviations = np.sqrt(size * expected * (1 - expected))
    noise = float(deviations.sum()) * math.sqrt(2 / math.pi) / n
    error = float(np.sqrt(np.sum(deviations**2))) / n
    return Estimate(value, error, max(0.0, value - noise - Z * error), min(1.0, value + Z * error), n)


@dataclass(frozen=True)
class PerformanceEstimate:
    """What a cohort says about one metric."""

    metric: Metric
    state: SignalState
    estimate: Estimate | None
    matured: int
    coverage: Estimate
    sentence: str


def judge_performance(
    metric: Metric, threshold: Threshold, cohort: CohortCounts, min_samples: int, *, ripe: bool
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
    figures = estimate(metric, cohort) if ripe and cohort.matured >= min_samples else None
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
        state, why = SignalState.NO_DATA, f"not defined on {cohort.matured} outcomes of a single class"
    else:
        crossed = threshold.crossed(figures.lower, figures.upper)
        state = SignalState.BREACHED if crossed else SignalState.WITHIN_BOUNDS
        why = _position(figures, threshold, crossed=crossed)
    return PerformanceEstimate(metric, state, figures, cohort.matured, coverage(cohort), f"{metric}: {why}.")


def _position(figures: Estimate, threshold: Threshold, *, crossed: bool) -> str:
    side = "above" if threshold.operator is Operator.GREATER_THAN else "below"
    bounds = f"95 % {figures.lower:.4f} to {figures.upper:.4f}, {figures.samples:.0f} outcomes"
    return f"{figures.value:.4f} ({bounds}) {'is' if crossed else 'is not shown to be'} {side} {threshold.value:g}"
