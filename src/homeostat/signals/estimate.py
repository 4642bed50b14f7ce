"""States and thresholds that every signal shares.

Drift, performance and business signals all end in a `SignalState`; the cause table (`causes`) reads nothing else of them.
"""

import math
from dataclasses import dataclass

from homeostat.enums import Operator, SignalState


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
