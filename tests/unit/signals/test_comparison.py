"""Intervals of differences, each computed a second time from pairs of rows or draws themselves."""

import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from homeostat.intervals import Floats
from homeostat.signals import comparison
from homeostat.signals.comparison import PairedComparison, compare
from homeostat.tasks import Better, Measured, Method, Metric
from homeostat.tasks.binary import BinaryClassification

Z = stats.norm.ppf(0.975)
LABELS = np.array([0, 1, 0, 1, 1, 0, 1])
GOOD = np.array([0.1, 0.6, 0.4, 0.4, 0.9, 0.6, 0.8])
ROUGH = np.array([0.5, 0.6, 0.4, 0.2, 0.7, 0.7, 0.5])


def median(_labels: NDArray[np.bool_], outputs: Floats, weights: Floats) -> Floats:
    return np.array([np.median(np.repeat(outputs, drawn.astype(int))) for drawn in weights])


class Medians(BinaryClassification):
    """A task with a metric that has no influence function."""

    metrics: Mapping[str, Metric] = {
        "median": Metric(
            "median", Better.SMALLER, lambda _, o: Measured(float(np.median(o))), Method.BOOTSTRAP, resampled=median
        )
    }


def compared(name: str, entities: list[str] | None = None) -> PairedComparison:
    found = compare(BinaryClassification(), LABELS, GOOD, ROUGH, entities)
    return next(metric for metric in found if metric.name == name)


def placements(scores: Floats) -> dict[int, float]:
    """Of each row, the share of rows of the other class that it is on the right side of."""
    sides = {i: [j for j in range(7) if LABELS[j] != LABELS[i]] for i in range(7)}
    signed = np.where(LABELS == 1, 1, -1)

    def right(i: int, j: int) -> float:
        return float((scores[i] - scores[j]) * signed[i] > 0) + float(scores[i] == scores[j]) / 2

    return {i: float(np.mean([right(i, j) for j in others])) for i, others in sides.items()}


def test_the_standard_error_of_auc_is_that_of_delong() -> None:
    gains = {i: placements(GOOD)[i] - placements(ROUGH)[i] for i in range(7)}
    by_class = [[gain for i, gain in gains.items() if LABELS[i] == label] for label in (0, 1)]
    error = math.sqrt(sum(float(np.var(one)) / len(one) for one in by_class) * 7 / 6)
    seen = compared("auc")
    assert seen.standard_error == pytest.approx(error)
    assert (seen.lower, seen.upper) == pytest.approx(
        ((seen.difference or 0) - Z * error, (seen.difference or 0) + Z * error)
    )
    assert seen.method is Method.DELONG


@pytest.mark.parametrize(("name", "sign"), [("brier", -1), ("accuracy", 1)])
def test_the_standard_error_of_a_mean_is_that_of_paired_rows(name: str, sign: int) -> None:
    def rows(scores: Floats) -> Floats:
        return (scores - LABELS) ** 2 if name == "brier" else np.asarray((scores >= 0.5) == LABELS, dtype=float)

    gains = sign * (rows(GOOD) - rows(ROUGH))
    seen = compared(name)
    assert (seen.challenger, seen.champion) == pytest.approx((rows(GOOD).mean(), rows(ROUGH).mean()))
    assert seen.difference == pytest.approx(gains.mean())
    assert seen.standard_error == pytest.approx(float(np.std(gains, ddof=1)) / math.sqrt(7))
    assert seen.method is Method.INFLUENCE


def test_influences_of_one_entity_are_added_up_before_they_are_squared() -> None:
    gains = (ROUGH - LABELS) ** 2 - (GOOD - LABELS) ** 2
    around = gains - gains.mean()
    sums = [around[[0, 1]].sum(), around[[2, 3]].sum(), around[[4, 5]].sum(), around[6]]
    error = math.sqrt(sum(s**2 for s in sums) * 4 / 3) / 7
    assert compared("brier", list("aabbccd")).standard_error == pytest.approx(error)


def test_rows_of_a_single_entity_have_values_but_no_interval() -> None:
    seen = compared("brier", ["a"] * 7)
    assert (seen.difference, seen.standard_error, seen.lower, seen.upper, seen.method) == (None,) * 5
    assert seen.champion is not None
    assert compared("brier", list("aaaaaab")).standard_error is not None


