"""Bins fixed at training: made by the training pipeline, counted by the predictor, judged by the Monitor.

The baseline is the training data's own mix. It travels as `baseline.json` beside the model, so that a version is always
compared with what *it* learnt from.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from homeostat.documents import TolerantDocument

NULL = "__null__"
BELOW = "__below__"
ABOVE = "__above__"
UNSEEN = "__unseen__"
SPECIAL_LABELS = (NULL, BELOW, ABOVE, UNSEEN)
"""Labels of the mass outside the regular bins; every feature has all four, so that every counter exists from the start."""

SCORE = "score"
"""Name of the score's own histogram."""


class FeatureKind(StrEnum):
    """How a feature's values are ordered into bins."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"


class SpecialCounts(TolerantDocument):
    """Training rows outside the regular bins."""

    null: int = Field(0, ge=0, description="Missing: None, NaN or empty text.")
    below: int = Field(0, ge=0, description="Less than every finite training value.")
    above: int = Field(0, ge=0, description="More than every finite training value.")
    unseen: int = Field(0, ge=0, description="A category without a bin, or text where a number belongs.")

    def by_label(self) -> dict[str, int]:
        """The counts under their exported labels."""
        return {NULL: self.null, BELOW: self.below, ABOVE: self.above, UNSEEN: self.unseen}


class FeatureBaseline(TolerantDocument):
    """One feature of the training data, in bins."""

    name: str
    kind: FeatureKind
    edges: tuple[float, ...] = Field(
        (),
        description="Numeric: ascending edges; bin i holds edges[i] <= value < edges[i+1], the last one its end too.",
    )
    categories: tuple[str, ...] = Field((), description="Categorical: the text of each bin, most frequent first.")
    counts: tuple[int, ...] = Field(description="Training rows per regular bin.")
    special: SpecialCounts = SpecialCounts()
    n: int = Field(ge=0, description="Training rows, special ones included.")
    mean: float | None = Field(None, description="Numeric: mean of the finite values.")
    deviation: float | None = Field(None, description="Numeric: their standard deviation.")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        bins = max(0, len(self.edges) - 1) if self.kind is FeatureKind.NUMERIC else len(self.categories)
        if len(self.counts) != bins:
            raise ValueError(f"counts of feature {self.name!r} has {len(self.counts)} entries for {bins} bins")
        if list(self.edges) != sorted(self.edges):
            raise ValueError(f"edges of feature {self.name!r} must ascend")
        total = sum(self.counts) + sum(self.special.by_label().values())
        if self.n != total:
            raise ValueError(f"n of feature {self.name!r} is {self.n}, but its counts add up to {total}")
        return self

    @cached_property
    def regular_labels(self) -> tuple[str, ...]:
        """Labels of the regular bins, in the order of `counts`."""
        return tuple(map(str, range(len(self.counts)))) if self.kind is FeatureKind.NUMERIC else self.categories

    @cached_property
    def inner_edges(self) -> tuple[float, ...]:
        """The edges between bins."""
        return self.edges[1:-1]

    @cached_property
    def known(self) -> frozenset[str]:
        """The categories that have a bin."""
        return frozenset(self.categories)


class Baseline(TolerantDocument):
    """Content of `baseline.json`."""

    version: Literal[1] = Field(1, description="Version of this format.")
    features: tuple[FeatureBaseline, ...]
    score: FeatureBaseline | None = Field(None, description="The model's own scores on its training data.")

    def feature(self, name: str) -> FeatureBaseline:
        """The feature of that name.

        Raises:
            KeyError: The baseline has no such feature.
        """
        return next((f for f in self.features if f.name == name), None) or _missing(name)


def _missing(name: str) -> FeatureBaseline:
    raise KeyError(f"the baseline has no feature {name!r}; it was made for another model")


def fit(
    columns: Mapping[str, Sequence[object]],
    kinds: Mapping[str, FeatureKind],
    *,
    scores: Sequence[float] | None = None,
    max_bins: int = 10,
    max_categories: int = 20,
) -> Baseline:
    """Bins and counts of the training data.

    Args:
        columns: Values by feature name, one per row; None, NaN and empty text are missing values.
        kinds: Which features to keep, and how.
        scores: The model's scores on the same rows.
        max_bins: Regular bins of a numeric feature at most.
        max_categories: Categories with a bin of their own at most; the rarer ones count as unseen.

    Raises:
        KeyError: `kinds` names a feature that has no column.
        ValueError: A kind is not one of `FeatureKind`.
    """
    features = tuple(
        _numeric(name, columns[name], max_bins)
        if FeatureKind(kind) is FeatureKind.NUMERIC
        else _categorical(name, columns[name], max_categories)
        for name, kind in kinds.items()
    )
    return Baseline(features=features, score=None if scores is None else _numeric(SCORE, scores, max_bins))


def _numeric(name: str, values: Sequence[object], max_bins: int) -> FeatureBaseline:
    column: NDArray[np.float64] = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    finite = column[np.isfinite(column)]
    # Infinite values are what serving would call them: outside every finite one.
    special = SpecialCounts(
        null=int(np.isnan(column).sum()), below=int(np.isneginf(column).sum()), above=int(np.isposinf(column).sum())
    )
    if finite.size == 0:
        return FeatureBaseline(name=name, kind=FeatureKind.NUMERIC, counts=(), special=special, n=column.size)
    edges = _edges(finite, max_bins)
    counts = np.bincount(np.digitize(finite, edges[1:-1]), minlength=len(edges) - 1)
    return FeatureBaseline(
        name=name,
        kind=FeatureKind.NUMERIC,
        edges=edges,
        counts=tuple(counts.tolist()),
        special=special,
        n=column.size,
        mean=float(finite.mean()),
        deviation=float(finite.std()),
    )


def _edges(finite: NDArray[np.float64], max_bins: int) -> tuple[float, ...]:
    """Deciles, each once; or the distinct values where there are no more of them than bins.

    An inner edge may equal the greatest value: then the last bin holds that value alone (the ones of a 0/1 feature).
    """
    distinct = np.unique(finite)
    inner = distinct if distinct.size <= max_bins else np.unique(np.quantile(finite, np.arange(1, max_bins) / max_bins))
    least, most = float(distinct[0]), float(distinct[-1])
    return (least, *(float(edge) for edge in inner if edge > least), most)


def _categorical(name: str, values: Sequence[object], max_categories: int) -> FeatureBaseline:
    texts = Counter(category_text(value) for value in values if not is_null(value))
    # A category that is spelled like a special label would be counted twice; it gets no bin.
    ranked = sorted(((t, c) for t, c in texts.items() if t not in SPECIAL_LABELS), key=lambda tc: (-tc[1], tc[0]))
    top = ranked[:max_categories]
    return FeatureBaseline(
        name=name,
        kind=FeatureKind.CATEGORICAL,
        categories=tuple(text for text, _ in top),
        counts=tuple(count for _, count in top),
        special=SpecialCounts(null=len(values) - texts.total(), unseen=texts.total() - sum(count for _, count in top)),
        n=len(values),
    )


def is_null(value: object) -> bool:
    """Whether a value is missing: None, NaN, or the empty text that stands for it in a graph's string input."""
    return value is None or value == "" or value != value  # noqa: PLR0124 - only NaN differs from itself, in every numeric type


def category_text(value: object) -> str:
    """The text of a category: 1, 1.0 and "1" are one category, whichever way a caller encodes it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def bin_labels(feature: FeatureBaseline) -> tuple[str, ...]:
    """Every value of the Prometheus label `bin` that the feature can have: its regular bins, then the special ones."""
    return feature.regular_labels + SPECIAL_LABELS


def assign(feature: FeatureBaseline, value: object) -> str:
    """The bin label of one served value; never fails, and costs a bisection or a hash look-up."""
    if is_null(value):
        return NULL
    if feature.kind is FeatureKind.CATEGORICAL:
        text = category_text(value)
        return text if text in feature.known else UNSEEN
    if isinstance(value, int | float | np.number) and feature.edges:
        return _numeric_bin(feature, float(value))
    return UNSEEN


def _numeric_bin(feature: FeatureBaseline, number: float) -> str:
    if number < feature.edges[0]:
        return BELOW
    if number > feature.edges[-1]:
        return ABOVE
    return feature.regular_labels[bisect_right(feature.inner_edges, number)]
