import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from homeostat.intervals import wilson
from homeostat.signals import (
    Operator,
    SignalState,
    Threshold,
    combined,
    compare,
    coverage,
    coverage_fell,
    judge_performance,
    judge_value,
)
from homeostat.tasks.binary import (
    BinaryClassification,
    BinaryCohort,
    BinaryMetric,
    auc_from_bins,
    calibration_error,
)

BINARY = BinaryClassification()
ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)
ABOVE, BELOW = Operator.GREATER_THAN, Operator.LESS_THAN


def cohort(rows: list[tuple[float, bool]]) -> BinaryCohort:
    return BINARY.cohort([score for score, _ in rows], [label for _, label in rows])


def a_calibrated_cohort(rows: int, seed: int = 1, **counts: int) -> BinaryCohort:
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 2, rows)
    return BINARY.cohort(scores, rng.random(rows) < scores, **counts)


def same(a: BinaryCohort, b: BinaryCohort) -> bool:
    left, right = a.model_dump(), b.model_dump()
    return left.pop("score_bins") == right.pop("score_bins") and left == pytest.approx(right)


@given(ROWS, ROWS, ROWS)
def test_cohorts_add_up_in_any_grouping_to_the_cohort_of_all_rows(
    a: list[tuple[float, bool]], b: list[tuple[float, bool]], c: list[tuple[float, bool]]
) -> None:
    whole = cohort(a + b + c)
    assert same(cohort(a).plus(cohort(b)).plus(cohort(c)), whole)
    assert same(cohort(a).plus(cohort(b).plus(cohort(c))), whole)
    assert whole.plus(BinaryCohort()) == whole


def test_estimates_agree_with_the_metrics_on_the_rows_themselves() -> None:
    rng = np.random.default_rng(2)
    scores = np.round(rng.random(2000), 2) * 0.99
    labels = rng.random(2000) < scores
    seen = BINARY.cohort(scores, labels)
    values = {metric: figures.value for metric in BinaryMetric if (figures := seen.estimate(metric))}
    truth = {metric.name: metric.challenger for metric in compare(BINARY, labels, scores, None)}
    means = (BinaryMetric.LOG_LOSS, BinaryMetric.BRIER, BinaryMetric.ACCURACY)
    assert [values[metric] for metric in means] == pytest.approx([truth[metric] for metric in means])
    assert values[BinaryMetric.AUC] == pytest.approx(truth[BinaryMetric.AUC], abs=2e-3)


def test_the_standard_error_of_auc_is_that_of_repeated_samples() -> None:
    samples = [a_calibrated_cohort(400, seed).estimate(BinaryMetric.AUC) for seed in range(300)]
    known = [sample for sample in samples if sample]
    spread = np.std([sample.value for sample in known])
    assert np.mean([sample.standard_error for sample in known]) == pytest.approx(spread, rel=0.15)


def test_auc_of_equal_scores_is_a_half_and_of_a_single_class_unknown() -> None:
    tied = auc_from_bins([(5, 7)])
    assert tied is not None
    assert tied.value == 0.5
    assert auc_from_bins([(5, 0), (2, 0)]) is None


def test_bounds_of_log_loss_cover_the_truth_as_often_as_they_say() -> None:
    truth = a_calibrated_cohort(200_000)
    value = truth.log_loss_sum / truth.matured
    seen = [a_calibrated_cohort(300, seed).estimate(BinaryMetric.LOG_LOSS) for seed in range(400)]
    assert np.mean([e.lower <= value <= e.upper for e in seen if e]) == pytest.approx(0.95, abs=0.03)


