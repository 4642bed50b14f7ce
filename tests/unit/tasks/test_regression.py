import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from homeostat.tasks import Fit, Units
from homeostat.tasks.regression import METRICS, SUMS, Regression, RegressionCohort

NUMBERS = st.floats(-50, 50).map(lambda value: round(value, 2))
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=25)
TASK = Regression(3.0, 10.0)


def cohort(rows: list[tuple[float, float]]) -> RegressionCohort:
    return TASK.cohort([output for output, _ in rows], [label for _, label in rows])


def same(a: RegressionCohort, b: RegressionCohort) -> bool:
    sums = [pytest.approx(getattr(b, field), abs=1e-6) for field in SUMS]
    left, right = a.model_dump(exclude=set(SUMS)), b.model_dump(exclude=set(SUMS))
    return left == right and [getattr(a, field) for field in SUMS] == sums


@given(ROWS.filter(len), st.lists(st.integers(0, 2), min_size=25, max_size=25))
def test_cohorts_of_random_parts_add_up_to_that_of_the_whole(rows: list[tuple[float, float]], parts: list[int]) -> None:
    first, second, third = (cohort([row for row, of in zip(rows, parts, strict=False) if of == n]) for n in range(3))
    whole = cohort(rows)
    assert same(first.plus(second).plus(third), whole)
    assert same(third.plus(first.plus(second)), whole)
    assert whole.plus(RegressionCohort()) == whole == RegressionCohort().plus(whole)


def test_sums_of_different_units_are_not_added_up() -> None:
    with pytest.raises(ValueError, match="different trainings"):
        cohort([(1, 2)]).plus(Regression(0.0, 1.0).cohort([1], [2]))


@pytest.mark.parametrize("far", [0.0, 1e9])
def test_the_metrics_of_a_cohort_are_those_of_its_rows_also_far_from_zero(far: float) -> None:
    rng = np.random.default_rng(1)
    labels = rng.normal(20, 4, 3000) + far
    outputs = labels + rng.normal(0.5, 2, 3000)
    units = TASK.fit(labels).units
    assert units is not None
    task = Regression(units.origin, units.scale)
    seen = task.cohort(outputs, labels)
    for name, metric in METRICS.items():
        figures, measured = seen.estimate(name), metric.measure(labels, outputs)
        assert figures is not None
        assert measured is not None
        close = 0.01 if name == "medianAbsoluteError" else 1e-6
        assert figures.value == pytest.approx(measured.value, rel=close)
        assert figures.lower < figures.value < figures.upper
        if measured.influence is not None:
            error = float(np.std(measured.influence, ddof=1)) / math.sqrt(3000)
            assert figures.standard_error == pytest.approx(error, rel=1e-5)
            assert measured.influence.mean() == pytest.approx(0, abs=1e-9)


def test_a_perfect_model_has_no_error_and_an_r2_of_1() -> None:
    seen = TASK.cohort([1.0, 2.0, 4.0], [1.0, 2.0, 4.0])
    values = {name: figures.value for name in METRICS if (figures := seen.estimate(name))}
    assert values == {"rmse": 0, "mae": 0, "medianAbsoluteError": 0, "r2": 1, "bias": 0, "skill": 1, "mape": 0}
    measured = METRICS["rmse"].measure(np.ones(2), np.ones(2))
    assert measured is not None
    assert measured.influence is not None
    assert measured.influence.tolist() == [0, 0]


def test_a_metric_that_is_not_defined_is_none_and_says_on_which_rows() -> None:
    zeros, equal = cohort([(1, 0), (2, 1)]), cohort([(1, 3), (2, 3)])
    assert zeros.estimate("mape") is None
    assert zeros.estimate("r2") is not None
    assert equal.estimate("r2") is None
    assert METRICS["mape"].measure(np.array([0.0, 1.0]), np.ones(2)) is None
    assert METRICS["r2"].measure(np.ones(2), np.zeros(2)) is None
    assert (METRICS["mape"].undefined, METRICS["r2"].undefined) == ("which one or more are 0", "a single value")
    with pytest.raises(ValueError, match="Regression has no metric 'auc'; it has rmse, mae"):
        equal.estimate("auc")


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 3)), min_size=1, max_size=12).filter(lambda r: r[0][2]))
def test_a_drawn_row_counts_as_often_as_it_was_drawn(rows: list[tuple[float, float, int]]) -> None:
    labels, outputs, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    repeated = np.repeat(outputs - labels, weights.astype(int))
    for name, value in (("medianAbsoluteError", np.median(np.abs(repeated))), ("bias", repeated.mean())):
        resampled = METRICS[name].resampled
        assert resampled is not None
        assert resampled(labels, outputs, np.stack([weights, weights])) == pytest.approx([value, value])


def test_labels_differ_and_outputs_are_finite_numbers() -> None:
    assert (
        TASK.unlearnable(np.array([2.5, 2.5]))
        == "have label 2.5; a regression needs different ones: add labels of others"
    )
    assert TASK.unlearnable(np.array([2.5, 2.0])) == ""
    for wrong in ([math.nan], [math.inf], [[1.0]]):
        with pytest.raises(ValueError, match="finite numbers, one per row"):
            TASK.checked(wrong)
    assert TASK.binned(np.array([1.5, 2.0])) == [1.5, 2.0]
    assert TASK.fit(np.array([4.0, 4.0])) == Fit(units=Units(origin=4.0, scale=1.0))
    assert TASK.fit(np.array([2.0, 4.0])) == Fit(units=Units(origin=3.0, scale=1.0))


@pytest.mark.parametrize(
    "wrong", [{"predictions": 1, "matured": 2}, {"predictions": 2, "matured": 2, "exact": 1}, {"scale": 0}]
)
def test_counts_that_contradict_each_other_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RegressionCohort.model_validate(wrong)
