import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.signals import Baseline, FeatureBaseline, FeatureKind, assign, bin_labels, fit
from homeostat.signals.histogram import ABOVE, BELOW, NULL, UNSEEN

NUMBERS = st.lists(st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=1, max_size=200)
TEXTS = st.lists(st.one_of(st.sampled_from("abc"), st.text(max_size=3), st.none()), min_size=1, max_size=100)


def numeric(values: Sequence[object]) -> FeatureBaseline:
    return fit({"x": values}, {"x": FeatureKind.NUMERIC}).features[0]


def categorical(values: Sequence[object], max_categories: int = 20) -> FeatureBaseline:
    return fit({"x": values}, {"x": FeatureKind.CATEGORICAL}, max_categories=max_categories).features[0]


@given(NUMBERS)
def test_training_numbers_fall_where_numpy_puts_them_and_where_they_were_counted(values: list[float]) -> None:
    feature = numeric(values)
    labels = [assign(feature, value) for value in values]
    assert labels == [str(bin_) for bin_ in np.digitize(values, feature.edges[1:-1])]
    assert [labels.count(label) for label in feature.regular_labels] == list(feature.counts)


@given(NUMBERS)
def test_no_bin_of_the_training_data_is_empty_between_distinct_values(values: list[float]) -> None:
    feature = numeric(values)
    assert 1 <= len(feature.counts) <= 10
    assert feature.counts[0] > 0
    assert len(set(feature.edges[:-1])) == len(feature.edges) - 1


@given(TEXTS, st.integers(1, 5))
def test_training_categories_are_assigned_as_they_were_counted(values: list[str | None], most: int) -> None:
    feature = categorical(values, max_categories=most)
    labels = [assign(feature, value) for value in values]
    counted = dict(zip(feature.categories, feature.counts, strict=True)) | feature.special.by_label()
    assert {label: labels.count(label) for label in bin_labels(feature)} == counted


def test_deciles_hold_a_tenth_each() -> None:
    assert numeric(list(range(1000))).counts == (100,) * 10


def test_a_constant_feature_has_one_bin() -> None:
    feature = numeric([3.0] * 5)
    assert (feature.edges, feature.counts) == ((3.0, 3.0), (5,))
    assert [assign(feature, value) for value in (2, 3, 4)] == [BELOW, "0", ABOVE]


def test_few_distinct_values_have_a_bin_each_however_rare() -> None:
    assert numeric([0] * 98 + [1] * 2).counts == (98, 2)


def test_tied_deciles_are_merged() -> None:
    assert numeric([0] * 600 + list(range(1, 401))).counts[0] == 600


def test_a_feature_without_any_value_has_only_special_bins() -> None:
    feature = numeric([None, math.nan])
    assert (feature.counts, feature.special.null) == ((), 2)
    assert assign(feature, 1.0) == UNSEEN


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (None, NULL),
        (math.nan, NULL),
        ("", NULL),
        (-1, BELOW),
        (1e9, ABOVE),
        (math.inf, ABOVE),
        ("fast", UNSEEN),
        (True, "1"),
    ],
)
def test_what_lies_outside_the_bins_has_a_bin_of_its_own(value: object, label: str) -> None:
    assert assign(numeric(list(range(10))), value) == label


def test_a_category_is_the_same_as_number_and_as_text() -> None:
    feature = categorical([0, 1, 1])
    assert [assign(feature, value) for value in (1, 1.0, "1", "2")] == ["1", "1", "1", UNSEEN]


def test_a_category_spelled_like_a_special_label_counts_as_unseen() -> None:
    feature = categorical([NULL, "a"])
    assert (feature.categories, feature.special.unseen, assign(feature, NULL)) == (("a",), 1, UNSEEN)


def test_infinite_training_values_are_outside_the_bins() -> None:
    feature = numeric([-math.inf, 1.0, 2.0, math.inf])
    assert (feature.special.below, feature.special.above, feature.edges[0], feature.edges[-1]) == (1, 1, 1.0, 2.0)


def test_a_baseline_survives_its_file() -> None:
    kinds = {"a": FeatureKind.NUMERIC, "b": FeatureKind.CATEGORICAL}
    baseline = fit({"a": [1.0, 2.5, None], "b": ["x", "y", None]}, kinds, scores=[0.1, 0.5, 0.9])
    bin_labels(baseline.features[0])
    assert Baseline.model_validate_json(baseline.model_dump_json(by_alias=True)) == baseline
    assert baseline.feature("b").categories == ("x", "y")
    with pytest.raises(KeyError, match="no feature 'c'"):
        baseline.feature("c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 7}, "add up to 3"),
        ({"counts": (3,)}, "1 entries for 2 bins"),
        ({"edges": (2.0, 1.0, 3.0)}, "must ascend"),
    ],
)
def test_an_incoherent_baseline_is_refused(change: dict[str, object], message: str) -> None:
    good = {"name": "x", "kind": "Numeric", "edges": (1.0, 2.0, 3.0), "counts": (1, 2), "n": 3}
    FeatureBaseline.model_validate(good)
    with pytest.raises(ValidationError, match=message):
        FeatureBaseline.model_validate(good | change)


def test_equally_frequent_categories_are_ordered_by_their_text_and_more_frequent_ones_come_first() -> None:
    feature = categorical(["c", "b", "b", "a", "d", "d", "d"])
    assert (feature.categories, feature.counts) == (("d", "b", "a", "c"), (3, 2, 1, 1))


def test_the_twenty_most_frequent_categories_have_a_bin_unless_asked_otherwise() -> None:
    values = [f"c{n:02d}" for n in range(22)]
    feature = fit({"x": values}, {"x": FeatureKind.CATEGORICAL}).features[0]
    assert (len(feature.counts), feature.special.unseen) == (20, 2)


def test_ten_distinct_values_have_a_bin_each_and_eleven_are_cut_at_deciles() -> None:
    assert numeric([*range(10)] * 3 + [0] * 70).counts == (73, *[3] * 9)
    assert len(numeric([*range(11)] * 3 + [0] * 70).counts) < 5


def test_a_fraction_keeps_its_text_and_a_whole_number_loses_its_point() -> None:
    assert categorical([1.5, 1.0, 1]).categories == ("1", "1.5")


def test_scores_are_binned_like_a_feature_and_absent_without_scores() -> None:
    kinds = {"x": FeatureKind.NUMERIC}
    scored = fit({"x": [1.0, 2.0]}, kinds, scores=[0.25, 0.75]).score
    assert scored is not None
    assert (scored.name, scored.counts, scored.edges, scored.mean, scored.deviation) == (
        "score", (1, 1), (0.25, 0.75, 0.75), 0.5, 0.25,
    )  # fmt: skip
    assert fit({"x": [1.0, 2.0]}, kinds).score is None
