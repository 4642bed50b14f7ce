"""Predictions and outcomes of every task: recorded, matched, compared and exported as what they are."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from homeostat.signals.shadow import compare
from homeostat.tasks import UNNAMED, AnyCohort, Task, Units
from homeostat.tasks.multiclass import MulticlassClassification, MulticlassCohort
from homeostat.tasks.regression import Regression
from homeostat_services.observer import predicted
from homeostat_services.observer.messages import PredictedBy, Prediction
from homeostat_services.observer.predicted import rows_at_a_time

START = datetime(2027, 1, 15, 8, tzinfo=UTC)
WINDOW = {"from": (START - timedelta(seconds=1)).isoformat(), "to": (START + timedelta(hours=1)).isoformat()}
OWNER = {"namespace": "churn", "deployment": "churn"}
CLASSES = ("a", "b", "c")
CLASS = {"task": "MulticlassClassification", "classes": CLASSES}
NUMBER = {"task": "Regression", "units": {"origin": 100.0, "scale": 10.0}}
OUTPUTS = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]
Bearer = Callable[[str], dict[str, str]]


class Caller:
    """A client that may do everything."""

    def __init__(self, client: httpx.AsyncClient, bearer: Bearer) -> None:
        self._client, self._bearer = client, bearer

    async def predicted(self, outputs: list[Any], model: Any, version: str = "1", *, mirrored: bool = False) -> Any:
        """Send a prediction for each output, p0, p1, …; what the observer answers."""
        items = []
        for number, output in enumerate(outputs):
            field = "probabilities" if isinstance(output, list) else "score"
            time = (START + timedelta(seconds=number)).isoformat()
            made = {"id": f"p{number}", "version": version, "entity": f"e{number}", "time": time, field: output}
            items.append(made | {"mirrored": mirrored})
        body = OWNER | {"predictions": items} | ({"models": {version: model}} if model else {})
        return (await self._client.post("/v1/predictions", json=body, headers=self._bearer("predictor"))).json()

    async def happened(self, *labels: Any) -> Any:
        """Send the outcomes of p0, p1, …; what the observer answers."""
        items = [{"predictionId": f"p{number}", "label": label} for number, label in enumerate(labels)]
        body = OWNER | {"outcomes": items}
        return (await self._client.post("/v1/outcomes", json=body, headers=self._bearer("seller"))).json()

    async def cohort(self, version: str = "1") -> AnyCohort:
        asked = OWNER | WINDOW | {"version": version}
        answer = await self._client.get("/v1/cohorts", params=asked, headers=self._bearer("monitor"))
        adapter: TypeAdapter[AnyCohort] = TypeAdapter(AnyCohort)
        return adapter.validate_python(answer.json())

    async def shadow(self, version: str) -> Any:
        asked = OWNER | {"version": version, "since": (START - timedelta(seconds=1)).isoformat()}
        return (await self._client.get("/v1/shadow", params=asked, headers=self._bearer("monitor"))).json()


@pytest.fixture
def caller(client: httpx.AsyncClient, bearer: Bearer) -> Caller:
    return Caller(client, bearer)


def rows_of(observer: Any) -> list[pa.Table]:
    observer.exporter.run()
    parts = [content for uri, content in sorted(observer.objects.content.items()) if uri.endswith(".parquet")]
    return [pq.read_table(io.BytesIO(part)) for part in parts]


async def test_a_cohort_of_a_regression_has_the_errors_of_its_numbers_in_the_units_of_its_training(
    caller: Caller,
) -> None:
    assert await caller.predicted([100.0, -2.5, 90, 1e6], NUMBER) == {"accepted": 4, "duplicate": 0}
    assert (await caller.happened(101, -3.5, 90.0))["accepted"] == 3
    expected = Regression(100.0, 10.0).cohort([100.0, -2.5, 90.0], [101.0, -3.5, 90.0], 4)
    assert await caller.cohort() == expected


async def test_a_cohort_of_classes_counts_and_names_one_that_training_never_saw(caller: Caller) -> None:
    await caller.predicted(OUTPUTS, CLASS)
    assert (await caller.happened("a", "c", "new"))["accepted"] == 3
    cohort = await caller.cohort()
    assert isinstance(cohort, MulticlassCohort)
    expected = MulticlassClassification(CLASSES).cohort(OUTPUTS[:3], ["a", "c", "new"], 4)
    assert (cohort.predictions, cohort.confusion, cohort.unseen) == (4, expected.confusion, {"new": 1})
    assert (cohort.log_loss_sum, cohort.brier_sum) == pytest.approx(
        (expected.log_loss_sum, expected.brier_sum), abs=1e-5
    )
    assert "Training has seen no rows of 'new' (1)" in cohort.note()


async def test_a_version_without_predictions_or_outcomes_has_an_empty_cohort_of_its_task(caller: Caller) -> None:
    await caller.predicted(OUTPUTS, CLASS)
    cohort = await caller.cohort()
    assert (cohort.task, cohort.predictions, cohort.matured) == ("MulticlassClassification", 4, 0)
    assert (await caller.cohort("9")).task == "BinaryClassification"


async def test_a_class_keeps_the_text_of_its_name_and_a_whole_number_is_the_class_of_its_digits(
    caller: Caller, observer: Any
) -> None:
    await caller.predicted(OUTPUTS, {"task": "MulticlassClassification", "classes": ["01", "1", "é"]})
    await caller.happened("01", 1, "é", 1.0)
    (table,) = rows_of(observer)
    assert table["label"].to_pylist() == ["01", "1", "é", "1"]
    cohort = await caller.cohort()
    assert cohort.note() == ""
    repeated = await caller.happened("01", "1", "e", "1")
    assert (repeated["duplicate"], repeated["conflicting"]) == (3, 1)


@pytest.mark.parametrize(
    ("model", "outputs", "label", "remedy"),
    [
        (None, [0.5, 0.5], 2, "label is 2, but version 1 predicts BinaryClassification: write 0 and 1, or booleans"),
        (None, [0.5, 0.5], "yes", "label is 'yes', but version 1 predicts BinaryClassification"),
        (NUMBER, [1.0, 2.0], "12", "label is '12', but version 1 predicts Regression: write finite numbers"),
        (NUMBER, [1.0, 2.0], True, "label is True, but version 1 predicts Regression"),
        (CLASS, OUTPUTS[:2], 0.5, "label is 0.5, but version 1 predicts MulticlassClassification: write texts"),
        (CLASS, OUTPUTS[:2], True, "label is True, but version 1 predicts MulticlassClassification"),
    ],
)
async def test_a_label_that_is_none_of_the_predicted_task_is_refused_with_its_place_and_nothing_is_recorded(
    caller: Caller, model: Any, outputs: list[Any], label: Any, remedy: str
) -> None:
    await caller.predicted(outputs, model)
    good = "a" if model is CLASS else 1
    assert (await caller.happened(good, label))["error"].startswith(f"outcomes[1].{remedy}")
    assert (await caller.cohort()).matured == 0


@pytest.mark.parametrize("label", [None, [1], "", "x" * 257, 1e39, 2**63])
async def test_what_can_be_a_label_of_no_task_is_refused_by_its_field(caller: Caller, label: Any) -> None:
    refused = (await caller.happened(label))["error"]
    assert refused.startswith("outcomes[0].label is ")
    assert ": give a number, a boolean, or a text of 1 to 256 characters" in refused


async def test_an_outcome_that_waited_for_a_prediction_of_another_task_is_dropped_and_counted(
    caller: Caller, client: httpx.AsyncClient
) -> None:
    assert (await caller.happened("a", 17.5, 18.5))["unknown"] == 3
    answer = await caller.predicted([20.0, 18.0], NUMBER)
    assert answer == {"accepted": 2, "duplicate": 0, "unusableOutcomes": 1}
    cohort = await caller.cohort()
    assert (cohort.predictions, cohort.matured) == (2, 1)
    text = (await client.get("/metrics")).text
    assert 'homeostat_observer_outcomes_total{deployment="churn",namespace="churn",result="unusable"} 1.0' in text
    assert (await caller.happened(21))["accepted"] == 1


async def test_booleans_are_outcomes_of_a_binary_model_whichever_comes_first(caller: Caller, observer: Any) -> None:
    await caller.happened(True, False)
    await caller.predicted([0.9, 0.2], None)
    assert (await caller.cohort()).matured == 2
    (table,) = rows_of(observer)
    assert table["label"].to_pylist() == [1, 0]
    assert table.schema.field("label").type == pa.int64()


@pytest.mark.parametrize(
    ("model", "output", "sentence"),
    [
        (
            CLASS,
            0.5,
            "predictions[0]: version 1 predicts MulticlassClassification; give probabilities and nothing else",
        ),
        (
            CLASS,
            [0.5, 0.5],
            "predictions[0].probabilities is 2 numbers, but version 1 predicts MulticlassClassification",
        ),
        (CLASS, [0.5, 0.4, 0.4], "predictions[0].probabilities is 3 numbers, but version 1 predicts"),
        (NUMBER, [0.5], "predictions[0]: version 1 predicts Regression; give score and nothing else"),
        (None, -0.5, "predictions[0].score is -0.5, but version 1 predicts BinaryClassification"),
        ({"task": "Ranking"}, 0.5, "models.1.predicts"),
        ({"task": "MulticlassClassification"}, [0.5], "models.1"),
    ],
)
async def test_a_prediction_that_its_version_cannot_make_is_refused(
    caller: Caller, model: Any, output: Any, sentence: str
) -> None:
    refused = (await caller.predicted([output], model))["error"]
    if sentence.startswith("models"):
        assert "models" in refused
    else:
        assert refused.startswith(sentence)


async def test_what_a_version_predicts_is_remembered_and_the_newest_word_counts(caller: Caller, observer: Any) -> None:
    await caller.predicted([5.0], NUMBER)
    observer.restart()
    answer = await caller.predicted([5.0, 6.0], None)
    assert answer == {"accepted": 1, "duplicate": 1}
    await caller.predicted(OUTPUTS, CLASS)
    assert (await caller.happened("a", "b", "c"))["accepted"] == 3
    cohort = await caller.cohort()
    # Numbers of before are counted as predictions, and are in no figure of the classes.
    assert (cohort.task, cohort.predictions, cohort.matured) == ("MulticlassClassification", 4, 1)


def test_versions_of_other_deployments_and_namespaces_predict_what_they_do_themselves(observer: Any) -> None:
    said = {"a": Regression(1.0, 2.0), "b": Regression(3.0, 4.0)}
    owners = [("churn", "a"), ("churn", "b"), ("sales", "a"), ("sales", "b")]
    for namespace, deployment in owners:
        prediction = Prediction(id="p", version="1", entity="e", time=START, score=0.5)
        task = said[deployment]
        units = Units(origin=task.origin, scale=task.scale)
        models = {"1": PredictedBy(task=task.name, units=units)} if namespace == "churn" else {}
        observer.store.add_predictions(namespace, deployment, [prediction], models)
    found = [observer.store.cohort(*owner, "1", START - timedelta(hours=1), START) for owner in owners]
    assert [(one.task, getattr(one, "origin", None)) for one in found] == [
        ("Regression", 1.0), ("Regression", 3.0), ("BinaryClassification", None), ("BinaryClassification", None),
    ]  # fmt: skip


async def test_a_prediction_has_a_score_or_probabilities_and_not_both(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    item = {
        "id": "p",
        "version": "1",
        "entity": "e",
        "time": START.isoformat(),
        "score": 0.7,
        "probabilities": OUTPUTS[0],
    }
    body = OWNER | {"predictions": [item], "models": {"1": CLASS}}
    answer = await client.post("/v1/predictions", json=body, headers=bearer("predictor"))
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(
        "version 1 predicts MulticlassClassification; give probabilities and nothing else"
    )


@pytest.mark.parametrize(
    ("task", "rows"),
    [(UNNAMED, 2_000_000), (Regression(), 2_000_000), (MulticlassClassification(("a", "b", "c", "d")), 500_000)],
)
def test_at_most_two_million_numbers_are_in_memory_at_a_time(task: Task, rows: int) -> None:
    assert rows_at_a_time(task) == rows


async def test_a_cohort_counted_in_pieces_is_that_of_all_rows(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    await caller.predicted(OUTPUTS, CLASS)
    await caller.happened("a", "new", "c")
    whole = await caller.cohort()
    monkeypatch.setattr(predicted, "NUMBERS_AT_A_TIME", 3)
    pieces = await caller.cohort()
    assert isinstance(whole, MulticlassCohort)
    assert isinstance(pieces, MulticlassCohort)
    assert (pieces.predictions, pieces.confusion, pieces.unseen) == (4, whole.confusion, whole.unseen)
    assert pieces.log_loss_sum == pytest.approx(whole.log_loss_sum)


async def test_a_shadow_of_numbers_is_compared_in_their_units(caller: Caller) -> None:
    await caller.predicted([10.0, 20.0, 30.0], NUMBER)
    await caller.predicted([11.0, 25.0, 30.0, 99.0], NUMBER, "2", mirrored=True)
    found = await caller.shadow("2")
    assert (found["task"], found["mirrored"], found["compared"], found["disagreements"]) == ("Regression", 4, 3, 0)
    assert (found["differenceSum"], found["maxAbsoluteDifference"]) == (6.0, 5.0)


async def test_a_shadow_with_another_class_is_compared_class_by_class(caller: Caller) -> None:
    await caller.predicted([[0.6, 0.4], [0.1, 0.9]], {"task": "MulticlassClassification", "classes": ["a", "b"]})
    await caller.predicted([[0.6, 0.4, 0.0], [0.0, 0.25, 0.75]], CLASS, "2", mirrored=True)
    found = await caller.shadow("2")
    assert (found["compared"], found["disagreements"], found["differenceSum"]) == (2, 1, 0.0)
    assert found["maxAbsoluteDifference"] == pytest.approx(0.75)


async def test_a_shadow_of_another_task_than_the_champion_is_not_compared(caller: Caller) -> None:
    await caller.predicted([0.5, 0.5], None)
    await caller.predicted(OUTPUTS, CLASS, "2", mirrored=True)
    found = await caller.shadow("2")
    assert (found["task"], found["mirrored"], found["compared"]) == ("MulticlassClassification", 4, 0)
    assert compare(4, []).sentence() == ""


async def test_labels_are_exported_with_their_type_and_turns_of_two_types_are_parts_of_their_own(
    caller: Caller, observer: Any
) -> None:
    await caller.predicted([10.0], NUMBER)
    await caller.happened(12.5)
    items = [{"id": "q", "version": "2", "entity": "q", "time": START.isoformat(), "probabilities": OUTPUTS[0]}]
    sent = OWNER | {"predictions": items, "models": {"2": CLASS}}
    await caller._client.post("/v1/predictions", json=sent, headers=caller._bearer("predictor"))
    body = OWNER | {"outcomes": [{"predictionId": "q", "label": "b"}]}
    await caller._client.post("/v1/outcomes", json=body, headers=caller._bearer("seller"))
    number, class_ = rows_of(observer)
    assert (number.schema.field("label").type, number["label"].to_pylist()) == (pa.float64(), [12.5])
    assert (class_.schema.field("label").type, class_["label"].to_pylist()) == (pa.string(), ["b"])
    assert class_["score"].to_pylist() == [0.7]
    assert observer.exporter.run() == 0
