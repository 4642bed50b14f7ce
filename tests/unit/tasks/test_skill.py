"""Skill, and the constant prediction that figures stand beside."""

import numpy as np
import pytest
from numpy.typing import NDArray

from homeostat.intervals import Floats
from homeostat.signals import GateRule, RuleKind, compare, judge_gate
from homeostat.tasks import Task
from homeostat.tasks.binary import BinaryClassification, calibration, calibration_error
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

BINARY = BinaryClassification()
RNG = np.random.default_rng(5)
DRIFTED = np.array([1] * 13 + [0] * 87)
"""Outcomes of which 13 % are positive."""


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        (BINARY, DRIFTED, {"auc": 0.5, "logloss": 0.3864, "brier": 0.1131, "accuracy": 0.87, "skill": 0, "calibrationError": 0.005}),
        (
            MulticlassClassification(("a", "b")),
            np.array(["a", "a", "b", "c"]),
            {"logloss": 1.0397, "accuracy": 0.5, "balancedAccuracy": 1 / 3, "macroF1": 2 / 9, "brier": 0.625, "skill": 0},
        ),
        (
            Regression(),
            np.array([1.0, 2.0, 6.0]),
            {"rmse": 2.1602, "mae": 2, "medianAbsoluteError": 2, "r2": 0, "bias": 0, "skill": 0, "mape": 1.0},
        ),
    ],
)  # fmt: skip
def test_every_figure_stands_beside_that_of_the_constant_prediction(
    task: Task, labels: NDArray[np.generic], expected: dict[str, float]
) -> None:
    outputs = (
        np.full((labels.size, 2), 0.5) if isinstance(task, MulticlassClassification) else np.full(labels.size, 0.5)
    )
    beside = {seen.name: seen.constant for seen in compare(task, labels, outputs, None)}
    assert beside == pytest.approx(expected, abs=1e-4)


def test_a_model_of_yesterdays_base_rate_has_no_skill_today() -> None:
    for scores, low, high in (
        (np.full(100, 0.13), -1e-9, 1e-9),
        (np.full(100, 0.304), -0.25, -0.2),
        (np.where(DRIFTED == 1, 0.9, 0.05), 0.7, 0.9),
    ):
        skill = BINARY.metrics["skill"].measure(BINARY.encode(DRIFTED), scores)
        assert skill is not None
        assert low <= skill.value <= high


def test_the_standard_error_of_a_models_own_skill_is_that_of_repeated_samples() -> None:
    values, errors = [], []
    for _ in range(400):
        risk: Floats = RNG.beta(1, 3, 500)
        (seen,) = [
            m for m in compare(BINARY, RNG.random(500) < risk, np.clip(risk, 0.01, 0.99), None) if m.name == "skill"
        ]
        values.append(seen.challenger or 0.0)
        errors.append(seen.challenger_error or 0.0)
    assert float(np.std(values)) == pytest.approx(float(np.mean(errors)), rel=0.1)


def test_a_minimum_names_the_figure_of_the_constant_prediction() -> None:
    rules = [GateRule(kind=RuleKind.MINIMUM, metric="logloss", bound=0.5)]
    (result,) = judge_gate(rules, BINARY, DRIFTED, np.full(100, 0.304), None).rules
    assert result.sentence == "logloss is 0.4701 (a constant prediction: 0.3864), required is at most 0.5: met."


def test_skill_is_not_defined_where_the_constant_makes_no_error() -> None:
    for task, labels, outputs in (
        (BINARY, [1, 1, 1], [0.5, 0.6, 0.7]),
        (Regression(), [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]),
        (MulticlassClassification(("a", "b")), ["a", "a", "a"], [[0.5, 0.5]] * 3),
    ):
        metric = task.metrics["skill"]
        assert metric.measure(task.encode(labels), np.asarray(outputs)) is None
        assert task.cohort(outputs, labels).estimate("skill") is None
        assert metric.undefined in {"a single class", "a single value"}


def test_the_calibration_error_of_rows_is_that_of_their_cohort() -> None:
    scores = RNG.uniform(0, 1, 500)
    labels = RNG.uniform(0, 1, 500) < scores**2
    cohort = calibration_error(BINARY.cohort(scores, labels))
    assert cohort is not None
    assert calibration(labels, scores).value == pytest.approx(cohort.value)
