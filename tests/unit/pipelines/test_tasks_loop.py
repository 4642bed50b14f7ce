"""The loop of each task in one process: labels, dataset, training, gate, predictor."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.runs import EvaluateInput, EvaluateResult, TrainResult
from homeostat.signals import GateReport
from homeostat.signals.gate import Verdict
from homeostat_pipelines import dataset, evaluate, training
from homeostat_services.predictor.model import load
from support.tables import LABELS, NOON, OUTPUT, a_store, customers, parquet, train_input

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn warns about small data

CUSTOMERS = customers(1500)
TENURE = np.array(CUSTOMERS.column("tenure").to_pylist())
MONTHLY = np.array([value == "month" for value in CUSTOMERS.column("contract").to_pylist()])
NOISE = np.random.default_rng(7).normal(0, 1, CUSTOMERS.num_rows)


@dataclass(frozen=True)
class Story:
    """Labels of a task that the features tell something about, and rules of a gate that a good model passes."""

    task: str
    labels: list[Any]
    gate: dict[str, Any]
    positive: str = ""


LEAVES = (0.1 * TENURE - 3 * MONTHLY + NOISE) < 0
STORIES = [
    Story(
        "BinaryClassification",
        np.where(LEAVES, "Yes", "No").tolist(),
        {"minimum": [{"metric": "auc", "value": "0.8"}], "mustBeat": [{"metric": "logloss"}]},
        positive="Yes",
    ),
    Story(
        "MulticlassClassification",
        np.where(LEAVES, "leaves", np.where(TENURE + 8 * NOISE > 40, "upgrades", "stays")).tolist(),
        {"minimum": [{"metric": "macroF1", "value": "0.6"}], "mustBeat": [{"metric": "logloss"}]},
    ),
    Story(
        "Regression",
        (1e5 + 1000.0 * TENURE - 20_000 * MONTHLY + 3000 * NOISE).tolist(),
        {"minimum": [{"metric": "r2", "value": "0.8"}], "mustBeat": [{"metric": "rmse"}, {"metric": "mae"}]},
    ),
]


class World:
    """A store, and what is done with it."""

    def __init__(self, story: Story) -> None:
        self.story, self.objects = story, MemoryObjects(a_store(CUSTOMERS).content)
        times = pa.array([NOON] * CUSTOMERS.num_rows, pa.timestamp("us", tz="UTC"))
        keys = CUSTOMERS.column("customer_id")
        labels = pa.table({"customer_id": keys, "predicted_at": times, "churned": story.labels})
        self.objects.write(f"{LABELS}part-0.parquet", parquet(labels))

    def trained(self, **parameters: str) -> TrainResult:
        job = train_input(parameters=parameters, task=self.story.task, positive=self.story.positive)
        training.run(job, self.objects)
        return TrainResult.model_validate_json(self.objects.read(f"{OUTPUT}result.json"))

    def judged(self, challenger: TrainResult, champion: TrainResult | None) -> GateReport:
        data = BundleRef(uri=challenger.dataset.uri, digest=challenger.dataset.digest)
        job = {
            "namespace": "churn", "challenger": challenger.model, "champion": champion.model if champion else None,
            "dataset": data, "gate": self.story.gate, "seed": 1, "output": OUTPUT,
        }  # fmt: skip
        evaluate.run(EvaluateInput.model_validate(job), self.objects)
        return EvaluateResult.model_validate_json(self.objects.read(f"{OUTPUT}result.json")).report


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.task)
def test_a_good_model_of_each_task_is_trained_passes_the_gate_and_is_served(story: Story) -> None:
    world = World(story)
    poor, good = world.trained(max_iter="2", learning_rate="0.01"), world.trained(max_iter="60")
    assert world.judged(good, None).verdict is Verdict.PROMOTE
    assert world.judged(good, poor).verdict is Verdict.PROMOTE
    assert world.judged(poor, good).verdict is Verdict.REJECT
    assert world.judged(good, good).verdict is Verdict.HOLD

    model = load(world.objects, good.model.uri, good.model.digest)
    task = model.signature.predicts
    data = BundleRef(uri=good.dataset.uri, digest=good.dataset.digest)
    rows = dataset.read(world.objects, data, HOLDOUT).slice(0, 200).to_pylist()
    served = model.scores({i.name: [row[i.name] for row in rows] for i in model.signature.inputs})
    cohort = task.cohort(served, [row[LABEL] for row in rows])
    for name, on_the_holdout in good.metrics.items():
        figures = cohort.estimate(name)
        assert figures is not None
        assert (
            figures.lower - 3 * figures.standard_error <= on_the_holdout <= figures.upper + 3 * figures.standard_error
        )
