from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.signals import Cause, Evidence, SignalState, diagnose, note_of_unjudged
from homeostat.signals.causes import TABLE

WITHIN_BOUNDS, BREACHED, OUTCOMES_PENDING, NO_DATA = (
    SignalState.WITHIN_BOUNDS,
    SignalState.BREACHED,
    SignalState.OUTCOMES_PENDING,
    SignalState.NO_DATA,
)
STATES = st.sampled_from([None, *SignalState])
NAMES = st.lists(st.sampled_from("ab"), max_size=2).map(tuple)
ANY = st.builds(
    Evidence,
    drift=STATES,
    performance=STATES,
    business=STATES,
    moved=NAMES,
    predictions_moved=st.booleans(),
    null=NAMES,
    stale_feature_sets=NAMES,
    traffic_stopped=st.booleans(),
    coverage_down=st.booleans(),
    unit_change=st.sampled_from(["", "a is multiplied by 1000"]),
)


@given(ANY)
def test_the_table_is_total_and_its_first_fitting_row_decides(evidence: Evidence) -> None:
    diagnosis = diagnose(evidence)
    fitting = [row.cause for row in TABLE if row.fits(evidence)]
    assert diagnosis.cause is fitting[0]
    assert diagnosis.reason.endswith(".")


@given(ANY)
def test_retraining_causes_need_a_breach_of_performance_and_no_outage(evidence: Evidence) -> None:
    if diagnose(evidence).cause in {Cause.COVARIATE_SHIFT, Cause.CONCEPT_DRIFT}:
        assert evidence.performance is BREACHED
        assert not any([evidence.null, evidence.stale_feature_sets, evidence.traffic_stopped, evidence.coverage_down])
        assert evidence.drift not in {NO_DATA, OUTCOMES_PENDING}


@given(ANY)
def test_a_breach_is_never_called_nothing(evidence: Evidence) -> None:
    if BREACHED in {evidence.drift, evidence.performance, evidence.business}:
        assert diagnose(evidence).cause not in {Cause.NONE, Cause.UNKNOWN}


def test_each_row_has_a_cause_of_its_own_and_every_cause_has_a_row() -> None:
    assert sorted(row.cause for row in TABLE) == sorted(Cause)


@pytest.mark.parametrize(
    ("drift", "performance", "business", "cause"),
    [
        (WITHIN_BOUNDS, WITHIN_BOUNDS, WITHIN_BOUNDS, Cause.NONE),
        (None, None, None, Cause.NONE),
        (NO_DATA, NO_DATA, NO_DATA, Cause.UNKNOWN),
        (NO_DATA, OUTCOMES_PENDING, None, Cause.UNKNOWN),
        (WITHIN_BOUNDS, OUTCOMES_PENDING, None, Cause.NONE),
        (NO_DATA, WITHIN_BOUNDS, None, Cause.NONE),
        (BREACHED, BREACHED, None, Cause.COVARIATE_SHIFT),
        (WITHIN_BOUNDS, BREACHED, None, Cause.CONCEPT_DRIFT),
        (None, BREACHED, None, Cause.CONCEPT_DRIFT),
        (NO_DATA, BREACHED, None, Cause.UNCLASSIFIED),
        (BREACHED, WITHIN_BOUNDS, None, Cause.BENIGN_SHIFT),
        (BREACHED, OUTCOMES_PENDING, None, Cause.UNPROVEN_SHIFT),
        (BREACHED, NO_DATA, None, Cause.UNCLASSIFIED),
        (BREACHED, None, None, Cause.UNCLASSIFIED),
        (WITHIN_BOUNDS, WITHIN_BOUNDS, BREACHED, Cause.BUSINESS_MISS),
        (WITHIN_BOUNDS, OUTCOMES_PENDING, BREACHED, Cause.UNCLASSIFIED),
    ],
)
def test_states_seen_together_have_one_cause(
    drift: SignalState | None, performance: SignalState | None, business: SignalState | None, cause: Cause
) -> None:
    assert diagnose(Evidence(drift, performance, business)).cause is cause


@pytest.mark.parametrize(
    "outage",
    [
        Evidence(null=("tenure",)),
        Evidence(stale_feature_sets=("customers",)),
        Evidence(traffic_stopped=True),
        Evidence(coverage_down=True),
    ],
)
def test_an_outage_comes_before_every_shift_and_is_knowledge_where_signals_have_none(outage: Evidence) -> None:
    assert diagnose(replace(outage, drift=BREACHED, performance=BREACHED)).cause is Cause.DATA_OUTAGE
    assert diagnose(replace(outage, drift=NO_DATA, performance=NO_DATA)).cause is Cause.DATA_OUTAGE


