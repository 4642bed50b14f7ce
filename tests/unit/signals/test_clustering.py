"""A change within a window is a change; batches that come and go are clustering."""

import math

import numpy as np
import pytest
from scipy import stats

from homeostat.enums import SignalState
from homeostat.signals import FeatureKind, bin_labels, feature_drift, fit, judge
from homeostat.signals.clustering import Clustering, clustering
from homeostat.signals.histogram import count

SHARES = np.full(5, 0.2)
MOVED = np.array([0.05, 0.05, 0.1, 0.3, 0.5])


def parts_with_a_step(after: int, rows: int = 200) -> np.ndarray:
    """Twelve parts of independent rows whose shares change once."""
    rng = np.random.default_rng(after)
    return np.array([rng.multinomial(rows, SHARES if part < after else MOVED) for part in range(12)], dtype=float)


@pytest.mark.parametrize("after", [2, 5, 10])
def test_after_a_step_the_design_effect_is_that_of_the_rows_on_each_side_of_it(after: int) -> None:
    cluster = clustering(parts_with_a_step(after))
    assert cluster.change == after
    assert cluster.effect < 2
    assert cluster.groups == pytest.approx(10)


@pytest.mark.parametrize("after", [1, 11])
def test_one_deviating_part_at_an_end_of_the_window_is_no_change_yet(after: int) -> None:
    assert clustering(parts_with_a_step(after)).change in {0, 2, 10}


def test_five_parts_are_too_few_to_show_a_change() -> None:
    parts = np.array([[100.0, 0], [100, 0], [0, 100], [0, 100], [0, 100]])
    assert clustering(parts).change == 0
    assert clustering(np.vstack([parts, [[0.0, 100]]])).change == 2


def test_parts_that_differ_no_more_than_independent_rows_show_no_change() -> None:
    even, moved = [20.0] * 5, [31.0, 9, 20, 20, 20]
    parts = np.array([even] * 6 + [moved] * 6)
    assert p_value_of(parts, 6) < 0.001 / 9
    assert (clustering(parts).effect, clustering(parts).change) == (1.0, 0)


def test_batches_that_alternate_are_no_change() -> None:
    cluster = clustering(np.array([[90.0, 10], [10, 90]] * 6))
    assert (cluster.change, cluster.effect > 20) == (0, True)


def test_batches_are_seldom_taken_for_a_change() -> None:
    rng = np.random.default_rng(3)
    segments = rng.dirichlet(SHARES * 10, size=8)
    windows = [np.array([rng.multinomial(80, segments[rng.integers(8)]) for _ in range(12)]) for _ in range(300)]
    assert np.mean([clustering(window.astype(float)).change > 0 for window in windows]) <= 0.01


@pytest.mark.parametrize("after", [3, 6, 9])
def test_values_that_leave_the_training_range_within_a_window_are_a_breach_of_that_window(after: int) -> None:
    rng = np.random.default_rng(after)
    feature = fit({"x": rng.normal(0, 1, 5000).tolist()}, {"x": FeatureKind.NUMERIC}).features[0]
    parts = [rng.normal(0 if part < after else 9, 1, 200).tolist() for part in range(12)]
    counted = [dict(zip(bin_labels(feature), map(float, count(feature, part)), strict=True)) for part in parts]
    estimate = judge([feature_drift(feature, counted)], 0.1, 200)
    assert (estimate.state, estimate.unseen) == (SignalState.BREACHED, ("x",))


def around(parts: np.ndarray, cut: int) -> Clustering:
    """Effect, rank and groups around the shares on each side of a cut, from the definitions in docs/signals.md."""
    total, bins = parts.sum(), range(parts.shape[1])
    pooled = parts.sum(axis=0) / total
    covariance, scale, groups = np.zeros((len(bins), len(bins))), 0.0, 0.0
    for side in (parts[:cut], parts[cut:]):
        shares = side.sum(axis=0) / side.sum()
        groups += side.sum() ** 2 / sum(part.sum() ** 2 for part in side) - 1
        for part in side:
            rows = part.sum()
            scale += rows / total * (1 - rows / side.sum())
            for b in bins:
                for c in bins:
                    product = (part[b] - rows * shares[b]) * (part[c] - rows * shares[c])
                    covariance[b, c] += product / total / math.sqrt(pooled[b] * pooled[c])
    covariance /= scale
    trace, freedom = float(np.trace(covariance)), len(bins) - 1
    squares = float((covariance**2).sum())
    unbiased = (squares - trace**2 / groups) * groups**2 / ((groups - 1) * (groups + 2))
    rank = min(freedom, max(1.0, trace**2 / unbiased)) if unbiased > 0 else freedom
    return Clustering(max(1.0, trace / freedom), rank, groups, cut)


def p_value_of(parts: np.ndarray, cut: int) -> float:
    """Of the difference between the shares before and after a cut."""
    within, freedom = around(parts, cut), parts.shape[1] - 1
    before, after = parts[:cut].sum(axis=0), parts[cut:].sum(axis=0)
    table = stats.chi2_contingency(np.array([before, after]), correction=False).statistic
    return float(stats.f.sf(table / (within.effect * freedom), within.rank, within.groups * within.rank))


def test_a_change_is_the_cut_of_the_least_p_value_below_a_thousandth_over_their_number() -> None:
    """Windows whose step is about as large as can just be seen, in parts that are not equally full."""
    rng = np.random.default_rng(11)
    near = []
    for _ in range(150):
        rows, after, step = rng.integers(60, 300, size=9), rng.integers(2, 8), rng.uniform(0, 0.6)
        shares = [SHARES * (1 - step) + MOVED * step if part >= after else SHARES for part in range(9)]
        parts = np.array([rng.multinomial(n, share) for n, share in zip(rows, shares, strict=True)], dtype=float)
        p_values = {cut: p_value_of(parts, cut) for cut in range(2, 8)}
        best = min(p_values, key=lambda cut: p_values[cut])
        shown = p_values[best] < 0.001 / 6
        near.append(p_values[best] * 6)
        cluster = clustering(parts)
        assert cluster.change == (best if shown else 0)
        if shown:
            known = around(parts, best)
            assert (cluster.effect, cluster.rank, cluster.groups) == pytest.approx(
                (known.effect, known.rank, known.groups)
            )
    assert any(0.001 <= p < 0.0015 for p in near)
    assert 20 < sum(p < 0.001 for p in near) < 130