def test_a_metric_that_is_not_defined_has_no_value_for_either_model() -> None:
    auc = compare(BinaryClassification(), [1, 1], [0.2, 0.4], [0.3, 0.4])[0]
    assert (auc.challenger, auc.champion, auc.difference, auc.rows) == (None, None, None, 2)


def test_draws_are_whole_entities_in_chunks_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.array([0, 1, 0, 2, 1])
    monkeypatch.setattr(comparison, "_CELLS", 15)
    chunks = list(comparison._draws(codes, 7, 3))
    assert [chunk.shape for chunk in chunks] == [(3, 5), (3, 5), (1, 5)]
    drawn = np.concatenate(chunks)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, 1] == drawn[:, 4]).all()
    assert (drawn[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(drawn, axis=0)) > 2
    monkeypatch.setattr(comparison, "_CELLS", 4)
    assert [chunk.shape for chunk in comparison._draws(codes, 2, 3)] == [(1, 5)] * 2


def test_the_sum_of_many_draws_finds_every_entity_equally_often() -> None:
    (drawn,) = comparison._draws(np.arange(4), 4000, 0)
    assert drawn.mean(axis=0).tolist() == pytest.approx([1] * 4, abs=0.05)
    assert float(drawn.var()) == pytest.approx(3 / 4, abs=0.05)


def test_entities_are_numbered_as_they_appear() -> None:
    assert comparison.entity_codes(["b", "a", "b", "c"], 4).tolist() == [0, 1, 0, 2]
    assert comparison.entity_codes(None, 3).tolist() == [0, 1, 2]


def test_a_metric_without_influence_function_has_the_percentile_interval_of_2000_draws_of_seed_0() -> None:
    (seen,) = compare(Medians(), LABELS, GOOD, ROUGH, list("aabbccd"))
    draws = np.concatenate(list(comparison._draws(comparison.entity_codes(list("aabbccd"), 7), 2000, 0)))
    truth = LABELS.astype(bool)
    gains = median(truth, ROUGH, draws) - median(truth, GOOD, draws)
    assert seen.difference == pytest.approx(np.median(ROUGH) - np.median(GOOD))
    assert seen.method is Method.BOOTSTRAP
    assert (seen.lower, seen.upper) == pytest.approx(tuple(np.quantile(gains, (0.025, 0.975))))
    assert seen.standard_error == pytest.approx(np.std(gains, ddof=1))
    assert compare(Medians(), LABELS, GOOD, ROUGH, seed=7) != compare(Medians(), LABELS, GOOD, ROUGH)


@pytest.mark.parametrize(("drawn", "known"), [([0.1, math.nan, 0.3], True), ([0.1, math.nan, math.nan], False)])
def test_draws_on_which_a_metric_is_not_defined_are_left_out_and_two_are_needed(
    drawn: list[float], known: bool
) -> None:
    metric = Medians.metrics["median"]
    values = iter([np.zeros(3), np.array(drawn)] * 2)
    fake = Metric(metric.name, metric.better, metric.measure, metric.method, resampled=lambda *_: next(values))
    both = [Measured(0.0), Measured(0.2)]
    seen = comparison._by_bootstrap(fake, both, LABELS, [GOOD, ROUGH], iter([np.ones((3, 7))]))
    assert seen.get("lower") == (pytest.approx(0.1 + 0.025 * 0.2) if known else None)


def test_a_metric_nearer_to_zero_is_better_from_either_side() -> None:
    bias = Metric("bias", Better.NEARER_ZERO, lambda _, o: Measured(float(o.mean())))
    assert (bias.gain(0.1, -0.3), bias.gain(-0.4, 0.3)) == pytest.approx((0.2, -0.1))
    assert [bias.meets(value, 0.2) for value in (0.2, -0.2, 0.21, -0.21)] == [True, True, False, False]
    for value, champion in product((0.1, 0.3), repeat=2):
        assert bias.gain(value, champion) == pytest.approx(-bias.gain(champion, value))


def test_a_metric_that_is_defined_for_one_model_alone_is_not_bootstrapped() -> None:
    for both in ([None, Measured(0.2)], [Measured(0.2), None]):
        draws = iter([np.ones((3, 7))])
        assert comparison._by_bootstrap(Medians.metrics["median"], both, LABELS, [GOOD, ROUGH], draws) == {}
        assert comparison._by_influence(BinaryClassification.metrics["brier"], both, np.arange(7)) == {}
