"""Random forests and extremely randomised trees of scikit-learn, with missing values imputed.

Its trees take missing values too, but the converter does not know where they go.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pydantic import Field
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from homeostat.intervals import Floats
from homeostat.reconcile.errors import InvalidData
from homeostat.threads import thread_count
from homeostat_pipelines.families import scikit
from homeostat_pipelines.families.imputation import Imputation
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix

MOST_VALUES = 20_000_000
"""Values in the leaves of all trees: about 40 bytes of the graph each, of which protobuf takes 2 GiB."""


def _adding_up() -> np.errstate:
    """scikit-learn adds up all values to see whether one is missing; the sum of huge ones may be infinite."""
    return np.errstate(over="ignore", invalid="ignore")


class _Forest(Family):
    CLASSIFIER: ClassVar[type]
    REGRESSOR: ClassVar[type]

    n_estimators: int = Field(200, ge=1, le=10_000)
    max_leaf_nodes: int = Field(1024, ge=2, le=65_536)
    min_samples_leaf: int = Field(5, ge=1)
    max_features: float = Field(0.4, gt=0, le=1)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """See Family."""
        most = (
            min(self.max_leaf_nodes, max(2, len(matrix) // self.min_samples_leaf)) * self.n_estimators * max(1, classes)
        )
        if most > MOST_VALUES:
            raise InvalidData(
                f"a forest of n_estimators {self.n_estimators}, max_leaf_nodes {self.max_leaf_nodes} and {max(1, classes)} "
                f"outputs may have {most:,} values, and a graph holds {MOST_VALUES:,}; lower one of these parameters, or "
                "choose another family"
            )
        imputation = Imputation.fitted(matrix)
        kind = self.CLASSIFIER if classes else self.REGRESSOR
        forest = kind(**self.model_dump(), random_state=seed, n_jobs=thread_count())
        with _adding_up():
            forest.fit(imputation(matrix), target)
        for tree in forest.estimators_:
            tree.tree_.threshold[:] = scikit.rounded_down(tree.tree_.threshold)
        return _Grown(forest, imputation, classes)


class RandomForest(_Forest):
    """See scikit-learn's RandomForestClassifier and RandomForestRegressor."""

    NAME: ClassVar[str] = "random-forest"
    CLASSIFIER: ClassVar[type] = RandomForestClassifier
    REGRESSOR: ClassVar[type] = RandomForestRegressor


class ExtraTrees(_Forest):
    """See scikit-learn's ExtraTreesClassifier and ExtraTreesRegressor."""

    NAME: ClassVar[str] = "extra-trees"
    CLASSIFIER: ClassVar[type] = ExtraTreesClassifier
    REGRESSOR: ClassVar[type] = ExtraTreesRegressor


@dataclass(frozen=True)
class _Grown:
    forest: Any
    imputation: Imputation
    classes: int

    def outputs(self, matrix: Matrix) -> Floats:
        with _adding_up():
            return scikit.outputs(self.forest, self.imputation(matrix), self.classes)

    def parts(self) -> list[onnx.GraphProto]:
        trees = scikit.graph(self.forest, self.imputation.width, self.classes)
        return [self.imputation.graph(), trees, *([_within_bounds(self.classes)] if self.classes else [])]


def _within_bounds(classes: int) -> onnx.GraphProto:
    """Shares of trees in single precision may add up to a little more than 1."""
    return helper.make_graph(
        [helper.make_node("Clip", ["shares", "least", "most"], ["probabilities"])],
        "bounds",
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, [None, classes])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, classes])],
        [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("least", 0), ("most", 1))],
    )
