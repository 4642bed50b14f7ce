"""scikit-learn's HistGradientBoosting."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from homeostat.intervals import Floats
from homeostat_pipelines.families import scikit
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix


class HistGradientBoosting(Family):
    """See scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

    NAME: ClassVar[str] = "hist-gradient-boosting"
    # What its trees compute with; a matrix of another precision would be copied.
    DTYPE: ClassVar[type[np.floating[Any]]] = np.float64

    learning_rate: float = Field(0.1, gt=0, le=1)
    max_iter: int = Field(100, ge=1, le=10_000)
    max_leaf_nodes: int = Field(31, ge=2, le=1024)
    min_samples_leaf: int = Field(20, ge=1)
    l2_regularization: float = Field(0.0, ge=0)
    max_features: float = Field(1.0, gt=0, le=1)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """See Family."""
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        boosting = kind(
            **self.model_dump(),
            early_stopping=False,  # would set rows aside by chance, and the holdout is ours to choose
            random_state=seed,
        )
        boosting.fit(matrix, target)
        for trees in boosting._predictors:  # noqa: SLF001 - scikit-learn has no public way to the thresholds
            for tree in trees:
                tree.nodes["num_threshold"] = scikit.rounded_down(tree.nodes["num_threshold"])
        return _Boosted(boosting, classes)


@dataclass(frozen=True)
class _Boosted:
    boosting: Any
    classes: int

    def outputs(self, matrix: Matrix) -> Floats:
        return scikit.outputs(self.boosting, matrix, self.classes)

    def parts(self) -> list[onnx.GraphProto]:
        return [scikit.graph(self.boosting, self.boosting.n_features_in_, self.classes)]
