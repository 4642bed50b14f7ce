"""A tiny real model: probability = sigmoid(monthly / 100 + 1 if contract is "monthly"; missing counts as 0)."""

import hashlib
import json
import math
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
DATATYPES = {"contract": "BYTES", "charges": "FP64", "tenure": "INT64", "senior": "BOOL"}


def probability(row: dict[str, Any]) -> float:
    charges = row["charges"] if row["charges"] is not None else 0.0
    return 1 / (1 + math.exp(-(charges / 100 + (1.0 if row["contract"] == "monthly" else 0.0))))


def graph() -> bytes:
    """The model's graph; tenure and senior are inputs without effect."""
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("hundred", TensorProto.FLOAT, [1], [100.0]),
        helper.make_tensor("monthly", TensorProto.STRING, [1], [b"monthly"]),  # type: ignore[list-item]  # onnx takes bytes
    ]
    nodes = [
        helper.make_node("IsNaN", ["charges"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "charges"], ["known"]),
        helper.make_node("Div", ["known", "hundred"], ["scaled"]),
        helper.make_node("Equal", ["contract", "monthly"], ["is_monthly"]),
        helper.make_node("Cast", ["is_monthly"], ["bonus"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["scaled", "bonus"], ["logit"]),
        helper.make_node("Where", ["unused", "logit", "logit"], ["kept"]),
        helper.make_node("Sigmoid", ["kept"], ["probability"]),
        helper.make_node("Add", ["tenure", "senior"], ["both"]),
        helper.make_node("IsNaN", ["both"], ["unused"]),
    ]
    nodes = [*nodes[:6], *nodes[8:], *nodes[6:8]]  # in topological order
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.STRING if d == "BYTES" else TensorProto.FLOAT, [None, 1])
        for n, d in DATATYPES.items()
    ]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])]
    model = helper.make_model(
        helper.make_graph(nodes, "small", inputs, outputs, constants), opset_imports=[helper.make_opsetid("", 19)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def files(**changes: Any) -> dict[str, bytes]:
    """The model's files; `changes` are of its signature."""
    kinds = {
        n: FeatureKind.NUMERIC if d in ("FP64", "INT64") else FeatureKind.CATEGORICAL for n, d in DATATYPES.items()
    }
    columns = {name: [row[name] for row in ROWS] for name in DATATYPES}
    scores = [probability(row) for row in ROWS]
    inputs = [{"name": n, "datatype": d, "feature_set": "customers"} for n, d in DATATYPES.items()]
    signature = {
        "model": "churn.churn",
        "entity": "customer_id",
        "featureSets": ["customers"],
        "inputs": inputs,
        "output": {"name": "probability", "datatype": "FP64"},
        "positive": "churned",
        **changes,
    }
    examples = [{"inputs": row, "output": score} for row, score in zip(ROWS, scores, strict=True)]
    return {
        "model.onnx": graph(),
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
