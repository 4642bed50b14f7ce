"""Tiny real models of `logit = charges / 100 + 1 if contract is "monthly"`, missing counts as 0: one for each task."""

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import onnx
from onnx import TensorProto, helper

from homeostat.engines.objects.memory import MemoryObjects
from homeostat.signals import FeatureKind, fit
from homeostat_services.predictor.settings import PredictorSettings

URI = "s3://homeostat/churn/models/churn/one"
ROWS: list[dict[str, Any]] = [
    {"contract": "monthly", "charges": 20.0, "tenure": 1, "senior": True},
    {"contract": "yearly", "charges": 70.0, "tenure": 30, "senior": False},
    {"contract": "yearly", "charges": None, "tenure": None, "senior": False},
    {"contract": None, "charges": 55.5, "tenure": 12, "senior": None},
    {"contract": "monthly", "charges": 99.0, "tenure": 70, "senior": False},
]
CLASSES = ["basic", "family", "none"]
DATATYPES = {"contract": "BYTES", "charges": "FP64", "tenure": "INT64", "senior": "BOOL"}


def probability(row: dict[str, Any]) -> float:
    charges = row["charges"] if row["charges"] is not None else 0.0
    return 1 / (1 + math.exp(-(charges / 100 + (1.0 if row["contract"] == "monthly" else 0.0))))


def prediction(row: dict[str, Any]) -> float:
    """What the regression predicts."""
    return 1000 * (math.log(probability(row)) - math.log(1 - probability(row)))


def probabilities(row: dict[str, Any]) -> list[float]:
    """What the multiclass model predicts for each of `CLASSES`."""
    logit = prediction(row) / 1000
    odds = [math.exp(logit), math.exp(1 - logit), 1.0]
    return [one / sum(odds) for one in odds]


PREDICTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "BinaryClassification": probability,
    "MulticlassClassification": probabilities,
    "Regression": prediction,
}
ENDS: dict[str, list[onnx.NodeProto]] = {
    "BinaryClassification": [helper.make_node("Sigmoid", ["kept"], ["probability"])],
    "MulticlassClassification": [
        helper.make_node("Sub", ["one", "kept"], ["second"]),
        helper.make_node("Sub", ["kept", "kept"], ["third"]),
        helper.make_node("Concat", ["kept", "second", "third"], ["odds"], axis=1),
        helper.make_node("Softmax", ["odds"], ["probabilities"], axis=1),
    ],
    "Regression": [helper.make_node("Mul", ["kept", "thousand"], ["prediction"])],
}
"""From `kept`, the logit, to the output."""


def graph(task: str = "BinaryClassification") -> bytes:
    """The graph of a task's model; tenure and senior are inputs without effect."""
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("hundred", TensorProto.FLOAT, [1], [100.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("thousand", TensorProto.FLOAT, [1], [1000.0]),
        helper.make_tensor("monthly", TensorProto.STRING, [1], [b"monthly"]),  # type: ignore[list-item]  # onnx takes bytes
    ]
    nodes = [
        helper.make_node("IsNaN", ["charges"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "charges"], ["known"]),
        helper.make_node("Div", ["known", "hundred"], ["scaled"]),
        helper.make_node("Equal", ["contract", "monthly"], ["is_monthly"]),
        helper.make_node("Cast", ["is_monthly"], ["bonus"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["scaled", "bonus"], ["logit"]),
        helper.make_node("Add", ["tenure", "senior"], ["both"]),
        helper.make_node("IsNaN", ["both"], ["unused"]),
        helper.make_node("Where", ["unused", "logit", "logit"], ["kept"]),
        *ENDS[task],
    ]
    used = [each for each in constants if any(each.name in node.input for node in nodes)]
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.STRING if d == "BYTES" else TensorProto.FLOAT, [None, 1])
        for n, d in DATATYPES.items()
    ]
    outputs = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [None, None])]
    model = helper.make_model(
        helper.make_graph(nodes, "small", inputs, outputs, used), opset_imports=[helper.make_opsetid("", 19)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def files(task: str = "BinaryClassification", sent: tuple[str, ...] = (), **changes: Any) -> dict[str, bytes]:
    """The files of a task's model; callers send the inputs in `sent` always, and `changes` are of its signature."""
    kinds = {
        n: FeatureKind.NUMERIC if d in ("FP64", "INT64") else FeatureKind.CATEGORICAL for n, d in DATATYPES.items()
    }
    columns = {name: [row[name] for row in ROWS] for name in DATATYPES}
    made = [PREDICTED[task](row) for row in ROWS]
    classes = CLASSES if task == "MulticlassClassification" else []
    scores = [CLASSES[row.index(max(row))] for row in made] if classes else made
    inputs: list[dict[str, Any]] = [
        {"name": n, "datatype": d, **({"origin": "request"} if n in sent else {"feature_set": "customers"})}
        for n, d in DATATYPES.items()
    ]
    signature = {
        "model": "churn.churn",
        "entity": "customer_id",
        "featureSets": ["customers"],
        "inputs": inputs,
        "task": task,
        "output": {"name": ENDS[task][-1].output[0], "datatype": "FP64"},
        "positive": "churned",
        **({"classes": CLASSES} if classes else {}),
        **({"units": {"origin": 1000.0, "scale": 500.0}} if task == "Regression" else {}),
        **changes,
    }
    examples = [{"inputs": row, "output": score} for row, score in zip(ROWS, made, strict=True)]
    return {
        "model.onnx": graph(task),
        "baseline.json": fit(columns, kinds, scores=scores).model_dump_json().encode(),
        "signature.json": json.dumps(signature).encode(),
        "examples.json": json.dumps(examples).encode(),
    }


def stored(content: dict[str, bytes] | None = None) -> tuple[MemoryObjects, str]:
    """A store with the model's files, and the model's digest."""
    content = content or files()
    named = {name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in content.items()}
    manifest = json.dumps({"files": named}, sort_keys=True, separators=(",", ":")).encode()
    objects = MemoryObjects({f"{URI}/{name}": data for name, data in {**content, "manifest.json": manifest}.items()})
    return objects, f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def settings(digest: str, **changes: Any) -> PredictorSettings:
    given: dict[str, Any] = {"namespace": "churn", "deployment": "churn", "version": "1", "entity_field": "customer_id"}
    return PredictorSettings(**{**given, "model_uri": URI, "model_digest": digest, **changes})


def request(rows: list[dict[str, Any]], entities: list[str] | None = None, **extra: Any) -> dict[str, Any]:
    """A request of mode Request for these rows."""
    count = len(rows)
    inputs = [
        {"name": n, "shape": [count], "datatype": d, "data": [row[n] for row in rows]} for n, d in DATATYPES.items()
    ]
    if entities is not None:
        inputs.append({"name": "customer_id", "shape": [count], "datatype": "BYTES", "data": entities})
    return {"inputs": inputs, **extra}
