"""What a model predicts decides the form of an answer: a probability, a number, or a probability for each class."""

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from homeostat.artifacts.signature import Signature
from homeostat.reconcile.errors import InvalidData
from homeostat_services.predictor.model import load
from homeostat_services.predictor.outputs import Outputs, outputs_of
from homeostat_services.predictor.prediction_log import PredictedBy, Prediction
from support import small_model

INFER, LENGTH = "/v2/models/churn/infer", "inference-header-content-length"
ROWS, CLASSES = small_model.ROWS, small_model.CLASSES
NUMBERS = [small_model.prediction(row) for row in ROWS]
PROBABILITIES = [small_model.probabilities(row) for row in ROWS]
NAMED = ["basic", "basic", "family", "basic", "basic"]
Make = Callable[..., httpx.AsyncClient]


async def counted(http: httpx.AsyncClient) -> dict[str, float]:
    """Predictions by bin, of the bins that have some."""
    lines = (await http.get("/metrics")).text.splitlines()
    found = {
        line.split('bin="')[1].split('"')[0]: float(line.split()[-1]) for line in lines if "score_bin_total{" in line
    }
    return {label: number for label, number in found.items() if number}


async def test_a_regression_answers_a_number_for_each_row_and_logs_it(client: Make, recorded: list[Prediction]) -> None:
    async with client(task="Regression") as http:
        answer = (await http.post(INFER, json=small_model.request(ROWS, list("abcde")))).json()
        assert sum((await counted(http)).values()) == 5
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("prediction", "FP64", [5])
    assert output["data"] == pytest.approx(NUMBERS, rel=1e-5)
    assert [(p.score, p.probabilities) for p in recorded] == [(number, None) for number in output["data"]]


async def test_a_multiclass_model_answers_the_probabilities_of_all_classes_and_the_most_probable_one(
    client: Make, recorded: list[Prediction]
) -> None:
    async with client(task="MulticlassClassification") as http:
        answer = (await http.post(INFER, json=small_model.request(ROWS, list("abcde")))).json()
        assert await counted(http) == {"basic": 4, "family": 1}
    probabilities, classes = answer["outputs"]
    assert (probabilities["name"], probabilities["datatype"], probabilities["shape"]) == (
        "probabilities",
        "FP64",
        [5, 3],
    )
    assert probabilities["parameters"] == {"classes": CLASSES}
    assert np.reshape(probabilities["data"], (5, 3)) == pytest.approx(np.array(PROBABILITIES), abs=1e-6)
    assert classes == {"name": "class", "datatype": "BYTES", "shape": [5], "data": NAMED}
    assert [p.score for p in recorded] == [None] * 5
    assert np.array([p.probabilities for p in recorded]) == pytest.approx(np.array(PROBABILITIES), abs=1e-6)


