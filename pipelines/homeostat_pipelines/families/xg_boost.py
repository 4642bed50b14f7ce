"""XGBoost."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
import xgboost
from numpy.typing import NDArray
from onnxmltools.convert import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from pydantic import Field

from homeostat.intervals import Floats
from homeostat.threads import thread_count
from homeostat.values import LARGEST
from homeostat_pipelines.families import scikit
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix

_OPSET = 15
"""The newest that the converter knows; its nodes are the same in that of the whole graph."""


_FARTHEST = LARGEST / 4


class XGBoost(Family):
    """See XGBoost's XGBClassifier and XGBRegressor."""

    NAME: ClassVar[str] = "xgboost"

    learning_rate: float = Field(0.05, gt=0, le=1)
    n_estimators: int = Field(200, ge=1, le=10_000)
    max_depth: int = Field(5, ge=1, le=16)
    min_child_weight: float = Field(1.0, ge=0)
    reg_lambda: float = Field(1.0, ge=0)
    subsample: float = Field(0.8, gt=0, le=1)
    colsample_bytree: float = Field(0.8, gt=0, le=1)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """See Family."""
        kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
        boosting = kind(**self.model_dump(), tree_method="hist", random_state=seed, n_jobs=thread_count())
        boosting.fit(_of_finite_bins(matrix), target)
        return _Boosted(boosting, classes)


def _of_finite_bins(matrix: Matrix) -> Matrix:
    """The matrix to train on; the last bin of a column ends at twice its largest value, which must not be infinite."""
    if float(np.nanmax(matrix)) <= _FARTHEST and float(np.nanmin(matrix)) >= -_FARTHEST:
        return matrix
    return np.asarray(np.clip(matrix, -_FARTHEST, _FARTHEST), dtype=np.float32)


@dataclass(frozen=True)
class _Boosted:
    boosting: Any
    classes: int

    def outputs(self, matrix: Matrix) -> Floats:
        return scikit.outputs(self.boosting, matrix, self.classes)

    def parts(self) -> list[onnx.GraphProto]:
        types = [("matrix", FloatTensorType([None, self.boosting.n_features_in_]))]
        model: onnx.ModelProto = convert_xgboost(self.boosting, initial_types=types, target_opset=_OPSET)
        return [model.graph]
