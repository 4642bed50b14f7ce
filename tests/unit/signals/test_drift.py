import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.signals import (
    DriftEstimate,
    FeatureBaseline,
    FeatureKind,
    SignalState,
    counter_increase,
    feature_drift,
    judge,
    sub_window_counts,
)
from homeostat.signals.clustering import clustering
from homeostat.signals.histogram import ABOVE, NULL, UNSEEN, SpecialCounts

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=12)
SAMPLES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6)), max_size=30)


def a_feature(*counts: int, name: str = "x", null: int = 0) -> FeatureBaseline:
    return FeatureBaseline(
        name=name,
        kind=FeatureKind.CATEGORICAL,
        categories=tuple("abcdefghijkl"[: len(counts)]),
        counts=counts,
        special=SpecialCounts(null=null),
        n=sum(counts) + null,
    )


def a_window(parts: int = 12, **counts: float) -> list[dict[str, float]]:
    """The same counts in each sub-window."""
    return [counts] * parts


def judged(feature: FeatureBaseline, window: list[dict[str, float]], min_samples: int = 200) -> DriftEstimate:
    return judge([feature_drift(feature, window)], threshold=0.1, min_samples=min_samples)


@given(SAMPLES, st.lists(st.floats(0, 100), min_size=3, max_size=3).map(sorted))
def test_increases_are_never_negative_and_add_up_over_adjoining_windows(
    samples: list[tuple[float, float]], times: list[float]
) -> None:
    start, middle, end = times
    whole = counter_increase(samples, start, end)
    assert whole >= 0
    assert whole == pytest.approx(counter_increase(samples, start, middle) + counter_increase(samples, middle, end))


@pytest.mark.parametrize(
    ("samples", "increase"),
    [
        ([], 0),
        ([(0, 5), (20, 9)], 4),
        ([(0, 5), (12, 7), (15, 2), (20, 3)], 5),  # restarted between 12 and 15
        ([(12, 7), (20, 9)], 9),  # born inside the window
        ([(10, 7), (20, 9)], 2),
        ([(0, 5), (25, 9)], 0),
        ([(0, 5), (15, math.nan), (20, 6)], 1),
    ],
)
def test_a_counter_is_read_by_raw_difference_with_restarts(samples: list[tuple[float, float]], increase: float) -> None:
    assert counter_increase(samples, 10, 20) == increase


def test_counts_of_several_pods_add_up_per_sub_window() -> None:
    pods = [("a", [(0.0, 0.0), (5.0, 3.0), (10.0, 4.0)]), ("a", [(4.0, 2.0)]), ("b", [(0.0, 9.0), (9.0, 10.0)])]
    assert sub_window_counts(pods, 0, 10, parts=2) == [{"a": 5.0, "b": 0.0}, {"a": 1.0, "b": 1.0}]


@given(COUNTS, st.data())
def test_the_index_is_never_negative_and_its_figures_are_in_range(counts: list[int], data: st.DataObject) -> None:
    feature = a_feature(*counts)
    sub_window = st.lists(st.integers(0, 50), min_size=len(counts), max_size=len(counts))
    rows = data.draw(st.lists(sub_window, min_size=1, max_size=12))
    drift = feature_drift(feature, [dict(zip(feature.categories, map(float, row), strict=True)) for row in rows])
    assert drift.psi >= 0
    assert 0 <= drift.p_value <= 1
    assert drift.design_effect >= 1
    assert drift.lower <= drift.excess <= drift.upper
    assert drift.excess <= drift.psi
    assert drift.effective_samples <= drift.samples == sum(map(sum, rows))


def test_the_index_is_that_of_the_formula() -> None:
    drift = feature_drift(a_feature(600, 400), [{"a": 30.0, "b": 70.0}])
    q, r = 600.5 / 1001, 30.5 / 101
    psi = (r - q) * math.log(r / q) + (q - r) * math.log((1 - r) / (1 - q))
    assert (drift.psi, drift.excess) == pytest.approx((psi, psi - 1 / 1000 - 1 / 100))


def test_the_noise_taken_off_grows_with_the_design_effect() -> None:
    batched = feature_drift(a_feature(500, 500), [{"a": 40.0, "b": 10.0}, {"a": 10.0, "b": 40.0}] * 6)
    assert batched.design_effect > 10
    assert batched.psi - batched.excess == pytest.approx(1 / 1000 + batched.design_effect / 600)
    assert batched.effective_samples == pytest.approx(600 / batched.design_effect)


