"""States, thresholds and intervals that every signal shares.

Drift, performance and business signals all end in a `SignalState`; the cause table (`causes`) reads nothing else of them.
"""

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from homeostat.enums import Metric, Operator, SignalState

CONFIDENCE = 0.95
Z = float(special.ndtri(0.5 + CONFIDENCE / 2))
"""Standard normal quantile of the two-sided 95 % bounds."""

PROBABILITY_FLOOR = 1e-15
"""Probabilities are kept this far from 0, so that one certain error does not make the log loss infinite."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A bound: beyond it a signal is in breach."""

    operator: Operator
    value: float

    def crossed(self, lower: float, upper: float) -> bool:
        """Whether the whole interval lies on the wrong side; give the same number twice for a value without interval."""
        if self.operator is Operator.GREATER_THAN:
            return lower > self.value
        return upper < self.value


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bounds."""

    value: float
    standard_error: float
    lower: float
    upper: float
    samples: float


def normal(value: float, standard_error: float, samples: float, *, least: float, most: float = math.inf) -> Estimate:
    """A value with bounds of ± 1.96 standard errors, cut to the range that the quantity can take."""
    half = Z * standard_error
    return Estimate(value, standard_error, max(least, value - half), min(most, value + half), samples)


def wilson(successes: float, trials: float, z: float = Z) -> tuple[float, float]:
    """Score interval of a proportion; (0, 1) without trials.

    Source: E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).
    `successes` and `trials` may be fractions: an effective sample size seldom is a whole number.
    """
    if trials <= 0:
        return 0.0, 1.0
    share = min(1.0, max(0.0, successes / trials))
    centre = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def difference_lower(first: tuple[float, float], second: tuple[float, float], z: float = Z) -> float:
    """Lower bound of how much larger the first of two independent proportions is; each as (successes, trials).

    Hybrid score interval of a difference: R. G. Newcombe, *Interval estimation for the difference between independent
    proportions: comparison of eleven methods*, Statistics in Medicine 17 (1998), method 10. -1 while either has no trials.
    """
    if min(first[1], second[1]) <= 0:
        return -1.0
    share, other = first[0] / first[1], second[0] / second[1]
    return share - other - math.hypot(share - wilson(*first, z)[0], wilson(*second, z)[1] - other)


def judge_value(value: float | None, threshold: Threshold) -> SignalState:
    """State of a number that comes without interval, such as a business metric; None and NaN are NoData."""
    if value is None or math.isnan(value):
        return SignalState.NO_DATA
    return SignalState.BREACHED if threshold.crossed(value, value) else SignalState.WITHIN_BOUNDS


def combined(states: list[SignalState]) -> SignalState | None:
    """One state for several signals of one type: any breach counts, and calm is only what is calm throughout.

    None without signals.
    """
    order = (SignalState.BREACHED, SignalState.OUTCOMES_PENDING, SignalState.NO_DATA, SignalState.WITHIN_BOUNDS)
    return next((state for state in order if state in states), None)


def row_losses(metric: Metric, labels: ArrayLike, scores: ArrayLike) -> Floats:
    """What each row contributes to a metric that is a mean over rows.

    Args:
        metric: Log loss (in nats), Brier score or accuracy (a score of 0.5 says positive).
        labels: Outcomes, 0 or 1.
        scores: Probabilities of the positive class.

    Raises:
        ValueError: The metric is AUC, which is no mean over rows.
    """
    truth = np.asarray(labels, dtype=bool)
    score = np.asarray(scores, dtype=np.float64)
    match metric:
        case Metric.LOG_LOSS:
            right = np.clip(np.where(truth, score, 1 - score), PROBABILITY_FLOOR, 1.0)
            return np.asarray(-np.log(right), dtype=np.float64)
        case Metric.BRIER:
            return np.asarray((score - truth) ** 2, dtype=np.float64)
        case Metric.ACCURACY:
            return np.asarray((score >= 0.5) == truth, dtype=np.float64)
        case Metric.AUC:
            raise ValueError("auc is no mean over rows; use paired_bootstrap or a cohort's score bins")
        case _:
            assert_never(metric)
