"""Models of scikit-learn as graphs."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from homeostat.intervals import Floats
from homeostat_pipelines.families.protocol import Matrix
from homeostat_pipelines.graphs import OPSET


def outputs(estimator: Any, matrix: Matrix, classes: int) -> Floats:
    """What the estimator gives for each row."""
    given = estimator.predict_proba(matrix) if classes else estimator.predict(matrix)
    return np.asarray(given, dtype=np.float64)


def graph(estimator: Any, width: int, classes: int) -> onnx.GraphProto:
    """The estimator as a graph over a matrix."""
    types = [("matrix", FloatTensorType([None, width]))]
    options = {id(estimator): {"zipmap": False, "output_class_labels": False}} if classes else None
    model: onnx.ModelProto = to_onnx(estimator, initial_types=types, options=options, target_opset=OPSET)
    return model.graph


def rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Thresholds in single precision, in which a graph compares.

    Inputs are single precision already, and for these x <= t and x <= (t rounded down) are the same.
    """
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
    over = rounded > thresholds
    rounded[over] = np.nextafter(rounded[over], np.float32(-np.inf))
    return rounded
