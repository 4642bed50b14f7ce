"""What holds for every task, and which tasks there are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from homeostat import tasks
from homeostat.artifacts.model import SIGNATURE
from homeostat.artifacts.model import signature as signature_in
from homeostat.reconcile.errors import InvalidData
from homeostat.tasks import Cohort, Method, Task
from homeostat.tasks.binary import BinaryClassification, BinaryMetric
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

EVERY: list[tuple[Task, list[object], list[object]]] = [
    (BinaryClassification(), [0.2, 0.9, 0.4], [0, 1, 0]),
    (MulticlassClassification(("a", "b")), [[0.2, 0.8], [0.9, 0.1], [0.5, 0.5]], ["b", "b", "a"]),
    (Regression(), [1.0, 2.5, 0.5], [1.5, 2.0, 0.25]),
]


@pytest.mark.parametrize(("task", "outputs", "labels"), EVERY, ids=lambda one: getattr(one, "name", ""))
def test_every_metric_has_an_interval_by_cohort_and_one_in_comparisons(
    task: Task, outputs: list[object], labels: list[object]
) -> None:
    cohort: Cohort = task.cohort(outputs, labels, predictions=9)  # type: ignore[arg-type]
    assert (cohort.predictions, cohort.matured, type(cohort)) == (9, 3, task.cohort_type)
    assert task.name == cohort.TASK
    assert cohort.PRIMARY in task.metrics
    for name, metric in task.metrics.items():
        assert metric.name == name
        assert cohort.estimate(name) is not None
        assert (metric.method is Method.BOOTSTRAP) == (metric.resampled is not None)
    again = task.cohort_type.model_validate_json(cohort.model_dump_json(by_alias=True))
    assert again == cohort


def test_the_platform_offers_binary_classification_which_is_the_task_of_what_names_none() -> None:
    assert list(tasks.TASKS) == ["BinaryClassification"] == [tasks.UNNAMED.name]
    assert tasks.named("BinaryClassification") is tasks.UNNAMED
    assert list(tasks.UNNAMED.metrics) == list(BinaryMetric)
    assert (tasks.UNNAMED.output, tasks.UNNAMED.label_form) == ("probability", "0 and 1, or booleans")


def test_a_bundle_of_a_task_that_this_release_does_not_offer_is_refused_by_name() -> None:
    recorded = b'{"model": "n.m", "entity": "e", "featureSets": ["f"], "inputs": [{"name": "a", "datatype": "FP64", "feature_set": "f"}]'
    assert signature_in({SIGNATURE: recorded + b"}"}).predicts is tasks.UNNAMED
    assert signature_in({SIGNATURE: recorded + b', "task": "BinaryClassification"}'}).predicts is tasks.UNNAMED
    with pytest.raises(InvalidData, match=r"signature.json: task: .*'Regression' is not one that this release offers"):
        signature_in({SIGNATURE: recorded + b', "task": "Regression"}'})


@pytest.mark.parametrize(
    ("labels", "wrong"), [([0, 1, 1], None), ([True, False], None), ([0, 2, 3], 1), ([-1], 0), ([1, 0, 7], 2)]
)
def test_labels_of_a_binary_classifier_are_0_and_1(labels: list[int], wrong: int | None) -> None:
    values: NDArray[np.generic] = np.array(labels)
    assert tasks.UNNAMED.wrong_label(values) == wrong


def test_one_class_teaches_a_binary_classifier_nothing() -> None:
    assert tasks.UNNAMED.unlearnable(np.array([1, 0])) == ""
    assert tasks.UNNAMED.unlearnable(np.array([1, 1])) == (
        "have label 1; a classifier needs both classes: add labels of the other one"
    )
    assert tasks.UNNAMED.binned(np.array([0.5, 0.25])) == [0.5, 0.25]