def test_a_change_of_unit_is_one_only_if_nothing_else_moved() -> None:
    change = "bytes is multiplied by 1024"
    alone = diagnose(Evidence(BREACHED, BREACHED, moved=("bytes",), unit_change=change))
    among = diagnose(Evidence(BREACHED, BREACHED, moved=("bytes", "age"), unit_change=change))
    assert (alone.cause, among.cause) == (Cause.UNIT_CHANGE, Cause.COVARIATE_SHIFT)
    assert "bytes is multiplied by 1024" in alone.reason


def test_the_diagnosis_carries_its_figures() -> None:
    assert diagnose(Evidence(WITHIN_BOUNDS, values={"drift": "0.01"})).values == {"drift": "0.01"}


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        (Evidence(null=("age", "tenure")), "Missing values increased in age, tenure."),
        (Evidence(stale_feature_sets=("customers", "calls")), "FeatureSet customers, calls is not fresh."),
        (Evidence(traffic_stopped=True), "Traffic has stopped."),
        (Evidence(coverage_down=True), "Due outcomes are not arriving."),
        (
            Evidence(null=("age",), stale_feature_sets=("calls",), traffic_stopped=True, coverage_down=True),
            "Missing values increased in age; FeatureSet calls is not fresh; traffic has stopped; due outcomes are not arriving.",
        ),
    ],
)
def test_an_outage_is_reported_by_all_of_its_signs_and_no_others(evidence: Evidence, sentence: str) -> None:
    assert diagnose(evidence).reason == f"{sentence} A model retrained now would learn from the outage."


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (
            Evidence(BREACHED, WITHIN_BOUNDS, moved=("age", "calls")),
            "Inputs drifted (age, calls), and performance since then is within its threshold.",
        ),
        (
            Evidence(BREACHED, WITHIN_BOUNDS, moved=("age",), predictions_moved=True),
            "Inputs drifted (age) and so did predictions, and performance since then is within its threshold.",
        ),
        (
            Evidence(BREACHED, BREACHED, predictions_moved=True),
            "Predictions drifted, while no feature alone is known to have, and performance since then breaches its threshold.",
        ),
        (Evidence(BREACHED, BREACHED), "Inputs drifted, and performance since then breaches its threshold."),
        (
            Evidence(BREACHED, OUTCOMES_PENDING, moved=("age",)),
            "Inputs drifted (age); too few windows of predictions made since then have their outcomes yet.",
        ),
        (
            Evidence(WITHIN_BOUNDS, BREACHED),
            "Performance breaches its threshold while the inputs are unchanged: the same inputs now lead to different outcomes.",
        ),
        (
            Evidence(None, BREACHED),
            "Performance breaches its threshold and no signal monitors the inputs: the same inputs now lead to different outcomes.",
        ),
        (
            Evidence(NO_DATA, BREACHED),
            "No known cause fits: drift is NoData, performance is Breached, business is not monitored.",
        ),
    ],
)
def test_a_cause_is_reported_with_what_moved_and_what_was_watched(evidence: Evidence, reason: str) -> None:
    assert diagnose(evidence).reason == reason


@pytest.mark.parametrize(
    ("drift", "moved", "cause"),
    [
        (BREACHED, ("bytes", "bytes"), Cause.UNIT_CHANGE),
        (BREACHED, (), Cause.UNIT_CHANGE),
        (WITHIN_BOUNDS, ("bytes",), Cause.NONE),
        (None, (), Cause.NONE),
    ],
)
def test_a_change_of_unit_needs_a_breach_of_drift_by_at_most_one_feature(
    drift: SignalState | None, moved: tuple[str, ...], cause: Cause
) -> None:
    assert diagnose(Evidence(drift, moved=moved, unit_change="bytes is multiplied by 1024")).cause is cause


@pytest.mark.parametrize(
    ("features", "note"),
    [
        ((), ""),
        (("age",), "Not judged for drift: age."),
        (tuple("abcde"), "Not judged for drift: a, b, c, d, e."),
        (tuple("abcdefg"), "Not judged for drift: a, b, c, d, e and 2 more."),
    ],
)
def test_a_calm_for_some_features_says_which_are_left_out(features: tuple[str, ...], note: str) -> None:
    assert note_of_unjudged(features) == note
    assert diagnose(Evidence(WITHIN_BOUNDS, unjudged=features)).reason == f"No signal is in breach. {note}".strip()
    assert diagnose(Evidence(WITHIN_BOUNDS, BREACHED, unjudged=features)).reason.endswith(f"outcomes. {note}".strip())
