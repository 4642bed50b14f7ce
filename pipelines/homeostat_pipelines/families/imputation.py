"""Missing values for families that take none: the median, and beside it a column that says where one was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from homeostat_pipelines.families.protocol import Matrix


@dataclass(frozen=True)
class Imputation:
    """What stands for missing values.

    Attributes:
        medians: Of each column.
        indicated: Columns with missing values in training; each gets one of 0 and 1 after the others.
    """

    medians: NDArray[np.float32]
    indicated: NDArray[np.int64]

    @staticmethod
    def fitted(matrix: Matrix) -> "Imputation":
        """The medians of this matrix, a column at a time; 0 of one without a value."""
        medians = np.zeros(matrix.shape[1], dtype=np.float32)
        gaps = np.zeros(matrix.shape[1], dtype=bool)
        for index, column in enumerate(matrix.T):
            known = column[~np.isnan(column)]
            gaps[index] = known.size < column.size
            if known.size:
                medians[index] = np.partition(known, known.size // 2)[known.size // 2]
        return Imputation(medians, np.flatnonzero(gaps))

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.medians.size + self.indicated.size

    def __call__(self, matrix: Matrix) -> NDArray[np.float32]:
        """The matrix without missing values, as the graph makes it."""
        filled = np.empty((len(matrix), self.width), dtype=np.float32)
        for index, median in enumerate(self.medians):
            filled[:, index] = np.where(np.isnan(matrix[:, index]), median, matrix[:, index])
        for place, index in enumerate(self.indicated, start=self.medians.size):
            filled[:, place] = np.isnan(matrix[:, index])
        return filled

    def graph(self) -> onnx.GraphProto:
        """The same as a graph."""
        constants: dict[str, NDArray[Any]] = {"medians": self.medians.reshape(1, -1), "indicated": self.indicated}
        nodes = [
            helper.make_node("IsNaN", ["matrix"], ["missing"]),
            helper.make_node("Where", ["missing", "medians", "matrix"], ["known"]),
            helper.make_node("Gather", ["missing", "indicated"], ["gaps"], axis=1),
            helper.make_node("Cast", ["gaps"], ["indicators"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["known", "indicators"], ["filled"], axis=1),
        ]
        if not self.indicated.size:
            constants.pop("indicated")
            nodes = [nodes[0], helper.make_node("Where", ["missing", "medians", "matrix"], ["filled"])]
        return helper.make_graph(
            nodes,
            "imputation",
            [helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [None, self.medians.size])],
            [helper.make_tensor_value_info("filled", TensorProto.FLOAT, [None, self.width])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
