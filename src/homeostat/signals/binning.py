"""Choice of the bins of `baseline.json`: they must keep what drift would change.

Equal-frequency bins alone lose a value that many rows share, and one bin for all rarer categories loses the difference
between rare and never seen. So such a value has a bin of its own, and rarer categories share bins of about equal mass.
"""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from homeostat.signals.histogram import (
    MAX_GROUPS,
    RESERVED_LABELS,
    SCORE,
    Baseline,
    FeatureBaseline,
    FeatureKind,
    SpecialCounts,
    category_text,
)
from homeostat.values import is_missing, usable

Values = Sequence[object] | NDArray[np.float64]
"""Values of a column, one per row."""

ROWS_PER_POINT = 10
"""Training rows that a value needs for a bin of its own; with fewer it may be one of a continuous quantity."""

FEWEST_INTERVALS = 3
"""Intervals at least for the values without a bin of their own, however few rows have them."""

OWN_SHARE = 0.01
"""Share of the rows that a category needs for a bin of its own where not all can have one."""

KNOWN_CATEGORIES = 10_000
KNOWN_CHARACTERS = 500_000
"""Categories of a feature, and their characters together, that the baseline keeps; the rarest beyond count as unseen."""


def fit(
    columns: Mapping[str, Values],
    kinds: Mapping[str, FeatureKind],
    *,
    scores: Values | None = None,
    max_bins: int = 10,
    max_categories: int = 20,
) -> Baseline:
    """Bins and counts of the training data.

    Args:
        columns: Values by feature name, one per row; which are missing: see `homeostat.values`.
        kinds: Which features to keep, and how.
        scores: The model's output on the same rows, as `Task.binned` gives it: numbers or classes.
        max_bins: A numeric feature with at most so many values has a bin for each; another has a bin for each value that
            at least one in `max_bins` rows has, and intervals of equal frequency for the rest, as many as its share of
            `max_bins`.
        max_categories: Categories with a bin of their own at most; the others share up to `MAX_GROUPS` bins.

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
    return Baseline(features=features, score=None if scores is None else _output(scores, max_bins, max_categories))


def _output(values: Values, max_bins: int, max_categories: int) -> FeatureBaseline:
    if len(values) and isinstance(values[0], str):
        return _categorical(SCORE, values, max_categories)
    return _numeric(SCORE, values, max_bins)


def _numeric(name: str, values: Values, max_bins: int) -> FeatureBaseline:
    column: NDArray[np.float64] = np.array(values, dtype=np.float64)  # None becomes NaN
    column = usable(column)
    finite = column[np.isfinite(column)]
    special = SpecialCounts(null=column.size - finite.size)
    if finite.size == 0:
        return FeatureBaseline(name=name, kind=FeatureKind.NUMERIC, counts=(), special=special, n=column.size)
    points, edges, counts = _numeric_bins(finite, max_bins)
    return FeatureBaseline(
        name=name,
        kind=FeatureKind.NUMERIC,
        edges=edges,
        points=points,
        counts=counts,
        special=special,
        n=column.size,
        mean=float(finite.mean()),
        deviation=float(finite.std()),
    )


def _numeric_bins(
    finite: NDArray[np.float64], max_bins: int
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Points, edges, and the rows of their bins: the intervals' first."""
    distinct, frequency = np.unique(finite, return_counts=True)
    if _is_discrete(finite.size, distinct.size, max_bins):
        return tuple(distinct.tolist()), (), tuple(frequency.tolist())
    frequent = (frequency * max_bins >= finite.size) & (frequency >= ROWS_PER_POINT)
    points, rest = distinct[frequent], finite[~np.isin(finite, distinct[frequent])]
    others = distinct[~frequent]
    intervals = min(max_bins, max(FEWEST_INTERVALS, round(max_bins * rest.size / finite.size)))
    if _is_discrete(rest.size, others.size, intervals):
        return tuple(distinct.tolist()), (), tuple(frequency.tolist())
    edges = _edges(rest, others, intervals, (float(distinct[0]), float(distinct[-1])))
    counts = np.bincount(np.digitize(rest, edges[1:-1]))  # the last bin is never empty
    return tuple(points.tolist()), edges, (*counts.tolist(), *frequency[frequent].tolist())


