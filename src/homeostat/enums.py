"""Terms that the API shares with the arithmetic and the services.

This module imports none of them: a new API version touches no formula, and a predictor starts without loading the kinds.
"""

from enum import StrEnum


class Operator(StrEnum):
    """The side of a threshold on which a value is in breach."""

    GREATER_THAN = "GreaterThan"
    LESS_THAN = "LessThan"


class SignalState(StrEnum):
    """The state of a signal in one window."""

    WITHIN_BOUNDS = "WithinBounds"
    BREACHED = "Breached"
    OUTCOMES_PENDING = "OutcomesPending"
    """The outcomes are not due yet: nothing is wrong, and nothing can be said."""
    NO_DATA = "NoData"
    """Expected data is absent: the source is down or stale, the value is NaN, or the effective sample is too small."""


class FeatureMode(StrEnum):
    """Source of the features of a request: the request itself, or the online store by entity ID."""

    REQUEST = "Request"
    LOOKUP = "Lookup"
