"""What a model's graph gives, for each form of it: checked, binned, logged and answered. Nothing else looks into a prediction."""

from collections.abc import Sequence
from math import isfinite
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from homeostat.artifacts.signature import Signature
from homeostat.reconcile.errors import InvalidData
from homeostat.signals.histogram import FeatureKind
from homeostat.tasks import UNNAMED, LabelType
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.prediction_log import PredictedBy

TOLERANCE = 1e-4
"""Largest difference between a recorded prediction and the same one made here: of a probability, or in deviations of the labels
of training."""

ROUNDING = 1e-6
"""The same of a number's own size: models add up in single precision."""

CLASS = "class"
"""Name of the output that has the most probable class."""


class Parameters(msgspec.Struct, omit_defaults=True):
    """Parameters of an output: the size of one that comes as bytes, and the names of the classes of probabilities."""

    binary_data_size: int | None = None
    classes: list[str] | None = None


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """One output: a value per row, or one for each class, row by row; null where there is no prediction."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float | str | None] | None = None
    parameters: Parameters | None = None


class Outputs(Protocol):
    """The form of a model's predictions."""

    names: tuple[str, ...]
    """Tensors that an answer of the v2 protocol has."""
    missing: Any
    """What stands in the place of a row without prediction."""
    kind: FeatureKind
    """How they are binned."""
    columns: list[str]
    """Columns of an answer that is one table."""
    by: PredictedBy | None
    """What the observer has to know to read logged ones; None: they are probabilities of a binary model."""

    def of(self, result: NDArray[Any]) -> list[Any]:
        """Predictions by row: a number, or a list of them.

        Raises:
            InvalidRequest: One is not finite; the text names row and value.
        """
        ...

    def binned(self, rows: list[Any]) -> Sequence[Any]:
        """What is counted of each row: a number, or the text of a class."""
        ...

    def table(self, rows: list[Any]) -> list[list[float]]:
        """A list for each row, a value for each of `columns`."""
        ...

    def tensor(self, name: str, rows: list[Any]) -> OutputTensor:
        """One of `names`."""
        ...

    def described(self) -> list[dict[str, Any]]:
        """Metadata of the tensors."""
        ...

    def repeats(self, recorded: Any, row: Any) -> bool:
        """Whether a prediction is the one that was recorded at training, as far as another machine can repeat it."""
        ...


def outputs_of(signature: Signature) -> Outputs:
    """The form that the model of a signature predicts in.

    Raises:
        InvalidData: A multiclass model without classes.
    """
    if signature.predicts.label_type is not LabelType.CLASS:
        return Numbers(signature)
    if not signature.classes:
        raise InvalidData(
            "signature.json: classes is empty, and a multiclass model predicts one; train the model again"
        )
    return Classes(signature)


class Numbers:
    """A number per row: the probability of a binary model, or that of a regression."""

    missing, kind = float("nan"), FeatureKind.NUMERIC
    names: tuple[str, ...]

    def __init__(self, signature: Signature) -> None:
        name, units = signature.output.name, signature.units
        self.names, self.columns = (name,), [name]
        given = None if units is None else units.model_dump()
        self.by = None if signature.task == UNNAMED.name else PredictedBy(signature.task, units=given)
        self._tolerance = TOLERANCE * (units.scale if units else 1.0)

    def of(self, result: NDArray[Any]) -> list[float]:
        """See Outputs."""
        # A classifier with one column per class keeps the positive one last; a single column is that probability.
        rows: list[float] = result.reshape(len(result), -1)[:, -1].tolist()
        if not isfinite(sum(rows)):
            _refuse(rows)
        return rows

    def binned(self, rows: list[float]) -> list[float]:
        """See Outputs."""
        return rows

    def table(self, rows: list[float]) -> list[list[float]]:
        """See Outputs."""
        return [[row] for row in rows]

    def tensor(self, name: str, rows: list[float]) -> OutputTensor:
        """See Outputs."""
        return OutputTensor(name, "FP64", [len(rows)], rows)  # type: ignore[arg-type]  # a list of the same values

    def described(self) -> list[dict[str, Any]]:
        """See Outputs."""
        return [{"name": self.names[0], "datatype": "FP64", "shape": [-1]}]

    def repeats(self, recorded: float, row: float) -> bool:
        """See Outputs."""
        # Written so that NaN fails too.
        return bool(abs(row - recorded) <= self._tolerance + ROUNDING * abs(recorded))


class Classes:
    """A probability for each class, and the class with the highest one; of equal ones the first."""

    kind = FeatureKind.CATEGORICAL
    names: tuple[str, ...]
    by: PredictedBy | None

    def __init__(self, signature: Signature) -> None:
        self.columns = list(signature.classes)
        self.names = (signature.output.name, CLASS)
        self.by = PredictedBy(signature.task, classes=self.columns)
        self.missing = [float("nan")] * len(self.columns)

    def of(self, result: NDArray[Any]) -> list[list[float]]:
        """See Outputs."""
        if result.shape[1:] != (len(self.columns),):
            raise InvalidRequest(
                f"model.onnx gives {list(result.shape[1:])} values per row for {len(self.columns)} classes; train the model again",
                500,
            )
        rows: list[list[float]] = result.tolist()
        if not np.isfinite(result).all():
            _refuse(rows)
        return rows

    def binned(self, rows: list[list[float]]) -> list[str]:
        """See Outputs."""
        return [self.columns[row.index(max(row))] for row in rows]

    def table(self, rows: list[list[float]]) -> list[list[float]]:
        """See Outputs."""
        return rows

    def tensor(self, name: str, rows: list[list[float]]) -> OutputTensor:
        """See Outputs."""
        if name == CLASS:
            classes = [self.columns[row.index(max(row))] if row[0] == row[0] else None for row in rows]
            return OutputTensor(CLASS, "BYTES", [len(rows)], classes)  # type: ignore[arg-type]  # as above
        shape, parameters = [len(rows), len(self.columns)], Parameters(classes=self.columns)
        return OutputTensor(name, "FP64", shape, [value for row in rows for value in row], parameters)

    def described(self) -> list[dict[str, Any]]:
        """See Outputs."""
        probabilities, class_ = self.names
        return [
            {"name": probabilities, "datatype": "FP64", "shape": [-1, len(self.columns)]},
            {"name": class_, "datatype": "BYTES", "shape": [-1]},
        ]

    def repeats(self, recorded: Any, row: list[float]) -> bool:
        """See Outputs."""
        given = recorded if isinstance(recorded, list) else [recorded]
        return len(given) == len(row) and bool((np.abs(np.subtract(row, given)) <= TOLERANCE).all())


def _refuse(rows: Sequence[Any]) -> None:
    """Refuse the first row that has a value which is not finite."""
    for number, row in enumerate(rows):
        for value in row if isinstance(row, list) else [row]:
            if not isfinite(value):
                raise InvalidRequest(
                    f"row {number}: the model gives {value}, and a prediction must be finite; train the model again",
                    500,
                )
