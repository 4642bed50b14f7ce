"""A model of many features for benchmarks: texts by a table, numbers as they are, 100 trees, as trainings make them."""

import json
import random
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from homeostat.signals import fit
from homeostat.signals.histogram import FeatureKind

CATEGORIES = ("monthly", "one year", "two years", "none", "other")
TREES, DEPTH = 100, 5


class WideModel:
    """A model with `features` inputs, two thirds of them texts.

    Args:
        features: Number of inputs.
    """

    def __init__(self, features: int) -> None:
        self.draw = random.Random(7)
        self.datatypes = {f"f{n}": "BYTES" if n % 3 else "FP64" for n in range(features)}

    def row(self) -> dict[str, Any]:
        """Values of one row, drawn."""
        draw = self.draw
        return {
            name: draw.choice(CATEGORIES) if datatype == "BYTES" else round(draw.gauss(50, 20), 2)
            for name, datatype in self.datatypes.items()
        }

    def request(self, count: int) -> dict[str, Any]:
        """A request with `count` rows and their entities."""
        rows = [self.row() for _ in range(count)]
        inputs: list[dict[str, Any]] = [
            {"name": name, "shape": [count], "datatype": datatype, "data": [row[name] for row in rows]}
            for name, datatype in self.datatypes.items()
        ]
        entities = [f"customer-{number}" for number in range(count)]
        inputs.append({"name": "customer_id", "shape": [count], "datatype": "BYTES", "data": entities})
        return {"inputs": inputs}

    def files(self) -> dict[str, bytes]:
        """The files of the model's bundle."""
        graph, rows = self.graph(), [self.row() for _ in range(500)]
        session = ort.InferenceSession(graph)
        feed = {name: _tensor([row[name] for row in rows], datatype) for name, datatype in self.datatypes.items()}
        scores = session.run(["probability"], feed)[0][:, 0].tolist()
        kinds = {n: FeatureKind.CATEGORICAL if d == "BYTES" else FeatureKind.NUMERIC for n, d in self.datatypes.items()}
        signature = {
            "model": "churn.churn",
            "entity": "customer_id",
            "featureSets": ["customers"],
            "inputs": [{"name": n, "datatype": d, "feature_set": "customers"} for n, d in self.datatypes.items()],
        }
        columns = {name: [row[name] for row in rows] for name in self.datatypes}
        examples = [{"inputs": row, "output": score} for row, score in zip(rows[:5], scores, strict=False)]
        return {
            "model.onnx": graph,
            "baseline.json": fit(columns, kinds, scores=scores).model_dump_json().encode(),
            "signature.json": json.dumps(signature).encode(),
            "examples.json": json.dumps(examples).encode(),
        }

    def graph(self) -> bytes:
        """The model's graph."""
        nodes, parts = [], []
        for name, datatype in self.datatypes.items():
            if datatype == "BYTES":
                numbers = [float(n) for n in range(len(CATEGORIES))]
                nodes.append(
                    helper.make_node(
                        "LabelEncoder",
                        [name],
                        [f"{name}_number"],
                        domain="ai.onnx.ml",
                        keys_strings=list(CATEGORIES),
                        values_floats=numbers,
                        default_float=-1.0,
                    )
                )
            parts.append(f"{name}_number" if datatype == "BYTES" else name)
        nodes += [
            helper.make_node("Concat", parts, ["row"], axis=1),
            helper.make_node("TreeEnsembleRegressor", ["row"], ["logit"], domain="ai.onnx.ml", **self._trees()),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ]
        inputs = [
            helper.make_tensor_value_info(n, TensorProto.STRING if d == "BYTES" else TensorProto.FLOAT, [None, 1])
            for n, d in self.datatypes.items()
        ]
        outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])]
        opsets = [helper.make_opsetid("", 19), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(helper.make_graph(nodes, "wide", inputs, outputs), opset_imports=opsets)
        model.ir_version = 10
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _trees(self) -> dict[str, Any]:
        """Complete trees: node i has the children 2i + 1 and 2i + 2."""
        draw, inner = random.Random(11), 2**DEPTH - 1
        every = [(tree, node) for tree in range(TREES) for node in range(2 * inner + 1)]
        leaves = [(tree, node) for tree, node in every if node >= inner]
        return {
            "n_targets": 1,
            "nodes_treeids": [tree for tree, _ in every],
            "nodes_nodeids": [node for _, node in every],
            "nodes_featureids": [draw.randrange(len(self.datatypes)) if node < inner else 0 for _, node in every],
            "nodes_values": [draw.uniform(0, 60) if node < inner else 0.0 for _, node in every],
            "nodes_modes": ["BRANCH_LEQ" if node < inner else "LEAF" for _, node in every],
            "nodes_truenodeids": [2 * node + 1 if node < inner else 0 for _, node in every],
            "nodes_falsenodeids": [2 * node + 2 if node < inner else 0 for _, node in every],
            "target_treeids": [tree for tree, _ in leaves],
            "target_nodeids": [node for _, node in leaves],
            "target_ids": [0] * len(leaves),
            "target_weights": [draw.gauss(0, 0.05) for _ in leaves],
        }


def _tensor(values: list[Any], datatype: str) -> Any:
    return np.array(values, dtype=object if datatype == "BYTES" else np.float32).reshape(-1, 1)