def test_the_design_effect_is_that_of_pearson_when_sub_windows_are_equally_full() -> None:
    counts = np.array([[30.0, 20, 10], [10, 20, 30], [5, 25, 30], [40, 10, 10]])
    expected = counts.sum(axis=0) / counts.sum() * 60
    pearson = float(((counts - expected) ** 2 / expected).sum()) / (3 * 2)
    seen = clustering(counts)
    assert (seen.effect, seen.groups) == pytest.approx((pearson, 3))


def test_rows_in_batches_are_worth_fewer_independent_ones() -> None:
    rng = np.random.default_rng(1)
    even = np.full(5, 0.2)
    spread = clustering(rng.multinomial(400, even, size=12).astype(np.float64))
    batched = clustering(rng.multinomial(40, even, size=12).astype(np.float64) * 10)
    assert spread.effect < 2
    assert 5 < batched.effect < 20


def test_the_same_mix_is_calm_and_another_mix_breaches() -> None:
    same = judged(a_feature(500, 500), a_window(a=25, b=25))
    other = judged(a_feature(500, 500), a_window(a=45, b=5))
    assert (same.state, same.moved) == (SignalState.WITHIN_BOUNDS, ())
    assert (other.state, other.moved, other.feature) == (SignalState.BREACHED, ("x",), "x")
    assert "x has an excess PSI of" in other.sentence


def test_an_effect_without_significance_is_calm() -> None:
    estimate = judged(a_feature(500, 500), [{"a": 4.0, "b": 9.0}], min_samples=1)
    assert estimate.value is not None
    assert estimate.value > 0.05
    assert (
        judge([feature_drift(a_feature(500, 500), [{"a": 4.0, "b": 9.0}])], 0.05, 1).state is SignalState.WITHIN_BOUNDS
    )


def test_significance_without_effect_is_calm() -> None:
    drift = feature_drift(a_feature(500_000, 500_000), a_window(a=5200, b=4800))
    assert drift.p_value < 1e-6
    assert judge([drift], 0.1, 200).state is SignalState.WITHIN_BOUNDS


@pytest.mark.parametrize(("label", "null", "unseen"), [(NULL, ("x",), ()), (UNSEEN, (), ("x",)), (ABOVE, (), ("x",))])
def test_a_rise_of_a_special_share_breaches_though_the_regular_bins_are_still(
    label: str, null: tuple[str, ...], unseen: tuple[str, ...]
) -> None:
    estimate = judged(a_feature(500, 500), [{"a": 20.0, "b": 20.0, label: 15.0}] * 12)
    assert (estimate.state, estimate.null, estimate.unseen) == (SignalState.BREACHED, null, unseen)
    assert "27.3%" in estimate.sentence


def test_a_special_share_as_in_training_is_calm() -> None:
    feature = a_feature(400, 400, null=200)
    assert judged(feature, [{"a": 20.0, "b": 20.0, NULL: 10.0}] * 12).state is SignalState.WITHIN_BOUNDS


def test_a_feature_that_is_missing_throughout_breaches() -> None:
    assert judged(a_feature(500, 500), [{NULL: 50.0}] * 12).null == ("x",)


def test_an_effective_sample_below_min_samples_is_no_data() -> None:
    few = judged(a_feature(500, 500), a_window(a=9, b=1))
    batches = judged(a_feature(500, 500), [{"a": 100.0}, {"b": 100.0}] * 6)
    assert (few.state, batches.state) == (SignalState.NO_DATA, SignalState.NO_DATA)
    assert "1200 rows, design effect" in batches.sentence
    assert judge([], 0.1, 200).state is SignalState.NO_DATA


def test_one_moved_feature_among_many_is_named() -> None:
    still = [feature_drift(a_feature(500, 500, name=f"f{n}"), a_window(a=25, b=25)) for n in range(19)]
    moved = feature_drift(a_feature(500, 500, name="moved"), a_window(a=40, b=10))
    estimate = judge([*still, moved], 0.1, 200)
    assert (estimate.feature, estimate.moved, estimate.value) == ("moved", ("moved",), moved.excess)


def test_counts_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="bin 'z' is not in the baseline of feature 'x'"):
        feature_drift(a_feature(1, 1), [{"z": 1.0}])