def test_wilson_agrees_with_scipy() -> None:
    for successes, trials in ((0, 10), (3, 10), (10, 10), (1, 4000)):
        reference = stats.binomtest(successes, trials).proportion_ci(method="wilson")
        assert wilson(successes, trials) == pytest.approx((reference.low, reference.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_calibration_error_of_a_calibrated_model_is_not_shown_to_be_above_zero() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random(3000)
    honest = calibration_error(BINARY.cohort(scores, rng.random(3000) < scores))
    boasting = calibration_error(BINARY.cohort(scores, rng.random(3000) < scores / 2))
    assert honest is not None
    assert boasting is not None
    assert honest.lower == 0 < honest.value
    assert boasting.lower > 0.2
    assert calibration_error(BinaryCohort()) is None


@pytest.mark.parametrize(
    ("operator", "value", "state"),
    [
        (ABOVE, 0.3, SignalState.BREACHED),
        (ABOVE, 0.53, SignalState.WITHIN_BOUNDS),  # the estimate may lie above; the bound does not
        (ABOVE, 0.9, SignalState.WITHIN_BOUNDS),
        (BELOW, 0.9, SignalState.BREACHED),
        (BELOW, 0.3, SignalState.WITHIN_BOUNDS),
    ],
)
def test_a_breach_means_that_the_bound_is_on_the_wrong_side(
    operator: Operator, value: float, state: SignalState
) -> None:
    judged = judge_performance(
        BinaryMetric.LOG_LOSS, Threshold(operator, value), a_calibrated_cohort(500), 200, ripe=True
    )
    assert judged.state is state
    assert "500 outcomes" in judged.sentence


@pytest.mark.parametrize(
    ("seen", "ripe", "state"),
    [
        (a_calibrated_cohort(500), False, SignalState.OUTCOMES_PENDING),
        (a_calibrated_cohort(100), True, SignalState.OUTCOMES_PENDING),
        (a_calibrated_cohort(100, predictions=500), True, SignalState.NO_DATA),
        (BinaryCohort(), True, SignalState.OUTCOMES_PENDING),
    ],
)
def test_outcomes_that_are_not_due_differ_from_outcomes_that_are_missing(
    seen: BinaryCohort, ripe: bool, state: SignalState
) -> None:
    judged = judge_performance(BinaryMetric.LOG_LOSS, Threshold(ABOVE, 0.1), seen, 200, ripe=ripe)
    assert (judged.state, judged.estimate) == (state, None)


def test_auc_of_outcomes_of_a_single_class_is_no_data() -> None:
    seen = BINARY.cohort([0.5] * 300, [0] * 300)
    assert judge_performance(BinaryMetric.AUC, Threshold(BELOW, 0.7), seen, 200, ripe=True).state is SignalState.NO_DATA


def test_a_fall_in_coverage_is_distinguished_from_a_small_sample() -> None:
    assert coverage(a_calibrated_cohort(50, predictions=100)).value == 0.5
    assert coverage_fell(a_calibrated_cohort(50, predictions=100), usual=0.9)
    assert not coverage_fell(a_calibrated_cohort(5, predictions=10), usual=0.9)
    assert not coverage_fell(a_calibrated_cohort(85, predictions=100), usual=0.9)
    assert not coverage_fell(BinaryCohort(), usual=0.9)


@pytest.mark.parametrize(
    "wrong", [{"matured": 2, "predictions": 1}, {"scoreBins": [[0, 0]]}, {"predictions": 1, "matured": 1}]
)
def test_an_incoherent_cohort_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BinaryCohort.model_validate(wrong)


def test_a_cohort_survives_the_wire_in_camel_case() -> None:
    seen = a_calibrated_cohort(50)
    assert '"logLossSum"' in seen.model_dump_json(by_alias=True)
    assert BinaryCohort.model_validate_json(seen.model_dump_json(by_alias=True)) == seen


def test_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        BINARY.cohort([1.5], [1])


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (None, SignalState.NO_DATA),
        (math.nan, SignalState.NO_DATA),
        (2.0, SignalState.BREACHED),
        (1.0, SignalState.WITHIN_BOUNDS),
    ],
)
def test_a_business_number_is_judged_as_it_is(value: float | None, state: SignalState) -> None:
    assert judge_value(value, Threshold(ABOVE, 1.0)) is state


def test_several_signals_are_calm_only_together() -> None:
    calm, breached, not_ripe = SignalState.WITHIN_BOUNDS, SignalState.BREACHED, SignalState.OUTCOMES_PENDING
    assert combined([]) is None
    assert combined([calm, calm]) is calm
    assert combined([calm, not_ripe]) is not_ripe
    assert combined([calm, not_ripe, breached]) is breached
