"""Numbers of performance, each computed a second time from the rows or pairs themselves."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import stats

from homeostat.enums import Operator, SignalState
from homeostat.intervals import Floats, normal, wilson
from homeostat.signals.estimate import Threshold, combined, judge_value
from homeostat.signals.performance import coverage, coverage_fell, judge_performance
from homeostat.tasks.binary import (
    BinaryClassification,
    BinaryCohort,
    BinaryMetric,
    auc_from_bins,
    brier_losses,
    calibration_error,
    correct,
    log_losses,
)

BINARY = BinaryClassification()
ABOVE, BELOW = Operator.GREATER_THAN, Operator.LESS_THAN
Z = stats.norm.ppf(0.975)
SCORES = [0.0, 0.105, 0.3, 0.5, 0.5, 0.62, 0.755, 0.995, 1.0]
LABELS = [0, 1, 0, 1, 0, 1, 0, 1, 1]


def test_counts_of_a_cohort_are_sums_over_its_rows() -> None:
    losses = [-math.log(max(s if y else 1 - s, 1e-15)) for s, y in zip(SCORES, LABELS, strict=True)]
    briers = [(s - y) ** 2 for s, y in zip(SCORES, LABELS, strict=True)]
    seen = BINARY.cohort(SCORES, LABELS)
    assert (seen.predictions, seen.matured, seen.positives, seen.correct) == (9, 9, 5, 6)
    assert (seen.log_loss_sum, seen.log_loss_squares) == pytest.approx((sum(losses), sum(x**2 for x in losses)))
    assert (seen.brier_sum, seen.brier_squares) == pytest.approx((sum(briers), sum(x**2 for x in briers)))
    filled = {n: bin_ for n, bin_ in enumerate(seen.score_bins) if bin_ != (0, 0)}
    assert filled == {0: (1, 0), 10: (0, 1), 30: (1, 0), 50: (1, 1), 62: (0, 1), 75: (1, 0), 99: (0, 2)}
    assert len(seen.score_bins) == 100
    assert BINARY.cohort(SCORES, LABELS, predictions=20).predictions == 20


@pytest.mark.parametrize("score", [-0.01, 1.01, math.nan])
def test_each_score_must_be_a_probability(score: float) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        BINARY.cohort([0.5, score], [0, 1])


def test_a_certain_error_costs_as_much_as_the_floor_of_probabilities() -> None:
    assert log_losses(np.array([True, False]), np.zeros(2)).tolist() == [pytest.approx(-math.log(1e-15)), 0.0]


def test_accuracy_takes_a_score_of_a_half_for_positive() -> None:
    truth = np.array([True, False, True, False])
    assert correct(truth, np.array([0.5, 0.5, 0.49, 0.49])).tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(("metric", "losses"), [("logloss", log_losses), ("brier", brier_losses)])
def test_a_mean_has_bounds_of_1_96_standard_errors(
    metric: str, losses: Callable[[NDArray[np.bool_], Floats], Floats]
) -> None:
    scores, labels = [0.1, 0.3, 0.45, 0.6, 0.8, 0.35], [0, 0, 1, 1, 1, 0]
    rows = losses(np.array(labels, dtype=bool), np.array(scores))
    error = float(np.std(rows, ddof=1)) / math.sqrt(6)
    seen = BINARY.cohort(scores, labels).estimate(metric)
    assert seen is not None
    assert (seen.value, seen.standard_error, seen.samples) == pytest.approx((rows.mean(), error, 6))
    assert (seen.lower, seen.upper) == pytest.approx((max(0, rows.mean() - Z * error), rows.mean() + Z * error))
    assert seen.lower > 0


def test_bounds_are_cut_to_what_a_quantity_can_be() -> None:
    wide = normal(0.5, 1.0, 9, least=0.0, most=1.0)
    assert (wide.lower, wide.upper) == (0, 1)
    assert normal(0.5, 1.0, 9, least=-9).lower == pytest.approx(0.5 - Z)
    same = BINARY.cohort([0.2, 0.2], [0, 0]).estimate(BinaryMetric.BRIER)
    assert same is not None
    assert (same.standard_error, same.lower) == pytest.approx((0, 0.04))


def test_two_outcomes_are_needed_for_an_estimate() -> None:
    assert BINARY.cohort([0.2], [0]).estimate(BinaryMetric.BRIER) is None
    two = BINARY.cohort([0.2, 0.4], [0, 0]).estimate(BinaryMetric.BRIER)
    assert two is not None
    assert (two.value, two.standard_error) == pytest.approx((0.1, 0.06))
    assert two.lower == 0


def test_accuracy_and_coverage_are_shares_with_wilsons_interval() -> None:
    seen = BINARY.cohort(SCORES, LABELS, predictions=20)
    accurate, covered = seen.estimate(BinaryMetric.ACCURACY), coverage(seen)
    for share, part, whole in ((accurate, 6, 9), (covered, 9, 20)):
        assert share is not None
        reference = stats.binomtest(part, whole).proportion_ci(method="wilson")
        p = part / whole
        assert (share.value, share.standard_error) == pytest.approx((p, math.sqrt(p * (1 - p) / whole)))
        assert (share.lower, share.upper, share.samples) == pytest.approx((reference.low, reference.high, whole))
    none = coverage(BinaryCohort())
    assert (none.value, none.standard_error, none.lower, none.upper) == (0, 0, 0, 1)


def test_a_share_of_a_fraction_of_a_row_stays_between_none_and_all() -> None:
    assert wilson(1, 1) == pytest.approx((1 / (1 + Z**2), 1))
    assert wilson(0.5, 0.5)[1] == 1
    assert all(wilson(n, n)[1] <= 1 for n in range(1, 100)), "by rounding alone the bound of 11 of 11 would be above 1"
    assert wilson(3, 2) == wilson(2, 2)
    assert wilson(-1, 2) == wilson(0, 2)
    assert wilson(1, -1) == (0, 1)
    assert wilson(50, 100, z=0) == (0.5, 0.5)


def test_coverage_fell_if_its_upper_bound_is_more_than_twenty_points_below_usual() -> None:
    seen = BINARY.cohort([0.5] * 50, [1] * 50, predictions=100)
    upper = coverage(seen).upper
    assert coverage_fell(seen, upper + 0.201)
    assert not coverage_fell(seen, upper + 0.199)
    assert not coverage_fell(seen, upper, tolerance=0.0)


@pytest.mark.parametrize(
    "table",
    [
        [(4, 1), (3, 2), (0, 1), (2, 5), (1, 4)],
        [(1, 0), (0, 0), (1, 3)],
        [(3, 2), (0, 1)],
        [(0, 3), (3, 1), (2, 0)],
    ],
)
def test_auc_and_its_error_are_counted_pair_by_pair_and_triple_by_triple(table: list[tuple[int, int]]) -> None:
    """Hanley and McNeil's Q1 and Q2; of two equal scores and the third, ties are broken at random."""
    bad = [n for n, (count, _) in enumerate(table) for _ in range(count)]
    good = [n for n, (_, count) in enumerate(table) for _ in range(count)]

    def wins(top: int, low: int) -> float:
        return (top > low) + (top == low) / 2

    def both(first: int, second: int, third: int) -> float:
        """Chance that `third` lies beyond neither: both others are on its right side."""
        ties = (first == third) + (second == third)
        return float(min(first, second) >= third) * {0: 1, 1: 1 / 2, 2: 1 / 3}[ties]

    area = np.mean([wins(g, b) for g, b in product(good, bad)])
    q1 = np.mean([both(g, h, b) for g, h, b in product(good, good, bad)])
    q2 = np.mean([both(-b, -c, -g) for g, b, c in product(good, bad, bad)])
    p, n = len(good), len(bad)
    spread = float(area * (1 - area) + (p - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2))
    error = math.sqrt(max(0.0, spread) / (p * n))
    seen = auc_from_bins(table)
    assert seen is not None
    assert (seen.value, seen.standard_error, seen.samples) == pytest.approx((area, error, p + n))
    assert (seen.lower, seen.upper) == pytest.approx((max(0, area - Z * error), min(1, area + Z * error)))


