"""The label of each task as an estimator takes it, and the estimator's outputs as the task gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from homeostat.artifacts.signature import Signature
from homeostat.intervals import Floats
from homeostat.tasks import Labels, Units
from homeostat.tasks.binary import BinaryClassification
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression

TOLERANCE = 1e-5
"""Largest difference between graph and estimator: the graph computes in single precision."""

_SINGLE = float(np.finfo(np.float32).eps)


class Target(Protocol):
    """What an estimator learns for a task."""

    @property
    def classes(self) -> int:
        """How many there are; 0 where the target is a number."""
        ...

    def encoded(self, labels: Labels) -> NDArray[Any]:
        """A number for each label as `Task.encode` gives it: the place of its class, or a number."""
        ...

    def outputs(self, given: Floats) -> Floats:
        """Outputs of the task from those of the estimator."""
        ...

    def off(self, found: Floats, expected: Floats) -> float:
        """The largest difference of outputs, in units of what is tolerated in a row."""
        ...

    def part(self) -> onnx.GraphProto:
        """From the estimator's `[N, K]` or `[N, 1]` to the output of the task."""
        ...


def target_of(signature: Signature) -> Target:
    """The target of a signature that is fitted to the labels."""
    return _TARGETS[signature.task](signature)


def _tensor(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])


class _Positive:
    """The probability of class 1."""

    classes = 2

    def encoded(self, labels: Labels) -> NDArray[Any]:
        return labels.astype(np.int64)

    def outputs(self, given: Floats) -> Floats:
        return given[:, 1]

    def off(self, found: Floats, expected: Floats) -> float:
        return float(np.abs(found - expected).max()) / TOLERANCE

    def part(self) -> onnx.GraphProto:
        positive = helper.make_tensor("positive", TensorProto.INT64, [1], [1])
        node = helper.make_node("Gather", ["probabilities", "positive"], ["probability"], axis=1)
        return helper.make_graph(
            [node], "positive", [_tensor("probabilities", 2)], [_tensor("probability", 1)], [positive]
        )


@dataclass(frozen=True)
class _Each:
    """The probability of each class."""

    classes: int

    def encoded(self, labels: Labels) -> NDArray[Any]:
        return labels

    def outputs(self, given: Floats) -> Floats:
        return given

    def off(self, found: Floats, expected: Floats) -> float:
        return float(np.abs(found - expected).max()) / TOLERANCE

    def part(self) -> onnx.GraphProto:
        node = helper.make_node("Identity", ["given"], ["probabilities"])
        return helper.make_graph(
            [node], "each", [_tensor("given", self.classes)], [_tensor("probabilities", self.classes)]
        )


@dataclass(frozen=True)
class _Number:
    """A number; the estimator learns it in the units of training, so that single precision holds what differs."""

    units: Units
    classes = 0

    def encoded(self, labels: Labels) -> NDArray[Any]:
        return np.asarray((labels - self.units.origin) / self.units.scale)

    def outputs(self, given: Floats) -> Floats:
        return given * self.units.scale + self.units.origin

    def off(self, found: Floats, expected: Floats) -> float:
        distance = self.units.scale + np.abs(expected - self.units.origin)
        tolerated = TOLERANCE * distance + 4 * _SINGLE * (np.abs(expected) + abs(self.units.origin))
        return float((np.abs(found - expected) / tolerated).max())

    def part(self) -> onnx.GraphProto:
        """In double precision until the end: a unit or an origin may be beyond single precision on its own."""
        units = {"scale": self.units.scale, "origin": self.units.origin}
        return helper.make_graph(
            [
                helper.make_node("Cast", ["given"], ["exact"], to=TensorProto.DOUBLE),
                helper.make_node("Mul", ["exact", "scale"], ["scaled"]),
                helper.make_node("Add", ["scaled", "origin"], ["moved"]),
                helper.make_node("Cast", ["moved"], ["prediction"], to=TensorProto.FLOAT),
            ],
            "number",
            [_tensor("given", 1)],
            [_tensor("prediction", 1)],
            [helper.make_tensor(name, TensorProto.DOUBLE, [], [value]) for name, value in units.items()],
        )


def _number(signature: Signature) -> Target:
    if signature.units is None:
        raise ValueError("the signature of a regression has no units; fit it to the labels")
    return _Number(signature.units)


_TARGETS: Mapping[str, Callable[[Signature], Target]] = {
    BinaryClassification.name: lambda _: _Positive(),
    MulticlassClassification.name: lambda signature: _Each(len(signature.classes)),
    Regression.name: _number,
}
