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

OF_CLASSES = 10.0
"""Penalty on leaf values where there are more than two classes and none is given.

Without one, the steps for rare classes, whose second derivatives are near 0, are so long that the model diverges: of the thirteen
species of `tools/demo/rodents.py` it names half on untouched rows, and 90 % with this one.
"""


class HistGradientBoosting(Family):
    """See scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

    NAME: ClassVar[str] = "hist-gradient-boosting"
    # What its trees compute with; a matrix of another precision would be copied.
    DTYPE: ClassVar[type[np.floating[Any]]] = np.float64

    learning_rate: float = Field(0.1, gt=0, le=1)
    max_iter: int = Field(100, ge=1, le=10_000)
    max_leaf_nodes: int = Field(31, ge=2, le=1024)
    min_samples_leaf: int = Field(20, ge=1)
    l2_regularization: float | None = Field(None, ge=0)
    max_features: float = Field(1.0, gt=0, le=1)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """See Family."""
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        usual = OF_CLASSES if classes > 2 else 0.0
        penalty = usual if self.l2_regularization is None else self.l2_regularization
        boosting = kind(
            **self.model_dump() | {"l2_regularization": penalty},
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
