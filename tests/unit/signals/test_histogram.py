import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.signals import Baseline, FeatureBaseline, FeatureKind, assign, bin_labels, fit, histogram
from homeostat.signals.histogram import ABOVE, BELOW, NULL, UNSEEN, count
from homeostat.values import LARGEST

NUMBERS = st.lists(st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=1, max_size=200)
TEXTS = st.lists(st.one_of(st.sampled_from("abc"), st.text(max_size=3), st.none()), min_size=1, max_size=100)


def numeric(values: Sequence[object]) -> FeatureBaseline:
    return fit({"x": values}, {"x": FeatureKind.NUMERIC}).features[0]


def categorical(values: Sequence[object], max_categories: int = 20) -> FeatureBaseline:
    return fit({"x": values}, {"x": FeatureKind.CATEGORICAL}, max_categories=max_categories).features[0]


@given(NUMBERS)
def test_training_numbers_are_assigned_as_they_were_counted(values: list[float]) -> None:
    feature = numeric(values)
    labels = [assign(feature, value) for value in values]
    assert [labels.count(label) for label in feature.regular_labels] == list(feature.counts)


@given(st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.5, 2.5, *range(3, 40)]), min_size=30, max_size=300))
def test_values_of_a_spiked_feature_are_assigned_as_they_were_counted(values: list[float]) -> None:
    feature = numeric(values)
    labels = [assign(feature, value) for value in values]
    assert [labels.count(label) for label in feature.regular_labels] == list(feature.counts)
    assert feature.span == (min(values), max(values))


@given(NUMBERS)
def test_no_bin_of_the_training_data_is_empty_between_distinct_values(values: list[float]) -> None:
    feature = numeric(values)
    assert 1 <= len(feature.counts) <= 12
    assert feature.counts[0] > 0
    assert len(set(feature.edges[:-1])) == feature.intervals


@given(TEXTS, st.integers(1, 5))
def test_training_categories_are_assigned_as_they_were_counted(values: list[str | None], most: int) -> None:
    feature = categorical(values, max_categories=most)
    labels = [assign(feature, value) for value in values]
    counted = dict(zip(feature.regular_labels, feature.counts, strict=True)) | feature.special.by_label()
    assert {label: labels.count(label) for label in bin_labels(feature)} == counted
    assert feature.special.unseen == 0


SERVED = st.lists(
    st.one_of(st.integers(-5, 45), st.floats(), st.none(), st.booleans(), st.just(10**400), st.just(-(10**400)))
)


