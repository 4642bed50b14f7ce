"""Bins fixed at training: made by the training pipeline, counted by the predictor, judged by the Monitor.

The baseline is the training data's own mix. It travels as `baseline.json` beside the model, so that a version is always
compared with what *it* learnt from. `homeostat.signals.binning` chooses the bins.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from homeostat.documents import TolerantDocument
from homeostat.values import LARGEST, is_missing

NULL = "__null__"
BELOW = "__below__"
ABOVE = "__above__"
UNSEEN = "__unseen__"
SPECIAL_LABELS = (NULL, BELOW, ABOVE, UNSEEN)
"""Labels of the mass outside the regular bins; every feature has all four, so that every counter exists from the start."""

MAX_GROUPS = 10
GROUP_LABELS = tuple(f"__rare_{index}__" for index in range(MAX_GROUPS))
"""Labels of the bins that rarer categories share."""

RESERVED_LABELS = frozenset(SPECIAL_LABELS + GROUP_LABELS)
"""A category that is spelled like one of these has no bin, because its counts would be mixed with another bin's."""

SCORE = "score"
"""Name of the histogram of the output: scores, numbers or classes."""

_PLAIN = frozenset({int, float, bool, type(None)})
TEXTS = frozenset({str, type(None)})
FAMILIES = (TEXTS, _PLAIN - {bool}, frozenset({bool, type(None)}))
"""Types whose equal values are one category; 1 and True are equal, and two categories. No text equals any other value."""


class FeatureKind(StrEnum):
    """How a feature's values are ordered into bins."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"


class SpecialCounts(TolerantDocument):
    """Training rows outside the regular bins."""

    null: int = Field(0, ge=0, description="Missing: see `homeostat.values`.")
    below: int = Field(0, ge=0, description="Less than every finite training value.")
    above: int = Field(0, ge=0, description="More than every finite training value.")
    unseen: int = Field(0, ge=0, description="A value without a bin: see `unseenShare`.")

    def by_label(self) -> dict[str, int]:
        """The counts under their exported labels."""
        return {NULL: self.null, BELOW: self.below, ABOVE: self.above, UNSEEN: self.unseen}


class Cuts(NamedTuple):
    """Where a feature's bins begin and end among ascending numbers.

    Attributes:
        left: The least known number, the least of training, the inner edges, the points.
        right: The greatest known number, the greatest of training, the points.
        moves: By point and bin: 1 where numbers equal to the point are counted, -1 where their neighbours are.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    moves: NDArray[np.int64]