async def test_a_caller_chooses_among_the_outputs_and_their_forms(client: Make) -> None:
    wanted = [{"name": "class", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    async with client(task="MulticlassClassification") as http:
        response = await http.post(INFER, json=small_model.request(ROWS[1:3], outputs=wanted))
        alone = (await http.post(INFER, json=small_model.request(ROWS[:1], outputs=[{"name": "class"}]))).json()
        whole = await http.post(INFER, json=small_model.request(ROWS[:1], parameters={"binary_data_output": True}))
        wrong = await http.post(INFER, json=small_model.request(ROWS[:1], outputs=[{"name": "probability"}]))
    length = int(response.headers[LENGTH])
    classes, probabilities = json.loads(response.content[:length])["outputs"]
    assert classes == {"name": "class", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 19}}
    assert response.content[length:] == b"\x05\0\0\0basic\x06\0\0\0family"
    assert len(probabilities["data"]) == 6
    assert alone["outputs"] == [{"name": "class", "datatype": "BYTES", "shape": [1], "data": ["basic"]}]
    length = int(whole.headers[LENGTH])
    assert json.loads(whole.content[:length])["outputs"][0]["parameters"] == {
        "binary_data_size": 24,
        "classes": CLASSES,
    }
    assert np.frombuffer(whole.content[length : length + 24], "<f8") == pytest.approx(PROBABILITIES[0], abs=1e-6)
    assert "'probability' is not an output of this model; it has 'probabilities' and 'class'" in wrong.json()["error"]


async def test_an_unknown_entity_among_others_has_no_class_and_no_probabilities(
    client: Make, recorded: list[Prediction]
) -> None:
    ids = {"name": "customer_id", "shape": [2], "datatype": "BYTES", "data": ["nobody", "x"]}
    async with client({"x": ROWS[0]}, task="MulticlassClassification", features="Lookup") as http:
        answer = (await http.post(INFER, json={"inputs": [ids]})).json()
        assert await counted(http) == {"basic": 1}
    probabilities, classes = answer["outputs"]
    assert probabilities["data"][:3] == [None] * 3
    assert classes["data"] == [None, "basic"]
    assert [p.entity for p in recorded] == ["x"]


@pytest.mark.parametrize(
    ("task", "names", "expected"),
    [("MulticlassClassification", CLASSES, PROBABILITIES), ("Regression", ["prediction"], [[n] for n in NUMBERS])],
)
async def test_seldons_protocol_has_a_column_for_each_class_or_one_for_the_number(
    client: Make, task: str, names: list[str], expected: list[list[float]]
) -> None:
    inputs = list(small_model.DATATYPES)
    table = {"names": inputs, "ndarray": [[row[name] for name in inputs] for row in ROWS]}
    async with client(task=task) as http:
        rows = (await http.post("/api/v1.0/predictions", json={"data": table})).json()["data"]
        tensor = (await http.post("/predict", json={"jsonData": ROWS})).json()["data"]["tensor"]
    assert rows["names"] == names
    assert np.array(rows["ndarray"]) == pytest.approx(np.array(expected), rel=1e-5)
    assert tensor == {"shape": [5, len(names)], "values": [value for row in rows["ndarray"] for value in row]}


async def test_metadata_has_the_task_and_a_shape_for_each_output(client: Make) -> None:
    found = (await client(task="MulticlassClassification").get("/v2/models/churn")).json()
    assert found["outputs"] == [
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
        {"name": "class", "datatype": "BYTES", "shape": [-1]},
    ]
    assert (found["parameters"]["task"], found["parameters"]["classes"]) == ("MulticlassClassification", CLASSES)
    number = (await client(task="Regression").get("/v2/models/churn")).json()
    assert number["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
    assert number["parameters"]["task"] == "Regression"


def test_the_log_says_what_a_model_predicts_unless_it_is_the_probability_of_a_binary_one() -> None:
    def by(task: str) -> Any:
        objects, digest = small_model.stored(small_model.files(task))
        return load(objects, small_model.URI, digest).outputs.by

    assert by("BinaryClassification") is None
    assert by("MulticlassClassification") == PredictedBy("MulticlassClassification", classes=CLASSES)
    assert by("Regression") == PredictedBy("Regression", units={"origin": 1000.0, "scale": 500.0})


@pytest.mark.parametrize("task", small_model.PREDICTED)
async def test_a_prediction_that_is_not_finite_is_an_error_with_its_row_and_is_not_logged(
    client: Make, recorded: list[Prediction], task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = client(task=task)
    predictor = http._transport._application._predictor  # type: ignore[attr-defined]
    broken = small_model.PREDICTED[task](ROWS[0])
    width = len(broken) if isinstance(broken, list) else 1
    given = np.full((2, width), 0.5, dtype=np.float32)
    given[1, 0] = np.nan
    monkeypatch.setitem(predictor.model.__dict__, "_run", lambda *_: [given])
    response = await http.post(INFER, json=small_model.request(ROWS[:2], ["a", "b"]))
    assert response.status_code == 500
    assert response.json()["error"] == (
        "row 1: the model gives nan, and a prediction must be finite; train the model again"
    )
    assert recorded == []


def not_served(files: dict[str, bytes], text: str) -> None:
    objects, digest = small_model.stored(files)
    with pytest.raises(InvalidData, match=text):
        load(objects, small_model.URI, digest)


def test_a_multiclass_model_without_classes_or_with_others_than_its_graph_is_not_served() -> None:
    not_served(small_model.files("MulticlassClassification", classes=[]), r"signature\.json: classes is empty")
    two = small_model.files("MulticlassClassification", classes=CLASSES[:2])
    not_served(two, r"model\.onnx gives \[3\] values per row for 2 classes; train the model again")


def test_a_baseline_with_bins_of_another_kind_of_output_is_not_served() -> None:
    files = small_model.files("MulticlassClassification")
    numbers = small_model.files()["baseline.json"]
    not_served(
        files | {"baseline.json": numbers}, "score is Numeric, and the output of a MulticlassClassification is Categ"
    )


@pytest.mark.parametrize(("apart", "served"), [(0.04, True), (0.1, False)])
def test_a_number_is_repeated_where_it_is_within_a_ten_thousandth_of_the_deviation_of_its_labels(
    apart: float, *, served: bool
) -> None:
    files = small_model.files("Regression")
    examples = json.loads(files["examples.json"])
    examples[1]["output"] += apart
    files["examples.json"] = json.dumps(examples).encode()
    if served:
        objects, digest = small_model.stored(files)
        assert load(objects, small_model.URI, digest).signature.task == "Regression"
    else:
        not_served(files, "example 1 was .* further apart than machines differ")


def test_every_probability_of_an_example_is_compared() -> None:
    files = small_model.files("MulticlassClassification")
    examples = json.loads(files["examples.json"])
    examples[3]["output"][2] += 0.001
    not_served(files | {"examples.json": json.dumps(examples).encode()}, "example 3 was")
    examples[3]["output"] = 0.5
    not_served(files | {"examples.json": json.dumps(examples).encode()}, "example 3 was")


def outputs(task: str, **changes: Any) -> Outputs:
    return outputs_of(Signature.model_validate_json(small_model.files(task, **changes)["signature.json"]))


def test_a_binary_model_with_a_column_for_each_class_has_the_positive_one_last() -> None:
    assert outputs("BinaryClassification").of(np.array([[0.75, 0.25], [0.5, 0.5]])) == [0.25, 0.5]
    assert outputs("BinaryClassification").of(np.array([[0.25], [0.5]])) == [0.25, 0.5]


@pytest.mark.parametrize(("apart", "same"), [(0.9e-4, True), (-0.9e-4, True), (1.2e-4, False), (math.nan, False)])
def test_a_probability_is_repeated_where_it_is_within_a_ten_thousandth(apart: float, *, same: bool) -> None:
    assert outputs("BinaryClassification").repeats(0.5, 0.5 + apart) is same
    two = outputs("MulticlassClassification", classes=["a", "b"])
    assert two.repeats([0.5, 0.5], [0.5 - apart, 0.5 + apart]) is same


@pytest.mark.parametrize(("apart", "same"), [(500.0, True), (1500.0, False)])
def test_a_large_number_is_repeated_where_it_is_as_near_as_single_precision_is(apart: float, *, same: bool) -> None:
    assert outputs("Regression").repeats(1e9, 1e9 + apart) is same


def test_an_example_of_fewer_classes_is_not_repeated() -> None:
    assert outputs("MulticlassClassification", classes=["a", "b"]).repeats([0.5], [0.5, 0.5]) is False