@given(SERVED, st.one_of(SERVED, st.lists(st.one_of(st.floats(), st.text(max_size=2), st.integers()))))
def test_counting_a_column_at_once_agrees_with_counting_its_values_one_by_one(
    plain: list[object], mixed: list[object]
) -> None:
    continuous, spiked, few = list(range(40)), [0] * 90 + list(range(1, 41)), [0, 1] * 20
    for feature in (numeric(continuous), numeric(spiked), numeric(few), numeric([None]), categorical(["a", "b", "b"])):
        for values in (plain, mixed):
            one_by_one = [assign(feature, value) for value in values]
            assert count(feature, values).tolist() == [one_by_one.count(label) for label in bin_labels(feature)]


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Values whose bin was looked up one at a time."""
    values: list[object] = []
    look_up = histogram.bin_index

    def noted(feature: FeatureBaseline, value: object) -> int:
        values.append(value)
        return look_up(feature, value)

    monkeypatch.setattr(histogram, "bin_index", noted)
    return values


@pytest.mark.parametrize("value", [1, 1.5, True, None])
def test_plain_numbers_are_counted_without_a_look_up_for_each(value: object, looked_up: list[object]) -> None:
    count(numeric([0, 1, 2]), [value, value])
    assert looked_up == []


@pytest.mark.parametrize(
    "values", [["a"], ["a", None], [1], [1, 1.5, None], [1.5], [True], [True, False, None], [None]]
)
def test_a_category_is_looked_up_once_however_many_rows_have_it(values: list[object], looked_up: list[object]) -> None:
    count(categorical(["a", "b"]), values * 3)
    assert looked_up == values


@pytest.mark.parametrize("values", [[1, True], ["1", 1], [True, 1.0]])
def test_categories_of_types_whose_equal_values_differ_are_looked_up_one_by_one(
    values: list[object], looked_up: list[object]
) -> None:
    count(categorical(["a", "b"]), values * 2)
    assert len(looked_up) == 4


def test_deciles_hold_a_tenth_each() -> None:
    assert numeric(list(range(1000))).counts == (100,) * 10


def test_a_constant_feature_has_one_bin() -> None:
    feature = numeric([3.0] * 5)
    assert (feature.edges, feature.counts) == ((3.0, 3.0), (5,))
    assert [assign(feature, value) for value in (2, 3, 4)] == [BELOW, "0", ABOVE]


def test_few_distinct_values_have_a_bin_each_however_rare() -> None:
    assert numeric([0] * 98 + [1] * 2).counts == (98, 2)


@pytest.mark.parametrize("spike", [0, 37, 100])
def test_a_value_of_many_rows_has_a_bin_of_its_own_wherever_it_lies(spike: int) -> None:
    feature = numeric([spike] * 900 + [value for value in range(101) if value != spike])
    assert (feature.points, feature.counts[-1], feature.intervals) == ((float(spike),), 900, 3)
    assert sum(feature.counts) == 1000
    assert {assign(feature, spike), assign(feature, spike + 0.5)} == {"3", assign(feature, spike + 0.5)}
    assert assign(feature, spike + 0.5) != "3"


def test_values_beside_a_spike_get_their_share_of_the_intervals() -> None:
    assert numeric([0] * 500 + list(range(1, 501))).counts == (100,) * 5 + (500,)


def test_a_spike_needs_ten_rows_and_a_tenth_of_all() -> None:
    assert numeric([*range(81), *[0] * 9]).points == (0.0,)
    assert numeric([*range(91), *[0] * 9]).points == (0.0,)
    assert numeric([*range(82), *[0] * 8]).points == ()
    assert numeric([*range(300), *[0] * 29]).points == ()


def test_values_of_fewer_than_ten_rows_each_are_intervals_and_none_of_them_is_empty() -> None:
    assert numeric([0] * 9 + [1] * 9).points == ()
    assert numeric([0] * 9 + [1] * 11).points == (0.0, 1.0)
    assert numeric([0] * 9 + list(range(1, 10))).counts == (9, *[1] * 9)
    assert numeric([0] * 9 + list(range(1, 12))).counts == (10, 2, 2, 2, 2, 2)


def test_a_point_is_also_met_by_what_a_sender_of_32_bit_numbers_makes_of_it() -> None:
    feature = numeric([0.1, 0.7] * 20)
    assert [assign(feature, float(np.float32(value))) for value in (0.1, 0.7)] == ["0", "1"]


def test_between_the_only_values_of_training_nothing_has_been_seen() -> None:
    feature = numeric([0, 1] * 20)
    assert (feature.points, feature.edges) == ((0.0, 1.0), ())
    assert [assign(feature, value) for value in (-1, 0, 0.5, 1, 2)] == [BELOW, "0", UNSEEN, "1", ABOVE]
    three = numeric([0, 1, 2] * 20)
    assert [assign(three, value) for value in (-1, 0.5, 1, 1.5, 3)] == [BELOW, UNSEEN, "1", UNSEEN, ABOVE]


def test_rarer_categories_share_bins_and_are_distinguished_from_those_never_seen() -> None:
    feature = categorical([f"c{n % 50:02d}" for n in range(5000)])
    assert feature.counts[:20] == (100,) * 20
    assert (len(feature.groups), sum(feature.counts[20:])) == (6, 3000)
    assert sorted(text for group in feature.groups for text in group) == [f"c{n}" for n in range(20, 50)]
    assert [assign(feature, text) for text in ("c00", feature.groups[5][0], "new")] == ["c00", "__rare_5__", UNSEEN]
    assert feature.unseen_share == 0


def test_of_many_categories_only_those_with_one_percent_of_the_rows_have_a_bin_of_their_own() -> None:
    feature = categorical(["a"] * 10 + ["b"] * 9 + [f"c{n}" for n in range(981)])
    assert feature.categories == ("a",)


def test_categories_share_bins_whichever_of_them_are_frequent_by_chance() -> None:
    feature = categorical([f"c{n}" for n in range(1000) for _ in range(1 + n % 3)])
    assert all(150 <= rows <= 250 for rows in feature.counts)


def test_the_expected_share_of_new_categories_is_that_of_categories_seen_once() -> None:
    assert categorical(["a"] * 6 + ["b", "c", "d", None]).unseen_share == pytest.approx(0.3)
    assert categorical([]).unseen_share == 0


def test_the_rarest_of_very_many_categories_are_not_kept_and_count_as_unseen() -> None:
    feature = categorical([f"{n:05d}" for n in range(10_050)] + ["00000"])
    assert len(feature.bin_of_category) == 10_000
    assert (feature.special.unseen, feature.unseen_share) == (50, 1.0)
    long = categorical([f"{n:05d}" * 100 for n in range(1_100)])
    assert (len(long.bin_of_category), long.special.unseen) == (1000, 100)
    one_more = categorical(["x", "x", *(f"{n:05d}" * 100 for n in range(1_000))])
    assert (len(one_more.bin_of_category), one_more.special.unseen) == (1000, 1)


def test_rare_groups_follow_the_share_that_they_hold_up_to_ten() -> None:
    assert len(categorical(["a"] * 97 + ["b", "c", "d"], max_categories=1).groups) == 1
    assert len(categorical([f"c{n}" for n in range(4000)]).groups) == 10


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
        (math.inf, NULL),
        (10**400, NULL),
        (-(10**400), NULL),
        (-1e39, NULL),
        ("fast", UNSEEN),
        (True, "1"),
    ],
)
def test_what_lies_outside_the_bins_has_a_bin_of_its_own(value: object, label: str) -> None:
    assert assign(numeric(list(range(10))), value) == label


def test_a_category_is_the_same_as_number_and_as_text() -> None:
    feature = categorical([0, 1, 1])
    assert [assign(feature, value) for value in (1, 1.0, "1", "2")] == ["1", "1", "1", UNSEEN]


@pytest.mark.parametrize("reserved", [NULL, "__rare_0__"])
def test_a_category_spelled_like_a_reserved_label_counts_as_unseen(reserved: str) -> None:
    feature = categorical([reserved, "a"])
    assert (feature.categories, feature.special.unseen, assign(feature, reserved)) == (("a",), 1, UNSEEN)


def test_training_values_that_a_model_cannot_compute_with_are_missing_ones() -> None:
    feature = numeric([-math.inf, 1.0, 2.0, 1e39])
    assert (feature.special.null, feature.special.above, feature.edges[0], feature.edges[-1]) == (2, 0, 1.0, 2.0)


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
        ({"edges": (2.0, 1.0, 3.0)}, "edges of feature 'x' must ascend"),
        ({"points": (4.0,)}, "2 entries for 3 bins"),
        ({"edges": (), "points": (2.0, 2.0)}, "points of feature 'x' must ascend"),
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


def test_twenty_categories_have_a_bin_each_however_rare_unless_fewer_are_allowed() -> None:
    values = [f"c{n:02d}" for n in range(20)] + ["c00"] * 2000
    feature = fit({"x": values}, {"x": FeatureKind.CATEGORICAL}).features[0]
    assert (len(feature.categories), feature.groups) == (20, ())
    assert len(categorical(values, max_categories=19).categories) == 1
    more = fit({"x": [*values, "c20"]}, {"x": FeatureKind.CATEGORICAL}).features[0]
    assert more.categories == ("c00",)


def test_ten_distinct_values_have_a_bin_each_and_eleven_are_cut_at_deciles() -> None:
    assert numeric([*range(10)] * 3 + [0] * 70).counts == (73, *[3] * 9)
    assert numeric([*range(11)] * 3 + [0] * 70).counts == (9, 9, 12, 73)


def test_a_fraction_keeps_its_text_and_a_whole_number_loses_its_point() -> None:
    assert categorical([1.5, 1.0, 1]).categories == ("1", "1.5")


def test_predicted_classes_are_binned_like_a_categorical_feature() -> None:
    kinds = {"x": FeatureKind.NUMERIC}
    scored = fit({"x": [1.0, 2.0, 3.0]}, kinds, scores=["b", "a", "b"]).score
    assert scored is not None
    assert (scored.name, scored.kind, scored.categories, scored.counts) == ("score", "Categorical", ("b", "a"), (2, 1))


def test_scores_are_binned_like_a_feature_and_absent_without_scores() -> None:
    kinds = {"x": FeatureKind.NUMERIC}
    scored = fit({"x": [1.0, 2.0]}, kinds, scores=[0.25, 0.75]).score
    assert scored is not None
    assert (scored.name, scored.counts, scored.edges, scored.mean, scored.deviation) == (
        "score", (1, 1), (0.25, 0.75, 0.75), 0.5, 0.25,
    )  # fmt: skip
    assert fit({"x": [1.0, 2.0]}, kinds).score is None


def test_the_largest_number_of_single_precision_is_a_value_and_a_larger_one_is_missing() -> None:
    feature = numeric([1.0, 2.0] * 20)
    found = count(feature, [LARGEST, -LARGEST, math.nextafter(LARGEST, math.inf)])
    assert dict(zip(bin_labels(feature)[-4:], found[-4:].tolist(), strict=True)) == {
        NULL: 1,
        BELOW: 1,
        ABOVE: 1,
        UNSEEN: 0,
    }
