"""A change within a window is a change; batches that come and go are clustering."""

import numpy as np
import pytest

from homeostat.enums import SignalState
from homeostat.signals import FeatureKind, bin_labels, feature_drift, fit, judge
from homeostat.signals.clustering import clustering
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
