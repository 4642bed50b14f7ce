"""Small models of every task, which see one whole number: what the gate scores, without a training."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from homeostat.artifacts.model import MODEL, SIGNATURE
from homeostat.tasks import made

FEATURE = "tenure"


def files(task: str, weights: Sequence[float], offsets: Sequence[float], **signed: Any) -> dict[str, bytes]:
    """Graph and signature: `weight * tenure + offset` for each output, as probabilities where the task has these."""
    output = made(task).output
    last = {"probability": "Sigmoid", "probabilities": "Softmax", "prediction": "Identity"}[output]
    constants = {"weights": [list(weights)], "offsets": list(offsets)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", [FEATURE, "weights"], ["product"]),
            helper.make_node("Add", ["product", "offsets"], ["sum"]),
            helper.make_node(last, ["sum"], [output]),
        ],
        "model",
        [helper.make_tensor_value_info(FEATURE, TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, len(weights)])],
        [numpy_helper.from_array(np.array(value, dtype=np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    signature = {
        "model": "churn.churn",
        "task": task,
        "entity": "customer_id",
        "featureSets": ["customers"],
        "inputs": [{"name": FEATURE, "datatype": "INT64", "feature_set": "customers"}],
        "output": {"name": output, "datatype": "FP64"},
        "holdoutPercent": 20,
        **signed,
    }
    return {MODEL: model.SerializeToString(), SIGNATURE: json.dumps(signature).encode()}