@pytest.mark.parametrize(("table", "area"), [([(3, 0), (0, 4)], 1), ([(0, 4), (3, 0)], 0), ([(1, 0), (0, 1)], 1)])
def test_a_perfect_order_and_its_reverse_have_no_error(table: list[tuple[int, int]], area: float) -> None:
    seen = auc_from_bins(table)
    assert seen is not None
    assert (seen.value, seen.standard_error, seen.lower, seen.upper) == (area, 0, area, area)


@pytest.mark.parametrize("table", [[(5, 0), (2, 0)], [(0, 5), (0, 2)], [(0, 0)]])
def test_auc_needs_both_classes(table: list[tuple[int, int]]) -> None:
    assert auc_from_bins(table) is None


def a_calibration(rows: int, right: float) -> BinaryCohort:
    """Scores of 0.155 and 0.845, positive in that share of them or in `right` of that share."""
    scores = [0.155] * rows + [0.845] * rows
    labels = [n < 0.155 * rows * right for n in range(rows)] + [n < 0.845 * rows * right for n in range(rows)]
    return BINARY.cohort(scores, labels)


def test_calibration_error_is_the_distance_of_score_and_frequency_less_its_noise() -> None:
    seen = calibration_error(a_calibration(200, 0.6))
    assert seen is not None
    value = (abs(19 - 31) + abs(102 - 169)) / 400
    deviations = [math.sqrt(200 * 0.155 * 0.845)] * 2
    noise, error = sum(deviations) * math.sqrt(2 / math.pi) / 400, math.hypot(*deviations) / 400
    assert (seen.value, seen.standard_error, seen.samples) == pytest.approx((value, error, 400))
    assert (seen.lower, seen.upper) == pytest.approx((value - noise - Z * error, value + Z * error))
    assert seen.lower > 0