class FeatureBaseline(TolerantDocument):
    """One feature of the training data, in bins."""

    name: str
    kind: FeatureKind
    edges: tuple[float, ...] = Field(
        (),
        description="Numeric: ascending edges; bin i holds edges[i] <= value < edges[i+1], the last one its end too.",
    )
    points: tuple[float, ...] = Field(
        (),
        description="Numeric: ascending values with a bin of their own, whose bins follow those of `edges`. Without "
        "`edges` they are all values of training, and any other value within their range is unseen.",
    )
    categories: tuple[str, ...] = Field((), description="Categorical: the text of each bin, most frequent first.")
    groups: tuple[tuple[str, ...], ...] = Field(
        (),
        max_length=MAX_GROUPS,
        description="Categorical: rarer categories that share a bin; their bins follow those of `categories`.",
    )
    counts: tuple[int, ...] = Field(description="Training rows per regular bin.")
    special: SpecialCounts = SpecialCounts()
    n: int = Field(ge=0, description="Training rows, special ones included.")
    unseen_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of values without a bin that is expected of the training distribution; none: that of training.",
    )
    mean: float | None = Field(None, description="Numeric: mean of the finite values.")
    deviation: float | None = Field(None, description="Numeric: their standard deviation.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        numeric = self.kind is FeatureKind.NUMERIC
        bins = self.intervals + len(self.points) if numeric else len(self.categories) + len(self.groups)
        if len(self.counts) != bins:
            raise ValueError(f"counts of feature {self.name!r} has {len(self.counts)} entries for {bins} bins")
        if list(self.edges) != sorted(self.edges):
            raise ValueError(f"edges of feature {self.name!r} must ascend")
        if any(after <= before for before, after in pairwise(self.points)):
            raise ValueError(f"points of feature {self.name!r} must ascend")
        total = sum(self.counts) + sum(self.special.by_label().values())
        if self.n != total:
            raise ValueError(f"n of feature {self.name!r} is {self.n}, but its counts add up to {total}")
        return self

    @property
    def intervals(self) -> int:
        """Number of bins between `edges`."""
        return max(0, len(self.edges) - 1)

    @cached_property
    def regular_labels(self) -> tuple[str, ...]:
        """Labels of the regular bins, in the order of `counts`."""
        if self.kind is FeatureKind.NUMERIC:
            return tuple(map(str, range(len(self.counts))))
        return self.categories + GROUP_LABELS[: len(self.groups)]

    @cached_property
    def inner_edges(self) -> tuple[float, ...]:
        """The edges between bins."""
        return self.edges[1:-1]

    @cached_property
    def span(self) -> tuple[float, float]:
        """Least and greatest finite value of training, which there is where there are regular bins."""
        values = self.edges + self.points
        return min(values), max(values)

    @cached_property
    def bin_of_point(self) -> dict[float, int]:
        """Bin index by value: that of each point, and of what a sender of 32-bit numbers makes of it."""
        rounded = {float(np.float32(point)): index for index, point in enumerate(self.points, self.intervals)}
        return rounded | {point: index for index, point in enumerate(self.points, self.intervals)}

    @cached_property
    def cuts(self) -> Cuts:
        """The bounds of the bins, for counting."""
        return _cuts(self)

    @cached_property
    def bin_of_category(self) -> dict[str, int]:
        """Bin index by the text of each category."""
        bins = {text: index for index, text in enumerate(self.categories)}
        for index, group in enumerate(self.groups, len(self.categories)):
            bins |= dict.fromkeys(group, index)
        return bins


def _cuts(feature: FeatureBaseline) -> Cuts:
    points = sorted(feature.bin_of_point)
    least, most = feature.span if feature.counts else (-LARGEST, LARGEST)
    moves = np.zeros((len(points), len(feature.counts) + len(SPECIAL_LABELS)), dtype=np.int64)
    for row, point in zip(moves, points, strict=True):
        row[feature.bin_of_point[point]] += 1
        row[_bin_of_range(feature, point)] -= 1
    return Cuts(np.array([-LARGEST, least, *feature.inner_edges, *points]), np.array([LARGEST, most, *points]), moves)


class Baseline(TolerantDocument):
    """Content of `baseline.json`."""

    version: Literal[1, 2] = Field(
        2, description="Version of this format; 2 adds `points`, `groups` and `unseenShare` of a feature."
    )
    features: tuple[FeatureBaseline, ...]
    score: FeatureBaseline | None = Field(None, description="The model's own output on its training data.")

    def feature(self, name: str) -> FeatureBaseline:
        """The feature of that name.

        Raises:
            KeyError: The baseline has no such feature.
        """
        return next((f for f in self.features if f.name == name), None) or _missing(name)


def _missing(name: str) -> FeatureBaseline:
    raise KeyError(f"the baseline has no feature {name!r}; it was made for another model")


def category_text(value: object) -> str:
    """The text of a category: 1, 1.0 and "1" are one category, whichever way a caller encodes it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def bin_labels(feature: FeatureBaseline) -> tuple[str, ...]:
    """Every value of the Prometheus label `bin` that the feature can have: its regular bins, then the special ones."""
    return feature.regular_labels + SPECIAL_LABELS


def bin_index(feature: FeatureBaseline, value: object) -> int:
    """Index of one served value's bin in `bin_labels`; never fails, and costs a bisection or a look-up."""
    regular = len(feature.counts)
    if is_missing(value):
        return regular
    if feature.kind is FeatureKind.CATEGORICAL:
        return feature.bin_of_category.get(category_text(value), regular + 3)
    if not isinstance(value, int | float | np.number) or not regular:
        return regular + 3
    return _bin_of_number(feature, float(value))


def _bin_of_number(feature: FeatureBaseline, number: float) -> int:
    point = feature.bin_of_point.get(number)
    return _bin_of_range(feature, number) if point is None else point


def _bin_of_range(feature: FeatureBaseline, number: float) -> int:
    regular = len(feature.counts)
    least, most = feature.span
    if number < least:
        return regular + 1
    if number > most:
        return regular + 2
    return bisect_right(feature.inner_edges, number) if feature.edges else regular + 3


def assign(feature: FeatureBaseline, value: object) -> str:
    """The bin label of one served value."""
    return bin_labels(feature)[bin_index(feature, value)]


def count(feature: FeatureBaseline, values: Sequence[object]) -> NDArray[np.int64]:
    """Values per bin, in the order of `bin_labels`: what `bin_index` gives for each, in one pass for plain values."""
    if feature.kind is FeatureKind.NUMERIC and _PLAIN.issuperset(map(type, values)):
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # an integer beyond the greatest float
            numbers = np.array([math.nan if is_missing(v) else float(v) for v in values])  # type: ignore[arg-type]
        return count_numbers(feature, numbers)
    counts = np.zeros(len(feature.counts) + len(SPECIAL_LABELS), dtype=np.int64)
    for value, times in distinct_values(values):
        counts[bin_index(feature, value)] += times
    return counts


def distinct_values(values: Sequence[object]) -> Iterable[tuple[object, int]]:
    """Values with their numbers; what is taken together is in one bin."""
    try:
        counted = Counter(values)
    except TypeError:  # one that cannot be a key
        return ((value, 1) for value in values)
    # Of numbers that are equal the first has counted them all, so that the others' types are to be seen in `values` only.
    if TEXTS.issuperset(map(type, counted)) or any(types.issuperset(map(type, values)) for types in FAMILIES[1:]):
        return counted.items()
    return ((value, 1) for value in values)


def count_numbers(feature: FeatureBaseline, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Values of a numeric feature per bin, NaN where one is missing, in the order of `bin_labels`."""
    # In ascending order each bin is a range, and its count the distance of two positions.
    ordered, cuts, inner = np.sort(numbers), feature.cuts, len(feature.inner_edges)
    left = np.searchsorted(ordered, cuts.left)
    right = np.searchsorted(ordered, cuts.right, side="right")
    (first, low), (last, high) = left[:2].tolist(), right[:2].tolist()
    counts = np.zeros(len(feature.counts) + len(SPECIAL_LABELS), dtype=np.int64)
    counts[-4:] = ordered.size - (last - first), low - first, last - high, 0 if feature.edges else high - low
    if feature.edges:
        counts[:inner] = left[2 : inner + 2] - left[1 : inner + 1]
        counts[inner] = high - int(left[inner + 1])
    return counts + (right[2:] - left[inner + 2 :]) @ cuts.moves if len(cuts.moves) else counts
