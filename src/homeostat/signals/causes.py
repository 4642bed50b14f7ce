"""Cause before action: the total table from the evidence of all signals to its cause.

The first row that fits decides. Rows about a candidate in rollout and about seasons are decided elsewhere or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from homeostat.documents import TolerantDocument
from homeostat.enums import SignalState

BREACHED, WITHIN_BOUNDS, OUTCOMES_PENDING, NO_DATA = (
    SignalState.BREACHED,
    SignalState.WITHIN_BOUNDS,
    SignalState.OUTCOMES_PENDING,
    SignalState.NO_DATA,
)


NAMED_FEATURES = 5
"""Features without a judgement that a sentence names."""


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
class Evidence:
    """The state of every signal after `consecutive` windows agreed; None for a signal that the Monitor does not have."""

    drift: SignalState | None = None
    performance: SignalState | None = None
    """While inputs have moved: on predictions made since the first breaching drift window opened."""
    business: SignalState | None = None
    moved: tuple[str, ...] = ()
    """Features that moved, the unseen kind included."""
    predictions_moved: bool = False
    """A PredictionDrift signal is among those that drifted."""
    null: tuple[str, ...] = ()
    """Features with more missing values than in training."""
    unjudged: tuple[str, ...] = ()
    """Features that the windows of the drift signals leave open."""
    stale_feature_sets: tuple[str, ...] = ()
    """FeatureSets that are not Fresh."""
    traffic_stopped: bool = False
    coverage_down: bool = False
    unit_change: str = ""
    """What became of the values of the only feature that moved, where a factor or offset explains it."""
    values: dict[str, str] = field(default_factory=dict)
    """The figures behind it all, for the decision record."""


class Diagnosis(TolerantDocument):
    """The cause, in a word and in a sentence, with the figures that it rests on."""

    cause: Cause
    reason: str
    values: dict[str, str]


def diagnose(evidence: Evidence) -> Diagnosis:
    """The first row of the table that fits; total, because the last row always does."""
    cause, sentence = next((row.cause, row.sentence) for row in TABLE if row.fits(evidence))
    reason = f"{sentence(evidence)} {note_of_unjudged(evidence.unjudged)}".strip()
    return Diagnosis(cause=cause, reason=reason, values=evidence.values)


def note_of_unjudged(features: Sequence[str]) -> str:
    """The sentence that a calm or a cause holds for some features only; empty if it holds for all."""
    if not features:
        return ""
    more = f" and {len(features) - NAMED_FEATURES} more" if len(features) > NAMED_FEATURES else ""
    return f"Not judged for drift: {', '.join(features[:NAMED_FEATURES])}{more}."


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    cause: Cause
    fits: Callable[[Evidence], bool]
    sentence: Callable[[Evidence], str]


def _states(evidence: Evidence) -> set[SignalState]:
    return {state for state in (evidence.drift, evidence.performance, evidence.business) if state is not None}


def _outage(evidence: Evidence) -> bool:
    return bool(evidence.null or evidence.stale_feature_sets or evidence.traffic_stopped or evidence.coverage_down)


def _has_no_data(evidence: Evidence) -> bool:
    """No signal can tell; an outage is knowledge, and OutcomesPending carries no more than NoData."""
    states = _states(evidence)
    return NO_DATA in states and states <= {NO_DATA, OUTCOMES_PENDING} and not _outage(evidence)


def _outage_sentence(evidence: Evidence) -> str:
    parts = [
        f"missing values increased in {', '.join(evidence.null)}" if evidence.null else "",
        f"FeatureSet {', '.join(evidence.stale_feature_sets)} is not fresh" if evidence.stale_feature_sets else "",
        "traffic has stopped" if evidence.traffic_stopped else "",
        "due outcomes are not arriving" if evidence.coverage_down else "",
    ]
    listed = "; ".join(part for part in parts if part)
    return f"{listed[0].upper()}{listed[1:]}. A model retrained now would learn from the outage."


def _named(evidence: Evidence) -> str:
    if evidence.predictions_moved and not evidence.moved:
        return "Predictions drifted, while no feature alone is known to have"
    features = f"Inputs drifted ({', '.join(evidence.moved)})" if evidence.moved else "Inputs drifted"
    return f"{features} and so did predictions" if evidence.predictions_moved else features


def _still(evidence: Evidence) -> str:
    return "while the inputs are unchanged" if evidence.drift is WITHIN_BOUNDS else "and no signal monitors the inputs"


def _unit_change_alone(evidence: Evidence) -> bool:
    return bool(evidence.unit_change) and evidence.drift is BREACHED and len(set(evidence.moved)) <= 1


def _unclassified_sentence(evidence: Evidence) -> str:
    states = {"drift": evidence.drift, "performance": evidence.performance, "business": evidence.business}
    listed = ", ".join(f"{name} is {state or 'not monitored'}" for name, state in states.items())
    return f"No known cause fits: {listed}."


TABLE: tuple[Row, ...] = (
    Row(Cause.UNKNOWN, _has_no_data, lambda _: "No signal that could identify the cause has data."),
    Row(Cause.DATA_OUTAGE, _outage, _outage_sentence),
    Row(
        Cause.UNIT_CHANGE,
        _unit_change_alone,
        lambda evidence: f"Values of {evidence.unit_change}, and no other feature drifted: a change of unit.",
    ),
    Row(
        Cause.COVARIATE_SHIFT,
        lambda evidence: evidence.performance is BREACHED and evidence.drift is BREACHED,
        lambda evidence: f"{_named(evidence)}, and performance since then breaches its threshold.",
    ),
    Row(
        Cause.CONCEPT_DRIFT,
        lambda evidence: evidence.performance is BREACHED and evidence.drift in {WITHIN_BOUNDS, None},
        lambda evidence: (
            f"Performance breaches its threshold {_still(evidence)}: the same inputs now lead to different outcomes."
        ),
    ),
    Row(
        Cause.BENIGN_SHIFT,
        lambda evidence: evidence.drift is BREACHED and evidence.performance is WITHIN_BOUNDS,
        lambda evidence: f"{_named(evidence)}, and performance since then is within its threshold.",
    ),
    Row(
        Cause.UNPROVEN_SHIFT,
        lambda evidence: evidence.drift is BREACHED and evidence.performance is OUTCOMES_PENDING,
        lambda evidence: f"{_named(evidence)}; too few windows of predictions made since then have their outcomes yet.",
    ),
    Row(
        Cause.BUSINESS_MISS,
        lambda evidence: evidence.business is BREACHED and evidence.performance is WITHIN_BOUNDS,
        lambda _: "The business signal breaches its threshold although performance does not.",
    ),
    Row(Cause.UNCLASSIFIED, lambda evidence: BREACHED in _states(evidence), _unclassified_sentence),
    Row(Cause.NONE, lambda _: True, lambda _: "No signal is in breach."),
)
"""First fit decides. Without a Drift signal a loss of performance counts as concept drift; with one that has no data it
does not (the monitoring itself may be down, and that must never retrain)."""
