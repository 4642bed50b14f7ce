"""The tables "Error rates" of docs/signals.md, held within bounds on fewer repetitions."""

import numpy as np
import pytest

from benchmarks.signals_table import (
    MIN_SAMPLES,
    SHAPES,
    THRESHOLD,
    TRUE_PSI,
    Shape,
    batches,
    breached,
    independent,
    measured,
    shape_window,
    tilted,
)
from homeostat.enums import SignalState
from homeostat.signals.drift import judge

REPETITIONS = 60
"""They know a rate of 2 % to about 4 points at worst; the draws are seeded, so the verdict is always the same."""


@pytest.mark.parametrize(("rows", "plain"), [(50, 0.95), (100, 0.95), (200, 0.2), (500, 0.0), (1000, 0.0)])
def test_independent_rows_seldom_breach_where_the_plain_index_often_does(rows: int, plain: float) -> None:
    rng = np.random.default_rng(rows)
    windows = [measured(independent(rng, rows)) for _ in range(REPETITIONS)]
    assert np.mean([breached(drifts) for drifts in windows]) <= 0.05
    assert np.mean([any(drift.psi > THRESHOLD for drift in drifts) for drifts in windows]) >= plain


@pytest.mark.parametrize(("rows", "least", "most"), [(100, 0.15, 0.55), (200, 0.8, 1.0), (500, 1.0, 1.0)])
def test_a_true_index_of_a_fifth_is_detected_as_often_as_the_table_says(rows: int, least: float, most: float) -> None:
    rng = np.random.default_rng(rows)
    windows = [measured(independent(rng, rows, tilted(TRUE_PSI))) for _ in range(REPETITIONS)]
    assert least <= np.mean(["f0" in judge(drifts, THRESHOLD, 1).moved for drifts in windows]) <= most


@pytest.mark.parametrize(
    ("rows", "size", "naive", "ours", "held", "effective"),
    [
        (1000, 50, 0.10, 0.15, 0.15, (180, 280)),
        (1000, 200, 0.90, 0.25, 0.12, (50, 95)),
        (5000, 200, 0.03, 0.10, 0.10, (270, 410)),
    ],
)
def test_batches_of_one_segment_breach_less_often_than_if_their_rows_were_independent(
    rows: int, size: int, naive: float, ours: float, held: float, effective: tuple[int, int]
) -> None:
    rng = np.random.default_rng(size)
    windows = [batches(rng, rows, size) for _ in range(REPETITIONS)]
    judged = [measured(window) for window in windows]
    assert np.mean([breached(measured(window, pooled=True)) for window in windows]) >= naive
    assert np.mean([breached(drifts) for drifts in judged]) <= ours
    assert np.mean([breached(drifts, MIN_SAMPLES) for drifts in judged]) <= held
    assert effective[0] <= np.median([drift.effective_samples for drifts in judged for drift in drifts]) <= effective[1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_features_of_every_shape_seldom_breach_by_chance_and_their_changes_are_detected(shape: Shape) -> None:
    rng = np.random.default_rng(5)
    still, changed = (
        np.mean([shape_window(rng, shape, 1000, changed=change).state is SignalState.BREACHED for _ in range(30)])
        for change in (False, True)
    )
    assert still <= 0.05
    assert changed >= (0.5 if shape.name.startswith("heavy") else 0.8)