def test_calibration_error_is_counted_in_tenths_of_the_score() -> None:
    """0.11 too low and 0.19 too high cancel out within a tenth, 0.19 and 0.21 do not."""
    within = calibration_error(BINARY.cohort([0.115, 0.185] * 20, [0, 0, *([0] * 32), *([1] * 6)]))
    across = calibration_error(BINARY.cohort([0.195] * 10 + [0.205] * 10, [1] * 4 + [0] * 16))
    assert within is not None
    assert across is not None
    assert within.value == pytest.approx(0)
    assert across.value == pytest.approx((4 - 1.95 + 2.05) / 20)


def test_bounds_of_calibration_error_stay_between_0_and_1() -> None:
    calm, wrong = calibration_error(a_calibration(20, 1.0)), calibration_error(BINARY.cohort([0.995], [0]))
    assert calm is not None
    assert wrong is not None
    assert calm.lower == 0
    assert wrong.upper == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"predictions": 2, "matured": 3}, "no more than the one before"),
        ({"predictions": 3, "matured": 3, "positives": 4}, "no more than the one before"),
        ({"predictions": 3, "matured": 3, "correct": 4}, "no more than the one before"),
        ({"predictions": 3, "matured": 3}, "scoreBins hold 0 outcomes, but matured is 3"),
        ({"score_bins": ((0, 0),) * 99}, "scoreBins has 99 bins; 100 are needed"),
        ({"score_bins": ((0, 0),) * 101}, "scoreBins has 101 bins; 100 are needed"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(counts: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BinaryCohort.model_validate(counts)


def test_every_prediction_may_have_matured_positive_and_correct() -> None:
    bins = ((0, 3),) + ((0, 0),) * 99
    full = BinaryCohort(predictions=3, matured=3, positives=3, correct=3, score_bins=bins)
    assert (full.matured, full.positives, full.correct) == (3, 3, 3)


def test_a_metric_is_judged_from_min_samples_on() -> None:
    seen = BINARY.cohort([0.2] * 100, [0] * 100)
    at = judge_performance(BinaryMetric.BRIER, Threshold(ABOVE, 0.03), seen, 100, ripe=True)
    assert (at.state, at.matured, at.coverage.value) == (SignalState.BREACHED, 100, 1)
    assert at.sentence == "brier: 0.0400 (95 % 0.0400 to 0.0400, 100 outcomes) is above 0.03."
    below = judge_performance(BinaryMetric.BRIER, Threshold(ABOVE, 0.03), seen, 101, ripe=True)
    assert (below.state, below.estimate) == (SignalState.OUTCOMES_PENDING, None)
    assert below.sentence == "brier: 100 due predictions, below minSamples of 101."


@pytest.mark.parametrize(
    ("operator", "value", "said"),
    [
        (ABOVE, 0.05, "is not shown to be above 0.05"),
        (BELOW, 0.05, "is below 0.05"),
        (BELOW, 0.03, "is not shown to be below 0.03"),
    ],
)
def test_the_sentence_says_on_which_side_of_its_bound_a_metric_is(operator: Operator, value: float, said: str) -> None:
    seen = BINARY.cohort([0.2] * 100, [0] * 100)
    judged = judge_performance(BinaryMetric.BRIER, Threshold(operator, value), seen, 100, ripe=True)
    assert judged.sentence == f"brier: 0.0400 (95 % 0.0400 to 0.0400, 100 outcomes) {said}."
    assert judged.state is (SignalState.WITHIN_BOUNDS if "not shown" in said else SignalState.BREACHED)


def test_what_is_pending_and_what_is_missing_are_distinguished() -> None:
    bound = Threshold(ABOVE, 0.1)
    few = BINARY.cohort([0.2] * 40, [0] * 40, predictions=100)
    early = judge_performance(BinaryMetric.BRIER, bound, few, 10, ripe=False)
    assert (early.state, early.estimate) == (SignalState.OUTCOMES_PENDING, None)
    assert early.sentence == "brier: outcomes are not due yet."
    missing = judge_performance(BinaryMetric.BRIER, bound, few, 41, ripe=True)
    assert (missing.state, missing.estimate) == (SignalState.NO_DATA, None)
    assert missing.sentence == "brier: 40 of 100 due outcomes are known, below minSamples of 41."
    due = judge_performance(BinaryMetric.BRIER, bound, few, 100, ripe=True)
    assert due.state is SignalState.NO_DATA
    one_class = judge_performance(BinaryMetric.AUC, bound, few, 40, ripe=True)
    assert one_class.state is SignalState.NO_DATA
    assert one_class.sentence == "auc: not defined on 40 outcomes of a single class."


@pytest.mark.parametrize("operator", [ABOVE, BELOW])
def test_a_number_exactly_at_its_bound_is_within_it(operator: Operator) -> None:
    assert judge_value(1.0, Threshold(operator, 1.0)) is SignalState.WITHIN_BOUNDS
    assert judge_value(1.1 if operator is ABOVE else 0.9, Threshold(operator, 1.0)) is SignalState.BREACHED


def test_missing_data_outweigh_calm_and_pending_outcomes_outweigh_both() -> None:
    calm, pending, none = SignalState.WITHIN_BOUNDS, SignalState.OUTCOMES_PENDING, SignalState.NO_DATA
    assert combined([calm, none]) is none
    assert combined([none, pending, calm]) is pending
