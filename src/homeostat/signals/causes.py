"""Cause before action: the total table from what is seen together to its cause.

The first row that fits decides. Rows about a candidate in rollout and about seasons are decided elsewhere or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from homeostat.api.v1alpha1.monitor import SignalState
from homeostat.signals.estimate import Stored

BREACHED, CALM, NOT_RIPE, NO_DATA = SignalState.BREACHED, SignalState.CALM, SignalState.NOT_RIPE, SignalState.NO_DATA


class Cause(StrEnum):
    """Why the signals look as they do."""

    NONE = "None"
    """Nothing is in breach."""
    UNKNOWN = "Unknown"
    DATA_OUTAGE = "DataOutage"
    UNIT_CHANGE = "UnitChange"
    COVARIATE_SHIFT = "CovariateShift"
    CONCEPT_DRIFT = "ConceptDrift"
    BENIGN_SHIFT = "BenignShift"
    UNPROVEN_SHIFT = "UnprovenShift"
    BUSINESS_MISS = "BusinessMiss"
    UNCLASSIFIED = "Unclassified"


@dataclass(frozen=True)
class Seen:
    """What is seen together, after `consecutive` windows agreed; a signal that the Monitor does not have is None."""

    drift: SignalState | None = None
    performance: SignalState | None = None
    """While inputs have moved: on predictions made since the first breaching drift window opened."""
    business: SignalState | None = None
    moved: tuple[str, ...] = ()
    """Features that moved, the unseen kind included."""
    null: tuple[str, ...] = ()
    """Features with more missing values than in training."""
    stale_feature_sets: tuple[str, ...] = ()
    """FeatureSets that are not Fresh."""
    traffic_gone: bool = False
    coverage_down: bool = False
    unit_change: str = ""
    """What became of the values of the only feature that moved, where a factor or offset explains it."""
    values: dict[str, str] = field(default_factory=dict)
    """The figures behind it all, for the decision record."""


class Diagnosis(Stored):
    """The cause, in a word and in a sentence, with the figures that it rests on."""

    cause: Cause
    reason: str
    values: dict[str, str]


def diagnose(seen: Seen) -> Diagnosis:
    """The first row of the table that fits; total, because the last row always does."""
    cause, sentence = next((row.cause, row.sentence) for row in TABLE if row.fits(seen))
    return Diagnosis(cause=cause, reason=sentence(seen), values=seen.values)


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    cause: Cause
    fits: Callable[[Seen], bool]
    sentence: Callable[[Seen], str]


def _states(seen: Seen) -> set[SignalState]:
    return {state for state in (seen.drift, seen.performance, seen.business) if state is not None}


def _outage(seen: Seen) -> bool:
    return bool(seen.null or seen.stale_feature_sets or seen.traffic_gone or seen.coverage_down)


def _knows_nothing(seen: Seen) -> bool:
    """No signal can tell; an outage that is seen is knowledge, and NotRipe tells no more than NoData."""
    states = _states(seen)
    return NO_DATA in states and states <= {NO_DATA, NOT_RIPE} and not _outage(seen)


def _outage_sentence(seen: Seen) -> str:
    parts = [
        f"missing values are up in {', '.join(seen.null)}" if seen.null else "",
        f"FeatureSet {', '.join(seen.stale_feature_sets)} is not fresh" if seen.stale_feature_sets else "",
        "traffic is gone" if seen.traffic_gone else "",
        "due outcomes do not arrive" if seen.coverage_down else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f"{told[0].upper()}{told[1:]}. Retraining would learn the outage."


def _named(features: tuple[str, ...]) -> str:
    return f"Inputs moved ({', '.join(features)})" if features else "Inputs moved"


def _still(seen: Seen) -> str:
    return "while the inputs are still" if seen.drift is CALM else "and no signal watches the inputs"


def _unit_change_alone(seen: Seen) -> bool:
    return bool(seen.unit_change) and seen.drift is BREACHED and len(set(seen.moved)) <= 1


def _unclassified_sentence(seen: Seen) -> str:
    states = {"drift": seen.drift, "performance": seen.performance, "business": seen.business}
    told = ", ".join(f"{name} is {state or 'not watched'}" for name, state in states.items())
    return f"No known cause fits: {told}."


TABLE: tuple[Row, ...] = (
    Row(Cause.UNKNOWN, _knows_nothing, lambda _: "No signal that could tell has data."),
    Row(Cause.DATA_OUTAGE, _outage, _outage_sentence),
    Row(
        Cause.UNIT_CHANGE,
        _unit_change_alone,
        lambda seen: f"Values of {seen.unit_change}, and no other feature moved: a change of unit.",
    ),
    Row(
        Cause.COVARIATE_SHIFT,
        lambda seen: seen.performance is BREACHED and seen.drift is BREACHED,
        lambda seen: f"{_named(seen.moved)}, and performance since is beyond its bound.",
    ),
    Row(
        Cause.CONCEPT_DRIFT,
        lambda seen: seen.performance is BREACHED and seen.drift in {CALM, None},
        lambda seen: f"Performance is beyond its bound {_still(seen)}: the same inputs now lead to other outcomes.",
    ),
    Row(
        Cause.BENIGN_SHIFT,
        lambda seen: seen.drift is BREACHED and seen.performance is CALM,
        lambda seen: f"{_named(seen.moved)}, and performance since is within its bound.",
    ),
    Row(
        Cause.UNPROVEN_SHIFT,
        lambda seen: seen.drift is BREACHED and seen.performance is NOT_RIPE,
        lambda seen: f"{_named(seen.moved)}; the outcomes of predictions since are not due yet.",
    ),
    Row(
        Cause.BUSINESS_MISS,
        lambda seen: seen.business is BREACHED and seen.performance is CALM,
        lambda _: "The business signal is beyond its bound although performance is within its own.",
    ),
    Row(Cause.UNCLASSIFIED, lambda seen: BREACHED in _states(seen), _unclassified_sentence),
    Row(Cause.NONE, lambda _: True, lambda _: "No signal is in breach."),
)
"""First fit decides. Without a Drift signal a loss of performance counts as concept drift; with one that has no data it
does not (the monitoring itself may be down, and that must never retrain)."""
