"""Logistic regression and ridge regression of scikit-learn, over imputed and scaled features."""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from homeostat.intervals import Floats
from homeostat.values import LARGEST
from homeostat_pipelines.families import scikit
from homeostat_pipelines.families.imputation import Imputation
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix

FARTHEST = 10.0
"""Standard deviations from the mean that count: a line goes on for ever, and one wild value would decide alone."""


class Linear(Family):
    """See scikit-learn's LogisticRegression, whose C is 1 / l2_regularization, and Ridge, whose alpha it is."""

    NAME: ClassVar[str] = "linear"

    l2_regularization: float = Field(1.0, gt=0)
    max_iter: int = Field(1_000, ge=1, le=100_000)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:  # noqa: ARG002 - nothing is drawn
        """See Family."""
        imputation = Imputation.fitted(matrix)
        filled = imputation(matrix)
        scaling = Scaling.fitted(filled)
        line = (
            LogisticRegression(C=1 / self.l2_regularization, max_iter=self.max_iter)
            if classes
            else Ridge(alpha=self.l2_regularization)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of max_iter, which is a parameter
            line.fit(scaling(filled).astype(np.float64), target)
        return _Line(line, imputation, scaling, classes)


@dataclass(frozen=True)
class Scaling:
    """Numbers as standard deviations from their mean; columns of 0 and 1 stay.

    Attributes:
        centre: Mean of each column.
        factor: 1 / standard deviation of each; 0 for a column with one value.
    """

    centre: NDArray[np.float32]
    factor: NDArray[np.float32]

    @staticmethod
    def fitted(matrix: NDArray[np.float32]) -> "Scaling":
        """The scaling of this matrix, a column at a time."""
        centre, factor = np.zeros(matrix.shape[1], np.float32), np.ones(matrix.shape[1], np.float32)
        for index, column in enumerate(matrix.T):
            if ((column == 0) | (column == 1)).all():
                continue
            exact = column.astype(np.float64)
            spread = float(exact.std())
            centre[index] = exact.mean()
            # Limited, so that it is neither infinite nor 0 in single precision.
            factor[index] = min(1 / spread, LARGEST) if spread else 0.0
        return Scaling(centre, factor)

    def __call__(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """The matrix scaled, as the graph does it."""
        with np.errstate(over="ignore"):
            distance = np.clip(matrix - self.centre, -LARGEST, LARGEST)  # infinite times 0 would be NaN
            return np.asarray(np.clip(distance * self.factor, -FARTHEST, FARTHEST), dtype=np.float32)


@dataclass(frozen=True)
class _Line:
    line: Any
    imputation: Imputation
    scaling: Scaling
    classes: int

    def outputs(self, matrix: Matrix) -> Floats:
        return scikit.outputs(self.line, self.scaling(self.imputation(matrix)).astype(np.float64), self.classes)

    def parts(self) -> list[onnx.GraphProto]:
        return [self.imputation.graph(), self._graph()]

    def _graph(self) -> onnx.GraphProto:
        """Scaling, and the line in double precision: sums of large terms of both signs would lose digits."""
        weights, bias = np.atleast_2d(self.line.coef_).T, np.atleast_1d(self.line.intercept_)
        if weights.shape[1] < self.classes:  # of two classes scikit-learn has the second alone
            weights, bias = np.c_[np.zeros_like(weights), weights], np.r_[0.0, bias]
        limits = {"least": -LARGEST, "most": LARGEST, "nearest": -FARTHEST, "farthest": FARTHEST}
        constants: dict[str, NDArray[Any]] = {
            "centre": self.scaling.centre,
            "factor": self.scaling.factor,
            "weights": weights.astype(np.float64),
            "bias": bias.astype(np.float64),
            **{name: np.array(value, dtype=np.float32) for name, value in limits.items()},
        }
        steps: list[tuple[str, list[str], dict[str, Any]]] = [
            ("Sub", ["centre"], {}),
            ("Clip", ["least", "most"], {}),
            ("Mul", ["factor"], {}),
            ("Clip", ["nearest", "farthest"], {}),
            ("Cast", [], {"to": TensorProto.DOUBLE}),
            ("MatMul", ["weights"], {}),
            ("Add", ["bias"], {}),
            *([("Softmax", [], {"axis": 1})] if self.classes else []),
            ("Cast", [], {"to": TensorProto.FLOAT}),
        ]
        names = ["filled", *(f"step_{index}" for index in range(len(steps)))]
        return helper.make_graph(
            [
                helper.make_node(kind, [names[index], *more], [names[index + 1]], **options)
                for index, (kind, more, options) in enumerate(steps)
            ],
            "line",
            [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [None, self.imputation.width])],
            [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [None, max(1, self.classes)])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
