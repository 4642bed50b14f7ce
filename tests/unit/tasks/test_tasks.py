"""What holds for every task, and which tasks there are."""

import json

import numpy as np
import pytest

from homeostat import tasks
from homeostat.api.v1alpha1.dataset import TaskName
from homeostat.artifacts import model as artifact
from homeostat.artifacts.model import SIGNATURE
from homeostat.artifacts.model import signature as signature_in
from homeostat.artifacts.signature import Signature
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


def test_there_are_three_tasks_and_what_names_none_is_a_binary_classifier() -> None:
    assert list(tasks.TASKS) == list(TaskName) == ["BinaryClassification", "MulticlassClassification", "Regression"]
    assert [tasks.made(name).name for name in tasks.TASKS] == list(tasks.TASKS)
    assert tasks.made("BinaryClassification") is tasks.UNNAMED
    assert list(tasks.UNNAMED.metrics) == list(BinaryMetric)
    assert (tasks.UNNAMED.output, tasks.UNNAMED.label_form) == ("probability", "0 and 1, or booleans")


def test_metrics_that_a_task_lacks_are_named_with_those_that_it_has() -> None:
    assert tasks.lacking(tasks.UNNAMED, ["auc", "brier"]) == ""
    why = tasks.lacking(tasks.UNNAMED, ["rmse", "auc", "mae", "rmse"])
    assert why.startswith("BinaryClassification has no metric 'rmse', 'mae'; it has auc, logloss, ")


def test_models_of_different_classes_are_judged_on_the_classes_of_either() -> None:
    old, new = MulticlassClassification(("b", "a")), MulticlassClassification(("b", "c"))
    both = new.joined(old)
    assert both == MulticlassClassification(("a", "b", "c"))
    assert both.adopted(np.array([[0.25, 0.75]]), old).tolist() == [[0.75, 0.25, 0.0]]
    assert both.adopted(np.array([[0.25, 0.75]]), new).tolist() == [[0.0, 0.25, 0.75]]
    assert old.joined(old) is old


@pytest.mark.parametrize("task", [BinaryClassification(), Regression(1.0, 2.0)])
def test_models_of_one_number_are_judged_as_they_are(task: Task) -> None:
    outputs = np.array([0.5, 0.25])
    assert task.joined(task) is task
    assert task.adopted(outputs, task) is outputs


RECORDED = '{"model": "n.m", "entity": "e", "featureSets": ["f"], "inputs": [{"name": "a", "datatype": "FP64", "feature_set": "f"}]'


def signed(more: str) -> Signature:
    return signature_in({SIGNATURE: f"{RECORDED}{more}}}".encode()})


def test_a_signature_gives_its_task_with_the_classes_or_units_of_training() -> None:
    assert signed("").predicts is signed(', "task": "BinaryClassification"').predicts is tasks.UNNAMED
    assert signed(', "task": "MulticlassClassification", "classes": ["b", "a"]').predicts == MulticlassClassification(
        ("b", "a")
    )
    of_numbers = ', "task": "Regression", "units": {"origin": 3, "scale": 2}'
    assert signed(of_numbers).predicts == Regression(3.0, 2.0)


def test_a_signature_of_an_unknown_task_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidData, match=r"signature.json: task: .*there is no task 'Ranking'; there are Binary"):
        signed(', "task": "Ranking"')
    with pytest.raises(InvalidData, match=r"signature.json: units.scale"):
        signed(', "task": "Regression", "units": {"origin": 3, "scale": 0}')


@pytest.mark.parametrize(
    ("task", "labels", "recorded"),
    [
        ("BinaryClassification", [0, 1], {}),
        ("MulticlassClassification", ["b", "a", "b"], {"classes": ["a", "b"]}),
        ("Regression", [2.0, 4.0], {"units": {"origin": 3.0, "scale": 1.0}}),
    ],
)
def test_a_signature_records_what_its_task_takes_from_the_labels_and_nothing_else(
    task: str, labels: list[object], recorded: dict[str, object]
) -> None:
    fitted = signed(f', "task": "{task}"').fitted(np.array(labels))
    written = fitted.model_dump(mode="json", by_alias=True)
    assert {name: written[name] for name in ("classes", "units") if name in written} == recorded
    assert signature_in({SIGNATURE: json.dumps(written).encode()}) == fitted


def test_an_example_has_one_number_or_one_for_each_class_and_the_name_of_older_bundles_is_read() -> None:
    listed = (
        b'[{"inputs": {}, "output": 12.5}, {"inputs": {}, "output": [0.2, 0.8]}, {"inputs": {}, "probability": 0.3}]'
    )
    read = artifact.examples({artifact.EXAMPLES: listed})
    assert [example.output for example in read] == [12.5, [0.2, 0.8], 0.3]
    assert "output" in read[2].model_dump()


def test_one_class_teaches_a_binary_classifier_nothing() -> None:
    assert tasks.UNNAMED.unlearnable(np.array([1, 0])) == ""
    assert tasks.UNNAMED.unlearnable(np.array([1, 1])) == (
        "have label 1; a classifier needs both classes: add labels of the other one"
    )
    assert tasks.UNNAMED.binned(np.array([0.5, 0.25])) == [0.5, 0.25]
