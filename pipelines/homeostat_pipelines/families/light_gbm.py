"""LightGBM."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import lightgbm
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from pydantic import Field

from homeostat.intervals import Floats
from homeostat.threads import thread_count
from homeostat_pipelines.families.protocol import Family, Fitted, Matrix
from homeostat_pipelines.families.scikit import rounded_down

_DEFAULT_LEFT, _MISSING_TYPE, _MISSING_IS_NAN = 0b10, 0b1100, 0b1000
"""Bits of a node's decision type: where missing values go, and which values are missing."""


class LightGBM(Family):
    """See LightGBM's LGBMClassifier and LGBMRegressor."""

    NAME: ClassVar[str] = "lightgbm"

    learning_rate: float = Field(0.05, gt=0, le=1)
    n_estimators: int = Field(200, ge=1, le=10_000)
    num_leaves: int = Field(15, ge=2, le=1024)
    min_child_samples: int = Field(20, ge=1)
    reg_lambda: float = Field(1.0, ge=0)
    subsample: float = Field(0.8, gt=0, le=1)
    colsample_bytree: float = Field(0.8, gt=0, le=1)

    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """See Family."""
        parameters = {
            **self.model_dump(exclude={"n_estimators"}),
            **_objective(classes),
            "subsample_freq": 1,
            "seed": seed,
            "num_threads": thread_count(),
            "deterministic": True,
            "force_row_wise": True,  # else it measures which is faster, and the sums follow the choice
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(matrix, target)
        booster = lightgbm.train(parameters, rows, num_boost_round=self.n_estimators)
        single = lightgbm.Booster(model_str=_in_single_precision(booster.model_to_string()))
        return _Boosted(single, matrix.shape[1])


def _objective(classes: int) -> dict[str, object]:
    if not classes:
        return {"objective": "regression"}
    return {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}


def _in_single_precision(model: str) -> str:
    """The text of a model whose nodes decide on features of single precision as before, and as nodes of a graph can.

    Thresholds become single precision. A node on a feature that had no missing value takes a missing one for 0; it is made
    one that sends missing values where 0 goes.
    """
    trees = re.split(r"(?=^Tree=)", model, flags=re.MULTILINE)
    head = re.sub(r"^tree_sizes=.*\n", "", trees[0], flags=re.MULTILINE)  # bytes of each tree as it was
    return "".join([head, *map(_tree, trees[1:])])


def _tree(text: str) -> str:
    lines = {name: value for name, _, value in (line.partition("=") for line in text.splitlines())}
    if not lines.get("threshold"):
        return text  # a single leaf
    thresholds = rounded_down(np.array(lines["threshold"].split(), dtype=np.float64))
    decisions = np.array(lines["decision_type"].split(), dtype=np.int64)
    none = decisions & _MISSING_TYPE == 0
    zero_goes_left = np.where(thresholds >= 0, _DEFAULT_LEFT, 0)
    decisions = np.where(none, (decisions & ~_DEFAULT_LEFT) | _MISSING_IS_NAN | zero_goes_left, decisions)
    text = text.replace(
        f"\nthreshold={lines['threshold']}\n", f"\nthreshold={' '.join(repr(float(t)) for t in thresholds)}\n"
    )
    return text.replace(
        f"\ndecision_type={lines['decision_type']}\n", f"\ndecision_type={' '.join(map(str, decisions))}\n"
    )


@dataclass(frozen=True)
class _Boosted:
    booster: lightgbm.Booster
    width: int

    def outputs(self, matrix: Matrix) -> Floats:
        given = np.asarray(self.booster.predict(matrix, num_threads=thread_count()), dtype=np.float64)
        binary = self.booster.dump_model(num_iteration=1)["objective"].startswith("binary")
        return np.stack([1 - given, given], axis=1) if binary else given

    def parts(self) -> list[onnx.GraphProto]:
        types = [("matrix", FloatTensorType([None, self.width]))]
        model: onnx.ModelProto = convert_lightgbm(self.booster, initial_types=types, zipmap=False, target_opset=_OPSET)
        return [model.graph]


_OPSET = 15
"""The newest that the converter knows; its nodes are the same in that of the whole graph."""
