"""The model: gradient boosting over one-hot categories and raw numbers, as one ONNX graph from raw features to score."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, cast

import numpy as np
import onnx
import pandas as pd
import pyarrow.compute as pc
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
from homeostat.artifacts.signature import Signature
from homeostat.reconcile.errors import InvalidData, PlatformError
from homeostat.signals import fit
from homeostat.signals.histogram import FeatureKind
from homeostat.values import NO_TEXT
from homeostat_pipelines import memory
from homeostat_pipelines.pieces import Rows, rows_per_piece
from homeostat_pipelines.signature import doubles, feeds, of_known, scorer, texts

TOLERANCE = 1e-5
"""Largest difference between graph and estimator: the graph computes in single precision."""

OPSET = {"": 18, "ai.onnx.ml": 3}
EXAMPLE_ROWS, GAP_ROWS = 8, 2

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


def train(rows: Rows, signature: Signature, parameters: Hyperparameters, seed: int) -> dict[str, bytes]:
    """Files of the model trained on these rows.

    A feature without a value in any row is left out. Of the rows only the matrix that the trees grow on is in memory as a
    whole, everything else a piece or a column at a time.

    Raises:
        InvalidData: No feature has a value.
        PlatformError: The graph does not score as the estimator does.
    """
    signature = of_known(signature, rows)
    estimator = _estimator(signature, parameters, seed)
    graph, scores = _fitted(estimator, signature, rows)
    return {
        MODEL: graph,
        BASELINE: _baseline(rows, signature, scores),
        SIGNATURE: canonical(signature.model_dump(mode="json", by_alias=True)),
        EXAMPLES: canonical(_examples(rows, signature, scores)),
    }


def _fitted(estimator: Pipeline, signature: Signature, rows: Rows) -> tuple[bytes, NDArray[np.float64]]:
    """The graph of an estimator that is fitted to these rows, and its scores of them.

    As `estimator.fit` of all rows at once, which would hold them as objects, in single and in double precision.
    """
    columns, boosting = estimator.named_steps["columns"], estimator.named_steps["boosting"]
    categories = [_categories(rows, i.name) for i in signature.inputs if i.textual]
    if categories:
        columns.set_params(categories__categories=categories)
    width = len(signature.inputs) - len(categories) + sum(map(len, categories))
    memory.check_training(rows.num_rows, width)
    # What the trees compute with; another type would be copied, and of another order the sample that decides on the bins.
    matrix, start = np.empty((rows.num_rows, width), dtype=np.float64, order="C"), 0
    for fed in _feeds(rows, signature, width):
        frame = _frame(fed)
        if not start:
            columns.fit(frame)
        matrix[start : start + len(frame)] = columns.transform(frame)
        start += len(frame)
    boosting.fit(matrix, rows.column(LABEL).to_numpy())
    _make_single_precision(boosting)
    graph = _graph(estimator, signature)
    return graph, _verified_scores(graph, boosting, matrix, _feeds(rows, signature, width))


def _categories(rows: Rows, name: str) -> list[str]:
    found: set[str] = set()
    for piece in rows.pieces([name]):
        found.update(pc.unique(pc.fill_null(piece.column(name), NO_TEXT)).to_pylist())
    return sorted(found)


def _feeds(rows: Rows, signature: Signature, width: int) -> Iterator[dict[str, NDArray[np.generic]]]:
    """All rows as the graph takes them, in pieces that are small as matrices so wide, too."""
    for piece in rows.pieces([i.name for i in signature.inputs], rows_per_piece(width)):
        yield feeds(piece, signature.inputs)


def _verified_scores(
    graph: bytes,
    boosting: HistGradientBoostingClassifier,
    matrix: NDArray[np.float64],
    pieces: Iterable[dict[str, NDArray[np.generic]]],
) -> NDArray[np.float64]:
    """The scores of the graph.

    Raises:
        PlatformError: They are not those of the estimator.
    """
    scores: NDArray[np.float64] = np.empty(len(matrix))
    score_piece, start = scorer(graph), 0
    for fed in pieces:
        found = score_piece(fed)
        place = slice(start, start + found.size)
        expected = boosting.predict_proba(matrix[place])[:, 1]
        if (off := float(np.abs(found - expected).max())) > TOLERANCE:
            raise PlatformError(
                f"the ONNX graph is off by {off:.2g} from scikit-learn; this is a defect, please report it"
            )
        scores[place] = found
        start = place.stop
    return scores


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
    graph.node.append(
        helper.make_node("Gather", [scores, positive], [signature.output.name], name="positive_class", axis=1)
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(signature.output.name, TensorProto.FLOAT, [None, 1]))
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


def _baseline(rows: Rows, signature: Signature, scores: NDArray[np.float64]) -> bytes:
    kinds = {i.name: FeatureKind.CATEGORICAL if i.textual else FeatureKind.NUMERIC for i in signature.inputs}
    baseline = fit(_Columns(rows, signature), kinds, scores=scores)
    return canonical(json.loads(baseline.model_dump_json(by_alias=True)))


class _Columns(Mapping[str, Sequence[object] | NDArray[np.float64]]):
    """Values of features by name, each read when it is asked for."""

    def __init__(self, rows: Rows, signature: Signature) -> None:
        self._rows = rows
        self._textual = {i.name: i.textual for i in signature.inputs}

    def __getitem__(self, name: str) -> Sequence[object] | NDArray[np.float64]:
        column = self._rows.column(name)
        return cast("list[object]", texts(column).tolist()) if self._textual[name] else doubles(column)

    def __iter__(self) -> Iterator[str]:
        return iter(self._textual)

    def __len__(self) -> int:
        return len(self._textual)


def _examples(rows: Rows, signature: Signature, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Rows with the score that a server must give for them: the first ones, and some with missing values."""
    names, start, gaps = [i.name for i in signature.inputs], 0, 0
    examples = []
    for piece in rows.pieces(names):
        missing = reduce(pc.or_, (pc.is_null(piece.column(name)) for name in names))
        found = np.flatnonzero(missing.to_numpy())[: GAP_ROWS - gaps]
        first = range(min(max(0, EXAMPLE_ROWS - start), piece.num_rows))
        for index in sorted({*first, *found.tolist()}):
            (inputs,) = piece.slice(index, 1).to_pylist()
            examples.append(Example(inputs=inputs, output=float(scores[start + index])).model_dump())
        start, gaps = start + piece.num_rows, gaps + found.size
        if gaps == GAP_ROWS and start >= EXAMPLE_ROWS:
            break
    return examples
