"""Numbers with their 95 % bounds: what tasks and signals compute with."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NOISE, SMALL = 1e-12, 1e-4
"""Figures between these would be 0 to four places."""

Z = 1.959963984540054
"""Standard normal quantile of 0.975, for two-sided 95 % bounds."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bounds."""

    value: float
    standard_error: float
    lower: float
    upper: float
    samples: float


def figure(value: float, sign: str = "") -> str:
    """A figure as sentences have it: to four places, or to four significant digits where these would show nothing of it.

    Args:
        value: What is written.
        sign: "+" where a positive one has its sign, too.
    """
    return f"{value:{sign}.4f}" if not NOISE < abs(value) < SMALL else f"{value:{sign}.4g}"


def normal(value: float, standard_error: float, samples: float, *, least: float, most: float = math.inf) -> Estimate:
    """A value with bounds of ± 1.96 standard errors, cut to the range that the quantity can take."""
    half = Z * standard_error
    return Estimate(value, standard_error, max(least, value - half), min(most, value + half), samples)


def mean(total: float, squares: float, n: int, *, least: float = -math.inf, most: float = math.inf) -> Estimate:
    """A mean of n ≥ 2 independent rows, with bounds of ± 1.96 standard errors.

    Args:
        total: Sum of the rows.
        squares: Sum of their squares.
        n: Number of rows.
        least: Least value that the mean can take.
        most: Greatest value that it can take.
    """
    value = total / n
    variance = max(0.0, squares / n - value * value) * n / (n - 1)
    return normal(value, math.sqrt(variance / n), n, least=least, most=most)


def wilson(successes: float, trials: float, z: float = Z) -> tuple[float, float]:
    """Score interval of a proportion; (0, 1) without trials.

    Source: E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).
    `successes` and `trials` may be fractions: an effective sample size seldom is a whole number.
    """
    if trials <= 0:
        return 0.0, 1.0
    rate = min(1.0, max(0.0, successes / trials))
    centre = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def share(part: int, whole: int) -> Estimate:
    """A proportion with Wilson's interval."""
    lower, upper = wilson(part, whole)
    value = part / whole if whole else 0.0
    return Estimate(value, math.sqrt(value * (1 - value) / whole) if whole else 0.0, lower, upper, whole)


def difference_lower(first: tuple[float, float], second: tuple[float, float], z: float = Z) -> float:
    """Lower bound of how much larger the first of two independent proportions is; each as (successes, trials).

    Hybrid score interval of a difference: R. G. Newcombe, *Interval estimation for the difference between independent
    proportions: comparison of eleven methods*, Statistics in Medicine 17 (1998), method 10. -1 while either has no trials.
    """
    if min(first[1], second[1]) <= 0:
        return -1.0
    mine, other = first[0] / first[1], second[0] / second[1]
    return mine - other - math.hypot(mine - wilson(*first, z)[0], wilson(*second, z)[1] - other)
