"""Features that a window cannot judge: which they are, why, and what the others then say."""

from dataclasses import replace
from typing import Any

import pytest

from homeostat.enums import SignalState
from homeostat.signals.drift import WHOLE_DAYS, FeatureDrift, SpecialShare, feature_drift, judge
from homeostat.signals.histogram import NULL, UNSEEN, FeatureBaseline, FeatureKind, SpecialCounts

CALM = FeatureDrift(
    feature="calm", psi=0.02, excess=0.01, lower=-0.01, upper=0.03, p_value=0.5, design_effect=1.0, samples=300,
    effective_samples=300, specials=(), trained_share=0.5, regular_samples=100,
)  # fmt: skip
FEW = replace(CALM, feature="few", effective_samples=40, samples=100, design_effect=1.5)
NEW = replace(CALM, feature="new", regular_samples=99)
NEVER = replace(CALM, feature="never", trained_share=0.0)


@pytest.mark.parametrize(
    ("feature", "obstacle"),
    [
        (CALM, ""),
        (NEVER, "it has no values in training"),
        (FEW, "its effective sample is 40 of 100 rows that arrive in batches, below minSamples of 200"),
        (replace(FEW, design_effect=1.0), "its effective sample is 40, below minSamples of 200"),
        (NEW, "the effective sample of values that training has seen is 99, below minSamples of 200"),
    ],
)
def test_a_feature_cannot_be_judged_for_one_of_three_reasons(feature: FeatureDrift, obstacle: str) -> None:
    assert feature.obstacle(200) == obstacle


def test_the_rows_in_regular_bins_are_compared_with_the_share_that_training_had_there() -> None:
    trained = FeatureBaseline(
        name="x", kind=FeatureKind.CATEGORICAL, categories=("a", "b"), counts=(30, 30), special=SpecialCounts(null=40),
        n=100,
    )  # fmt: skip
    drift = feature_drift(trained, [{"a": 18.0, "b": 6.0, NULL: 16.0}, {"a": 10.0, "b": 14.0, NULL: 16.0}])
    assert drift.design_effect > 1
    assert drift.trained_share == pytest.approx(0.6)
    assert drift.regular_samples == pytest.approx(48 / drift.design_effect)
    assert drift.effective_samples == pytest.approx(80 / drift.design_effect)


def test_a_feature_that_training_never_saw_has_no_share_in_regular_bins() -> None:
    empty = FeatureBaseline(name="x", kind=FeatureKind.NUMERIC, counts=(), n=0)
    assert feature_drift(empty, [{UNSEEN: 9.0}]).trained_share == 0


def test_the_share_of_unseen_values_is_compared_with_what_new_rows_are_expected_to_have() -> None:
    trained = FeatureBaseline(
        name="x", kind=FeatureKind.CATEGORICAL, categories=("a",), counts=(100,), n=100, unseen_share=0.25
    )
    shares = {share.label: share.baseline for share in feature_drift(trained, [{"a": 9.0}]).specials}
    assert (shares[UNSEEN], shares[NULL]) == (0.25, 0.0)


def test_features_that_can_be_judged_decide_and_the_others_are_listed_with_the_smaller_sample() -> None:
    seen = judge([CALM, FEW, NEW, NEVER], 0.1, 200)
    assert (seen.state, seen.feature) == (SignalState.WITHIN_BOUNDS, "calm")
    assert [(one.feature, one.effective_samples) for one in seen.unjudged] == [("few", 40), ("new", 99), ("never", 100)]
    assert seen.sentence.endswith(
        " 3 of 4 features cannot be judged: few, because its effective sample is 40 of 100 rows that arrive in batches, "
        "below minSamples of 200, and 2 more."
    )
    assert judge([CALM, FEW, NEW], 0.1, 200).sentence.endswith("minSamples of 200, and 1 more.")
    assert judge([CALM, NEVER], 0.1, 200).sentence.endswith(
        " 1 of 2 features cannot be judged: never, because it has no values in training."
    )


def test_a_feature_whose_special_share_breaches_is_judged_by_it_whatever_its_regular_bins_lack() -> None:
    raised = replace(NEW, specials=(SpecialShare(UNSEEN, 0.9, 0.1, 300, 1000, 0),))
    seen = judge([CALM, raised], 0.1, 200)
    assert (seen.state, seen.feature, seen.unseen, seen.unjudged) == (SignalState.BREACHED, "new", ("new",), ())


NO_ROWS = "The effective sample is 300 (300 rows, design effect 1.0), below minSamples of 301."
NO_FEATURE = (
    "1 of 1 features cannot be judged: new, because the effective sample of values that training has seen is 99, below "
    "minSamples of 300."
)


@pytest.mark.parametrize(("least", "sentence"), [(300, NO_FEATURE), (301, NO_ROWS)])
def test_without_any_feature_to_judge_the_reason_is_the_effective_sample_or_else_that_of_the_first(
    least: int, sentence: str
) -> None:
    seen = judge([NEW], 0.1, least)
    assert (seen.state, seen.sentence) == (SignalState.NO_DATA, sentence)


BLIND = {"blind": "it has one value in training"}
FLAT = replace(CALM, feature="blind", excess=0.05)


def test_a_feature_whose_training_shows_no_drift_is_listed_and_its_figures_are_not_those_of_the_window() -> None:
    seen = judge([CALM, FLAT], 0.1, 200, blind=BLIND)
    assert (seen.state, seen.feature, seen.value) == (SignalState.WITHIN_BOUNDS, "calm", 0.01)
    assert [(one.feature, one.reason) for one in seen.unjudged] == [("blind", "it has one value in training")]
    assert seen.sentence.endswith(" 1 of 2 features cannot be judged: blind, because it has one value in training.")


@pytest.mark.parametrize(
    "changes",
    [{"excess": 2.0, "p_value": 0.0}, {"specials": (SpecialShare(UNSEEN, 0.9, 0.1, 300, 1000, 0),)}],
    ids=["regular bins", "special share"],
)
def test_a_drift_that_shows_all_the_same_is_a_breach_and_no_gap(changes: dict[str, Any]) -> None:
    seen = judge([CALM, replace(FLAT, **changes)], 0.1, 200, blind=BLIND)
    assert (seen.state, seen.feature, seen.unjudged) == (SignalState.BREACHED, "blind", ())


def test_a_window_in_which_training_lets_nothing_be_seen_has_no_data() -> None:
    seen = judge([FLAT], 0.1, 200, blind=BLIND)
    assert (seen.state, seen.value) == (SignalState.NO_DATA, None)
    assert seen.sentence == "1 of 1 features cannot be judged: blind, because it has one value in training."


def test_what_the_window_lacks_is_named_before_what_training_lacks() -> None:
    few = replace(FLAT, effective_samples=40)
    assert judge([CALM, few], 0.1, 200, blind=BLIND).unjudged[0].reason.startswith("its effective sample is 40")


@pytest.mark.parametrize(
    ("mixed", "samples", "remedy"),
    [(True, 200, WHOLE_DAYS), (True, 199, ""), (False, 200, "")],
    ids=["enough rows", "too few rows", "whole days"],
)
def test_another_window_is_the_remedy_only_where_the_rows_are_enough_and_their_times_mixed(
    mixed: bool, samples: float, remedy: str
) -> None:
    few = replace(FEW, samples=samples, mixed_times=mixed)
    assert few.remedy(200) == remedy
    assert few.obstacle(200).endswith(f"below minSamples of 200{remedy}")
    assert judge([few], 0.1, 200).sentence.endswith(f"below minSamples of 200{remedy}.")