def _is_discrete(rows: int, distinct: int, bins: int) -> bool:
    return distinct <= bins and rows >= ROWS_PER_POINT * distinct


def _edges(
    rest: NDArray[np.float64], distinct: NDArray[np.float64], intervals: int, span: tuple[float, float]
) -> tuple[float, ...]:
    """Quantiles of `rest`, each once, or its distinct values where there are no more of them than intervals.

    The first and the last interval reach to the ends of `span`. An inner edge may equal the greatest value: then the last
    bin holds that value alone.
    """
    least, most = span
    if distinct.size <= intervals:
        inner = distinct[distinct > rest.min()]
    else:
        inner = np.unique(np.quantile(rest, np.arange(1, intervals) / intervals))
        inner = inner[inner > rest.min()]
    return (least, *inner.tolist(), most)


def _categorical(name: str, values: Values, max_categories: int) -> FeatureBaseline:
    texts = Counter(category_text(value) for value in values if not is_missing(value))
    ranked = sorted(((t, c) for t, c in texts.items() if t not in RESERVED_LABELS), key=lambda tc: (-tc[1], tc[0]))
    known = ranked[: _known(ranked)]
    own = _own_bins(known, texts.total(), max_categories)
    top, groups = known[:own], _groups(known[own:], texts.total())
    counts = [count for _, count in top] + [sum(count for _, count in group) for group in groups]
    unseen = texts.total() - sum(counts)
    return FeatureBaseline(
        name=name,
        kind=FeatureKind.CATEGORICAL,
        categories=tuple(text for text, _ in top),
        groups=tuple(tuple(text for text, _ in group) for group in groups),
        counts=tuple(counts),
        special=SpecialCounts(null=len(values) - texts.total(), unseen=unseen),
        n=len(values),
        unseen_share=_expected_unseen(texts, unseen, len(values)),
    )


def _known(ranked: Sequence[tuple[str, int]]) -> int:
    """How many of the ranked categories the baseline keeps."""
    characters = np.cumsum([len(text) for text, _ in ranked[:KNOWN_CATEGORIES]])
    return int(np.searchsorted(characters, KNOWN_CHARACTERS, side="right"))


def _own_bins(known: Sequence[tuple[str, int]], rows: int, most: int) -> int:
    """How many of the ranked categories have a bin of their own.

    All, where they are few. Otherwise a category needs enough rows: the most frequent of many rare ones are so by chance,
    and new rows would show fewer of them.
    """
    if len(known) <= most:
        return len(known)
    return min(most, sum(count >= OWN_SHARE * rows for _, count in known))


def _groups(rarer: Sequence[tuple[str, int]], rows: int) -> list[list[tuple[str, int]]]:
    """Shares categories out among bins, one for each tenth of all rows that they make up.

    By a hash and not by their frequency, so that what is frequent by chance is spread over the bins.
    """
    if not rarer:
        return []
    mass = sum(count for _, count in rarer)
    group_count = max(1, min(MAX_GROUPS, round(MAX_GROUPS * mass / rows)))
    groups: list[list[tuple[str, int]]] = [[] for _ in range(group_count)]
    for text, count in rarer:
        groups[zlib.crc32(text.encode(errors="replace")) % group_count].append((text, count))
    return [group for group in groups if group]


def _expected_unseen(texts: Counter[str], unseen: int, rows: int) -> float:
    """Share of new rows whose category has no bin, although nothing drifted.

    Categories that training has never seen have about the share of those that it has seen once (I. J. Good, *The population
    frequencies of species and the estimation of population parameters*, Biometrika 40, 1953).
    """
    once = sum(count == 1 for count in texts.values())
    return min(1.0, (unseen + once) / rows) if rows else 0.0
