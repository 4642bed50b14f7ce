"""What every family of models has: hyperparameters, a way to fit itself to a matrix, and the fitted model as a graph."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from homeostat.intervals import Floats

Matrix = NDArray[np.float32] | NDArray[np.float64]
"""`[N, W]`: one column for each category of a text and each number; NaN is a missing value, infinite ones there are none."""


class Fitted(Protocol):
    """A model that is fitted to a matrix."""

    def outputs(self, matrix: Matrix) -> Floats:
        """What the library itself gives for rows of the training's matrix: `[N]` numbers, or `[N, K]` for K classes."""
        ...

    def parts(self) -> list[onnx.GraphProto]:
        """The same as graphs in a row, from a matrix of single precision to `[N, 1]`, or `[N, K]` for K classes.

        Each has one input; its last output is the input of the next.
        """
        ...


class Family(BaseModel, ABC):
    """A family; its fields are its hyperparameters, by the names and with the meaning of its library."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    NAME: ClassVar[str]

    DTYPE: ClassVar[type[np.floating[Any]]] = np.float32
    """Precision of the matrix that it is fitted to: the features are single precision, so that nothing is lost in either."""

    @abstractmethod
    def fit(self, matrix: Matrix, target: NDArray[Any], classes: int, seed: int) -> Fitted:
        """The model of these rows.

        Args:
            matrix: The features.
            target: A number per row: the label, or the place of its class.
            classes: Number of classes, each with a row at least; 0 where the target is a number.
            seed: Decides whatever is drawn.

        Raises:
            InvalidData: The model would be too large.
        """
