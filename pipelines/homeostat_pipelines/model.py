"""The model: a family of estimators over one-hot categories and raw numbers, as one ONNX graph from raw features to output."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import numpy as np
import onnx
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder

from homeostat.artifacts.bundle import canonical
from homeostat.artifacts.dataset import LABEL
from homeostat.artifacts.model import BASELINE, EXAMPLES, MODEL, SIGNATURE, Example
from homeostat.artifacts.signature import Signature
from homeostat.intervals import Floats
from homeostat.reconcile.errors import InvalidData, PlatformError
from homeostat.signals import fit
from homeostat.signals.histogram import FeatureKind
from homeostat.values import NO_TEXT
from homeostat_pipelines import memory
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix
from homeostat_pipelines.graphs import OPSET, joined
from homeostat_pipelines.pieces import Rows, rows_per_piece
from homeostat_pipelines.signature import doubles, feeds, of_known, scorer, texts
from homeostat_pipelines.targets import Target, target_of

EXAMPLE_ROWS, GAP_ROWS = 8, 2


def train(rows: Rows, signature: Signature, family: Family, seed: int) -> dict[str, bytes]:
    """Files of the model trained on these rows.

    A feature without a value in any row is left out. Of the rows only the matrix that the model is fitted to is in memory as
    a whole, everything else a piece or a column at a time.

    Raises:
        InvalidData: No feature has a value, there are too many classes, or the model would be too large.
        PlatformError: The graph does not compute what the library does.
    """
    try:
        signature = of_known(signature, rows).fitted(rows.column(LABEL).to_numpy())
    except ValueError as error:
        raise InvalidData(str(error)) from error
    graph, outputs = _fitted(family, signature, rows, seed)
    return {
        MODEL: graph,
        BASELINE: _baseline(rows, signature, outputs),
        SIGNATURE: canonical(signature.model_dump(mode="json", by_alias=True)),
        EXAMPLES: canonical(_examples(rows, signature, outputs)),
    }


def _fitted(family: Family, signature: Signature, rows: Rows, seed: int) -> tuple[bytes, Floats]:
    """The graph of a model that is fitted to these rows, and its outputs for them.

    As `fit` of a pipeline to all rows at once, which would hold them as objects, in single and in double precision.
    """
    columns, target = _columns(signature), target_of(signature)
    categories = [_categories(rows, i.name) for i in signature.inputs if i.textual]
    if categories:
        columns.set_params(categories__categories=categories)
    width = len(signature.inputs) - len(categories) + sum(map(len, categories))
    memory.check_training(rows.num_rows, width, family.NAME, target.classes)
    # In C order: which rows a library samples to decide on its bins follows the layout.
    matrix, start = np.empty((rows.num_rows, width), dtype=family.DTYPE, order="C"), 0
    for fed in _feeds(rows, signature, width):
        frame = _frame(fed)
        if not start:
            columns.fit(frame)
        matrix[start : start + len(frame)] = columns.transform(frame)
        start += len(frame)
    labels = signature.predicts.encode(rows.column(LABEL).to_numpy())
    fitted = family.fit(matrix, target.encoded(labels), target.classes, seed)
    parts = [_columns_graph(columns, signature), *fitted.parts(), target.part()]
    graph = joined(parts, [i.name for i in signature.inputs], signature.output.name)
    return graph, _verified(graph, _Native(family.NAME, fitted, target), matrix, _feeds(rows, signature, width))


def _categories(rows: Rows, name: str) -> list[str]:
    found: set[str] = set()
    for piece in rows.pieces([name]):
        found.update(pc.unique(pc.fill_null(piece.column(name), NO_TEXT)).to_pylist())
    return sorted(found)


def _feeds(rows: Rows, signature: Signature, width: int) -> Iterator[dict[str, NDArray[np.generic]]]:
    """All rows as the graph takes them, in pieces that are small as matrices so wide, too."""
    for piece in rows.pieces([i.name for i in signature.inputs], rows_per_piece(width)):
        yield feeds(piece, signature.inputs)


@dataclass(frozen=True)
class _Native:
    """The model as its library has it."""

    family: str
    fitted: Fitted
    target: Target

    def check(self, found: Floats, matrix: Matrix) -> None:
        """Compares outputs of the graph.

        Raises:
            PlatformError: They are not those of the library.
        """
        expected = self.target.outputs(self.fitted.outputs(matrix))
        off = self.target.off(found, expected)
        if not off <= 1:  # NaN is none either
            raise PlatformError(
                f"the ONNX graph of the family {self.family} differs from its library by {off:.2g} times what is tolerated; "
                "this is a defect, please report it"
            )


def _verified(
    graph: bytes, native: _Native, matrix: Matrix, pieces: Iterable[dict[str, NDArray[np.generic]]]
) -> Floats:
    """The outputs of the graph.

    Raises:
        PlatformError: They are not those of the library.
    """
    score_piece, start, outputs = scorer(graph), 0, []
    for fed in pieces:
        outputs.append(found := score_piece(fed))
        native.check(found, matrix[start : start + len(found)])
        start += len(found)
    return np.concatenate(outputs)


def _frame(fed: Mapping[str, NDArray[np.generic]]) -> pd.DataFrame:
    """Features as the estimator takes them."""
    return pd.DataFrame({_alias(index): column[:, 0] for index, column in enumerate(fed.values())})


def _alias(index: int) -> str:
    """Name of a feature while the model is made; the converter has names of its own that a feature may have, too."""
    return f"feature_{index}"


def _columns(signature: Signature) -> ColumnTransformer:
    texts = [_alias(index) for index, i in enumerate(signature.inputs) if i.textual]
    numbers = [_alias(index) for index, i in enumerate(signature.inputs) if not i.textual]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    return ColumnTransformer([("categories", one_hot, texts), ("numbers", "passthrough", numbers)])


def _columns_graph(columns: ColumnTransformer, signature: Signature) -> onnx.GraphProto:
    """From one [N, 1] input per feature to the matrix."""
    tensors = [(StringTensorType if i.textual else FloatTensorType)([None, 1]) for i in signature.inputs]
    types = [(_alias(index), tensor) for index, tensor in enumerate(tensors)]
    return cast("onnx.ModelProto", to_onnx(columns, initial_types=types, target_opset=OPSET)).graph


def _baseline(rows: Rows, signature: Signature, outputs: Floats) -> bytes:
    kinds = {i.name: FeatureKind.CATEGORICAL if i.textual else FeatureKind.NUMERIC for i in signature.inputs}
    binned = outputs if outputs.ndim == 1 else signature.predicts.binned(outputs)  # numbers stay an array
    baseline = fit(_Columns(rows, signature), kinds, scores=binned)
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


def _examples(rows: Rows, signature: Signature, outputs: Floats) -> list[dict[str, Any]]:
    """Rows with the output that a server must give for them: the first ones, and some with missing values."""
    names, start, gaps = [i.name for i in signature.inputs], 0, 0
    examples = []
    for piece in rows.pieces(names):
        missing = reduce(pc.or_, (pc.is_null(piece.column(name)) for name in names))
        found = np.flatnonzero(missing.to_numpy())[: GAP_ROWS - gaps]
        first = range(min(max(0, EXAMPLE_ROWS - start), piece.num_rows))
        for index in sorted({*first, *found.tolist()}):
            (inputs,) = piece.slice(index, 1).to_pylist()
            examples.append(Example(inputs=inputs, output=outputs[start + index].tolist()).model_dump())
        start, gaps = start + piece.num_rows, gaps + found.size
        if gaps == GAP_ROWS and start >= EXAMPLE_ROWS:
            break
    return examples
