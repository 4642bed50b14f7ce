"""Every metric of every task is that of scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn import metrics as sk

from homeostat.intervals import Floats
from homeostat.tasks import Task
from homeostat.tasks.binary import BinaryClassification
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

Reference = Callable[[NDArray[Any], Floats], float]

CLASSES = ("bird", "cat", "dog")
CODES = [0, 1, 2]
SEEDS = st.integers(0, 10_000)


def expected_calibration_error(labels: NDArray[Any], scores: Floats) -> float:
    """The distance bin by bin, each score taken to be the middle of its hundredth."""
    fine = np.minimum(np.floor(scores * 100), 99)
    tenths = [(fine // 10) == tenth for tenth in range(10)]
    return float(sum(abs((labels[t] - (fine[t] + 0.5) / 100).sum()) for t in tenths)) / len(labels)


BINARY: dict[str, Reference] = {
    "auc": sk.roc_auc_score,
    "logloss": lambda y, p: sk.log_loss(y, p, labels=[0, 1]),
    "brier": sk.brier_score_loss,
    "accuracy": lambda y, p: sk.accuracy_score(y, p >= 0.5),
    "skill": lambda y, p: sk.d2_log_loss_score(y, p, labels=[0, 1]),
    "calibrationError": expected_calibration_error,
}
MULTICLASS: dict[str, Reference] = {
    "logloss": lambda y, p: sk.log_loss(y, p, labels=CODES),
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(axis=1)),
    "balancedAccuracy": lambda y, p: float(
        sk.recall_score(y, p.argmax(axis=1), labels=np.unique(y), average="macro", zero_division=0)
    ),
    "macroF1": lambda y, p: sk.f1_score(y, p.argmax(axis=1), average="macro", zero_division=0),
    "brier": lambda y, p: float(np.mean([((row - np.eye(3)[k]) ** 2).sum() for k, row in zip(y, p, strict=True)])),
    "skill": lambda y, p: 1 - sk.log_loss(y, p, labels=CODES) / entropy(np.bincount(y)),
}
REGRESSION: dict[str, Reference] = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "medianAbsoluteError": sk.median_absolute_error,
    "r2": sk.r2_score,
    "bias": lambda y, p: float(np.mean(p) - np.mean(y)),
    "skill": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
}


def held(task: Task, references: dict[str, Reference], labels: NDArray[Any], outputs: Floats) -> None:
    assert references.keys() == task.metrics.keys()
    for name, metric in task.metrics.items():
        measured = metric.measure(labels, task.checked(outputs))
        assert measured is not None, name
        assert measured.value == pytest.approx(references[name](labels, outputs)), name


@given(SEEDS, st.integers(2, 60), st.integers(1, 100))
def test_metrics_of_a_binary_classifier(seed: int, rows: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = np.round(rng.random(rows) * steps) / steps * 0.98 + 0.01
    labels = rng.random(rows) < outputs
    assume(0 < labels.sum() < rows)
    held(BinaryClassification(), BINARY, labels, outputs)


@given(SEEDS, st.integers(2, 60))
def test_metrics_of_a_multiclass_classifier(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    outputs, labels = rng.dirichlet(np.ones(3), rows) * 0.97 + 0.01, rng.integers(0, 3, rows)
    assume(np.unique(labels).size > 1)
    held(MulticlassClassification(CLASSES), MULTICLASS, labels, outputs)


def test_balanced_accuracy_is_that_of_scikit_learn_where_every_prediction_is_a_class_that_occurs() -> None:
    rng = np.random.default_rng(1)
    labels, outputs = rng.integers(0, 3, 200), rng.dirichlet(np.ones(3), 200)
    measured = MulticlassClassification(CLASSES).metrics["balancedAccuracy"].measure(labels, outputs)
    assert measured is not None
    assert measured.value == pytest.approx(sk.balanced_accuracy_score(labels, outputs.argmax(axis=1)))


@given(SEEDS, st.integers(2, 60), st.floats(0.1, 1e6))
def test_metrics_of_a_regression(seed: int, rows: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    labels = scale * (rng.normal(0, 1, rows) + 0.01)
    held(Regression(), REGRESSION, labels, labels + scale * rng.normal(0.1, 0.5, rows))
