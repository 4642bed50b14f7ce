"""A value as the model sees it: what files, the online store, requests and the bins of drift agree on.

Models compute in single precision and take text; what they cannot tell apart from something else is decided here, once.
`docs/values.md` has the whole policy, with the boundary at which each rule is applied.
"""

import re

import numpy as np
from numpy.typing import NDArray

LARGEST = float(np.finfo(np.float32).max)
"""Largest number of single precision; a number beyond it, like an infinite one, would reach the model as infinite."""

INTEGER_LIMIT = 2**63
"""Whole numbers are at least its negative and less than it."""

_INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)

EXACT = {4: 2**24, 8: 2**53}
"""Beyond it a floating-point number skips whole numbers, by its size in bytes."""

NUL = "\0"
"""Pads text of fixed width; converters of models and databases end or refuse text at it."""

NO_TEXT = ""
"""Missing text, as the model takes it."""


def is_missing(value: object) -> bool:
    """Whether a value is none: None, NaN, a number that single precision cannot hold, or empty text."""
    if value is None or value == NO_TEXT:
        return True
    # Not `abs(value) > LARGEST`: NaN compares as false with everything.
    return isinstance(value, int | float | np.number) and not -LARGEST <= value <= LARGEST


def usable(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers, with NaN for those that are missing values; the same array where there are none."""
    beyond = np.abs(numbers) > LARGEST
    return np.where(beyond, np.nan, numbers) if beyond.any() else numbers


def single(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """The numbers as the model computes with them, NaN for a missing value."""
    return usable(numbers).astype(np.float32)


def without_nul(text: str) -> str:
    """The text as the model takes it."""
    return text.replace(NUL, "") if NUL in text else text


def distinct(numbers: NDArray[np.generic]) -> tuple[int, int]:
    """How many different numbers there are, and how many of them the model can tell apart.

    Args:
        numbers: Whole or floating-point numbers, none of them missing.
    """
    different = np.unique(numbers)
    return different.size, np.unique(different.astype(np.float32)).size


def is_integer_id(text: str) -> bool:
    """Whether a text is the key of an Int64 entity, in the one spelling that it has: "007" would be another key than 7."""
    return bool(_INTEGER_TEXT.fullmatch(text)) and -INTEGER_LIMIT <= int(text) < INTEGER_LIMIT
