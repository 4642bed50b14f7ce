"""The model: gradient boosting over one-hot categories and raw numbers, as one ONNX graph from raw features to score."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from homeostat.artifacts.bundle import canonical
from homeostat.artifacts.dataset import LABEL
from homeostat.artifacts.model import BASELINE, EXAMPLES, MODEL, SIGNATURE, Example
from homeostat.artifacts.signature import PROBABILITY, Signature
from homeostat.reconcile.errors import InvalidData, PlatformError
from homeostat.signals import fit
from homeostat.signals.histogram import FeatureKind
from homeostat_pipelines.signature import feeds, of_known, score

TOLERANCE = 1e-5
"""Largest difference between graph and estimator: the graph computes in single precision."""

OPSET = {"": 18, "ai.onnx.ml": 3}
EXAMPLE_ROWS = 8

_PREFIX = "homeostat."
"""Of names in the graph that are not its inputs or its output; names of features have no dot."""


class Hyperparameters(BaseModel):
    """Parameters of the pipeline; see scikit-learn's HistGradientBoostingClassifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(0.1, gt=0, le=1)
    max_iter: int = Field(100, ge=1, le=10_000)
    max_leaf_nodes: int = Field(31, ge=2, le=1024)
    min_samples_leaf: int = Field(20, ge=1)
    l2_regularization: float = Field(0.0, ge=0)


def hyperparameters(values: dict[str, object]) -> Hyperparameters:
    """Checked parameters.

    Raises:
        InvalidData: A value is out of bounds.
    """
    try:
        return Hyperparameters.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"parameter {e['loc'][0]} is {e['input']!r}: {e['msg']}" for e in error.errors())
        raise InvalidData(f"{wrong}; correct spec.pipeline.parameters") from error


def train(table: pa.Table, signature: Signature, parameters: Hyperparameters, seed: int) -> dict[str, bytes]:
    """Files of the model trained on these rows.

    A feature without a value in any row is left out.

    Raises:
        InvalidData: No feature has a value.
        PlatformError: The graph does not score as the estimator does.
    """
    signature = of_known(signature, table)
    fed = feeds(table, signature.inputs)
    frame = _frame(fed)
    estimator = _estimator(signature, parameters, seed)
    estimator.fit(frame, table.column(LABEL).to_numpy())
    _make_single_precision(estimator.named_steps["boosting"])
    graph = _graph(estimator, signature)
    scores = score(graph, fed)
    expected = estimator.predict_proba(frame)[:, 1]
    if (off := float(np.abs(scores - expected).max())) > TOLERANCE:
        raise PlatformError(f"the ONNX graph is off by {off:.2g} from scikit-learn; this is a defect, please report it")
    return {
        MODEL: graph,
        BASELINE: _baseline(table, signature, scores),
        SIGNATURE: canonical(signature.model_dump(mode="json", by_alias=True)),
        EXAMPLES: canonical(_examples(table, signature, scores)),
    }


def _frame(fed: Mapping[str, NDArray[np.generic]]) -> pd.DataFrame:
    """Features as the estimator takes them."""
    return pd.DataFrame({_alias(index): column[:, 0] for index, column in enumerate(fed.values())})


def _alias(index: int) -> str:
    """Name of a feature while the model is made; the converter has names of its own that a feature may have, too."""
    return f"feature_{index}"


def _estimator(signature: Signature, parameters: Hyperparameters, seed: int) -> Pipeline:
    texts = [_alias(index) for index, i in enumerate(signature.inputs) if i.textual]
    numbers = [_alias(index) for index, i in enumerate(signature.inputs) if not i.textual]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    columns = ColumnTransformer([("categories", one_hot, texts), ("numbers", "passthrough", numbers)])
    boosting = HistGradientBoostingClassifier(
        **parameters.model_dump(),
        early_stopping=False,  # would set rows aside by chance, and the holdout is ours to choose
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("boosting", boosting)])


def _make_single_precision(boosting: HistGradientBoostingClassifier) -> None:
    """Rounds thresholds down to single precision, in which the graph compares.

    Inputs are single precision already, and for these x <= t and x <= (t rounded down) say the same.
    """
    for trees in boosting._predictors:  # noqa: SLF001 - scikit-learn has no public way to the thresholds
        for tree in trees:
            exact = tree.nodes["num_threshold"]
            rounded = exact.astype(np.float32)
            over = rounded > exact
            rounded[over] = np.nextafter(rounded[over], np.float32(-np.inf))
            tree.nodes["num_threshold"] = rounded


def _graph(estimator: Pipeline, signature: Signature) -> bytes:
    """The ONNX graph: one [N, 1] input per feature, one [N, 1] output with the score."""
    tensors = [(StringTensorType if i.textual else FloatTensorType)([None, 1]) for i in signature.inputs]
    types = [(_alias(index), tensor) for index, tensor in enumerate(tensors)]
    boosting = estimator.named_steps["boosting"]
    options = {id(boosting): {"zipmap": False, "output_class_labels": False}}
    model = cast(
        "onnx.ModelProto",
        to_onnx(estimator, initial_types=types, options=options, target_opset=OPSET, name="homeostat"),
    )
    graph = model.graph
    scores = f"{_PREFIX}{graph.output[1].name}"
    _rename(graph, [i.name for i in signature.inputs])
    positive = f"{_PREFIX}positive"
    graph.initializer.append(helper.make_tensor(positive, TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Gather", [scores, positive], [PROBABILITY], name="positive_class", axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, [None, 1]))
    # skl2onnx keeps them in a set, whose order is another one in every process: the digest must not follow it.
    model.opset_import.sort(key=lambda one: one.domain)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _rename(graph: onnx.GraphProto, features: Sequence[str]) -> None:
    """Gives inputs the names of their features, in order, and everything else one that no feature has."""
    inputs = {each.name: name for each, name in zip(graph.input, features, strict=True)}

    def renamed(name: str) -> str:
        return inputs.get(name) or (f"{_PREFIX}{name}" if name else "")  # an optional input that is absent has none

    for each in (*graph.input, *graph.initializer):
        each.name = renamed(each.name)
    for node in graph.node:
        node.input[:] = map(renamed, node.input)
        node.output[:] = map(renamed, node.output)
    del graph.value_info[:]  # shapes of tensors by their former names


def _baseline(table: pa.Table, signature: Signature, scores: NDArray[np.float64]) -> bytes:
    kinds = {i.name: FeatureKind.CATEGORICAL if i.textual else FeatureKind.NUMERIC for i in signature.inputs}
    values = {name: table.column(name).to_pylist() for name in kinds}
    baseline = fit(values, kinds, scores=scores.tolist())
    return canonical(json.loads(baseline.model_dump_json(by_alias=True)))


def _examples(table: pa.Table, signature: Signature, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Rows with the score that a server must give for them: the first ones, and some with missing values."""
    names = [i.name for i in signature.inputs]
    rows = table.select(names).to_pylist()
    gaps = [index for index, row in enumerate(rows) if None in row.values()][:2]
    chosen = sorted({*range(min(EXAMPLE_ROWS, len(rows))), *gaps})
    return [Example(inputs=rows[index], probability=float(scores[index])).model_dump() for index in chosen]
