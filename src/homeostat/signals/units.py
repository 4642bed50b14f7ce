"""A change of unit: one feature's values are a constant factor or offset of those in training.

Mean and spread decide together: a factor multiplies both, an offset moves the mean alone. Both come from sums of
distances from the training mean, which counters can carry where quantiles cannot.
"""

import math
from dataclasses import dataclass

from homeostat.signals.histogram import FeatureBaseline

FACTOR_LEAST = 1.5
"""A change of unit is at least this factor (a mile has 1.6 kilometres), or an offset beyond the feature's usual span."""

FIT = 0.1
"""How well mean and spread must agree on a factor or offset, in shares of the spread, noise apart."""

SPAN = 3.3
"""The middle 90 % of a normal feature, in standard deviations."""

ABOVE, BELOW, SQUARE = "above", "below", "square"
"""Values of the Prometheus label `moment`: sums of distances above and below the training mean, and of their squares."""


@dataclass(frozen=True)
class Moments:
    """Sums over the finite values of one window, as distances from the training mean."""

    count: float
    above: float
    below: float
    square: float


@dataclass(frozen=True)
class UnitChange:
    """One feature's values are a constant factor or offset of those in training."""

    feature: str
    factor: float = 1.0
    offset: float = 0.0

    def __str__(self) -> str:
        if self.offset:
            return f"{self.feature} is offset by {self.offset:+.4g}"
        return f"{self.feature} is multiplied by {self.factor:.4g}"


def unit_change(baseline: FeatureBaseline, window: Moments) -> UnitChange | None:
    """The factor or offset that explains a window's values, if one does.

    Args:
        baseline: The numeric feature at training.
        window: Sums over its values in the window.
    """
    if baseline.mean is None or not baseline.deviation or window.count < 2:
        return None
    moved = (window.above - window.below) / window.count
    variance = window.square / window.count - moved * moved
    if variance <= 0:
        return None
    deviation = math.sqrt(variance)
    # The standard error of a mean is 1/√n of the spread, that of a spread 1/√(2n) of itself; two of them are noise.
    mean_noise, spread_noise = FIT + 2 / math.sqrt(window.count), FIT + 2 / math.sqrt(2 * window.count)
    factor = _factor(baseline.mean, baseline.deviation, baseline.mean + moved, deviation, mean_noise, spread_noise)
    if factor is not None and max(factor, 1 / factor) >= FACTOR_LEAST:
        return UnitChange(baseline.name, factor=factor)
    same_spread = abs(deviation / baseline.deviation - 1) <= spread_noise
    if same_spread and abs(moved) > SPAN * baseline.deviation:
        return UnitChange(baseline.name, offset=moved)
    return None


def _factor(
    mean: float, deviation: float, new_mean: float, new_deviation: float, mean_noise: float, spread_noise: float
) -> float | None:
    """The factor on which mean and spread agree; taken from whichever of them determines it better."""
    if abs(mean) > deviation:
        factor = new_mean / mean
        agrees = factor > 0 and abs(new_deviation / (factor * deviation) - 1) <= spread_noise
    else:
        factor = new_deviation / deviation
        agrees = abs(new_mean - factor * mean) <= mean_noise * new_deviation
    return factor if agrees else None
