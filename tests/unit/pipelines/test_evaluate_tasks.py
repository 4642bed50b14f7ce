"""The gate and the figures of a training, for models that predict numbers and classes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from homeostat.artifacts import storage
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import EvaluateInput, EvaluateResult
from homeostat.signals import GateReport
from homeostat.signals.gate import Verdict
from homeostat_pipelines import dataset, evaluate, steps
from support import task_models
from support.tables import LABELS, NOON, OUTPUT, a_store, customers, parquet, train_input

CUSTOMERS = customers(800)
TENURE = np.array(CUSTOMERS.column("tenure").to_pylist())
STAGES = np.where(TENURE < 24, "new", np.where(TENURE < 48, "settled", "old")).tolist()
SPENT = (10.0 * TENURE + 5).tolist()

A_NUMBER = {"task": "Regression", "weights": [10.0]}
A_CLASS: dict[str, Any] = {"task": "MulticlassClassification"}
STAGE = {**A_CLASS, "weights": [-1.0, 1.0, 0.0], "offsets": [24.0, -48.0, 0.0], "classes": ["new", "old", "settled"]}
"""Knows all classes, and nearly always the right one."""


class World:
    """A dataset of these labels, and models that are judged on its holdout."""

    def __init__(self, task: str, labels: list[Any]) -> None:
        self.objects: MemoryObjects = a_store(CUSTOMERS)
        times = pa.array([NOON] * CUSTOMERS.num_rows, pa.timestamp("us", tz="UTC"))
        table = {"customer_id": CUSTOMERS.column("customer_id"), "predicted_at": times, "churned": labels}
        self.objects.write(f"{LABELS}part-0.parquet", parquet(pa.table(table)))
        stored = dataset.build(train_input(task=task), self.objects)
        self.data = BundleRef(uri=stored.uri, digest=stored.digest)

    def stored(self, model: dict[str, Any]) -> BundleRef:
        return storage.store(self.objects, "s3://homeostat/churn/models/churn/", task_models.files(**model))

    def judged(self, challenger: dict[str, Any], champion: dict[str, Any], gate: Any) -> GateReport:
        job = {
            "namespace": "churn", "challenger": self.stored(challenger), "champion": self.stored(champion),
            "championVersion": "2", "dataset": self.data, "gate": gate, "seed": 1, "output": OUTPUT,
        }  # fmt: skip
        evaluate.run(EvaluateInput.model_validate(job), self.objects)
        return EvaluateResult.model_validate_json(self.objects.read(f"{OUTPUT}result.json")).report

    def measured(self, model: dict[str, Any]) -> dict[str, float]:
        return steps.measure(self.objects, self.data, self.stored(model))[0]


def sentences(report: GateReport) -> str:
    return " ".join(rule.sentence for rule in report.rules)


def test_a_regression_is_judged_by_metrics_of_numbers_whatever_their_units() -> None:
    world = World("Regression", SPENT)
    right = {**A_NUMBER, "offsets": [5.0], "units": {"origin": 365.0, "scale": 200.0}}
    wrong = {**A_NUMBER, "offsets": [25.0], "units": {"origin": 1.0, "scale": 2.0}}
    gate = {"minimum": [{"metric": "rmse", "value": "0.5"}], "mustBeat": [{"metric": "mae"}, {"metric": "bias"}]}
    report = world.judged(right, wrong, gate)
    assert report.verdict is Verdict.PROMOTE
    assert "required is at most 0.5: met." in sentences(report)
    assert "mae gains +20.0000 (95 % +20.0000 to +20.0000)" in sentences(report)
    assert world.measured(wrong)["bias"] == pytest.approx(20, abs=1e-3)
    assert set(world.measured(right)) >= {"rmse", "mae", "medianAbsoluteError", "r2", "bias", "mape"}


def test_a_multiclass_model_is_judged_by_metrics_of_classes() -> None:
    world = World("MulticlassClassification", STAGES)
    blurred = {**STAGE, "weights": [-0.01, 0.01, 0.0], "offsets": [0.24, -0.48, 0.0]}
    gate = {"minimum": [{"metric": "accuracy", "value": "0.9"}], "mustBeat": [{"metric": "logloss"}]}
    assert world.judged(STAGE, blurred, gate).verdict is Verdict.PROMOTE
    assert world.judged(blurred, STAGE, gate).verdict is Verdict.REJECT
    assert world.measured(STAGE)["accuracy"] > 0.95


def test_a_champion_that_does_not_know_a_class_gives_it_the_probability_0() -> None:
    world = World("MulticlassClassification", STAGES)
    ignorant = {**A_CLASS, "weights": [-1.0, 0.0], "offsets": [24.0, 0.0], "classes": ["new", "settled"]}
    report = world.judged(STAGE, ignorant, {"mustBeat": [{"metric": "accuracy"}, {"metric": "logloss"}]})
    accuracy = next(metric for metric in report.metrics if metric.name == "accuracy")
    assert report.verdict is Verdict.PROMOTE
    assert accuracy.champion == pytest.approx(world.measured(ignorant)["accuracy"])
    assert accuracy.challenger == pytest.approx(world.measured(STAGE)["accuracy"])


def test_classes_are_compared_by_name_in_whatever_order_the_models_have_them() -> None:
    world = World("MulticlassClassification", STAGES)
    turned = {
        **A_CLASS,
        "weights": [0.0, 1.0, -1.0],
        "offsets": [0.0, -48.0, 24.0],
        "classes": ["settled", "old", "new"],
    }
    report = world.judged(turned, STAGE, {"nonInferior": [{"metric": "logloss", "margin": "0.001"}]})
    assert all(metric.difference == pytest.approx(0, abs=1e-6) for metric in report.metrics)


def test_a_class_of_the_holdout_that_neither_model_knows_is_an_error_of_both() -> None:
    world = World("MulticlassClassification", ["unheard-of" if i % 4 == 0 else stage for i, stage in enumerate(STAGES)])
    report = world.judged(STAGE, STAGE, {"minimum": [{"metric": "accuracy", "value": "0.9"}]})
    assert "accuracy is 0.7" in sentences(report)


BINARY = {"task": "BinaryClassification", "weights": [1.0], "offsets": [0.0]}


def test_a_champion_of_another_task_is_refused_by_both_names_with_a_way_on() -> None:
    world = World("Regression", SPENT)
    with pytest.raises(
        InvalidData,
        match=r"the champion, version 2, is of task BinaryClassification and the new version of Regression, .*"
        r"leave out mustBeat and nonInferior in spec.promotion.gate",
    ):
        world.judged({**A_NUMBER, "offsets": [5.0]}, BINARY, {"mustBeat": [{"metric": "rmse"}]})


def test_a_gate_that_compares_nothing_does_without_a_champion_of_another_task() -> None:
    world = World("Regression", SPENT)
    report = world.judged({**A_NUMBER, "offsets": [5.0]}, BINARY, {"minimum": [{"metric": "rmse", "value": "0.5"}]})
    assert (report.verdict, {metric.champion for metric in report.metrics}) == (Verdict.PROMOTE, {None})


def test_a_metric_of_another_task_is_refused_with_those_that_there_are() -> None:
    world = World("Regression", SPENT)
    model = {**A_NUMBER, "offsets": [5.0]}
    with pytest.raises(
        InvalidData,
        match=r"Regression has no metric 'auc', 'logloss'; it has rmse, mae, .*; correct spec.promotion.gate",
    ):
        world.judged(
            model,
            model,
            {"minimum": [{"metric": "auc", "value": "0.7"}], "mustBeat": [{"metric": "logloss"}, {"metric": "rmse"}]},
        )
