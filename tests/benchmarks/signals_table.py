"""Error rates of the drift signal: how often it cries wolf, and how often it sees a wolf.

Usage: python tests/benchmarks/signals_table.py [repetitions]

20 features of 10 equal bins, 5,000 training rows, threshold 0.1. A false breach is one of any feature.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homeostat.enums import SignalState
from homeostat.signals import fit
from homeostat.signals.drift import DriftEstimate, FeatureDrift, feature_drift, judge
from homeostat.signals.histogram import FeatureBaseline, FeatureKind, bin_labels, count

FEATURES, BINS, TRAINING, PARTS = 20, 10, 5_000, 12
THRESHOLD, TRUE_PSI, MIN_SAMPLES = 0.1, 0.2, 200
SEGMENTS, ICC = 8, 0.09
EVEN = np.full(BINS, 1 / BINS)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Window = tuple[list[FeatureBaseline], list[Counts]]
Draw = Callable[[np.random.Generator, int], list[object]]


@dataclass(frozen=True)
class Shape:
    """A kind of feature that equal-frequency bins alone judge badly, and a change that must be seen."""

    name: str
    kind: FeatureKind
    still: Draw
    change: str
    changed: Draw


def _zeros(share: float, low: int, high: int) -> Draw:
    def draw(rng: np.random.Generator, rows: int) -> list[object]:
        values = rng.integers(low, high + 1, rows).astype(float)
        return list(np.where(rng.random(rows) < share, 0.0, values).tolist())

    return draw


def _spike(share: float) -> Draw:
    def draw(rng: np.random.Generator, rows: int) -> list[object]:
        return list(np.where(rng.random(rows) < share, 37.0, rng.uniform(0, 100, rows)).tolist())

    return draw


def _tail(scale: float) -> Draw:
    return lambda rng, rows: (scale * rng.lognormal(0, 2, rows)).tolist()


def _of(values: Sequence[object], shares: Sequence[float]) -> Draw:
    return lambda rng, rows: [values[index] for index in rng.choice(len(values), rows, p=shares)]


def _texts(first: int, number: int) -> Draw:
    return lambda rng, rows: [f"c{index}" for index in rng.integers(first, first + number, rows)]


SHAPES = (
    Shape("90 % zeros, rest 1 to 100", FeatureKind.NUMERIC, _zeros(0.9, 1, 100), "75 % zeros", _zeros(0.75, 1, 100)),
    Shape(
        "90 % zeros, rest 1 to 100 ",
        FeatureKind.NUMERIC,
        _zeros(0.9, 1, 100),
        "the others only 51 to 100",
        _zeros(0.9, 51, 100),
    ),
    Shape("40 % one value amid others", FeatureKind.NUMERIC, _spike(0.4), "20 %", _spike(0.2)),
    Shape("heavy tail (lognormal, sigma 2)", FeatureKind.NUMERIC, _tail(1), "twice as large", _tail(2)),
    Shape("constant", FeatureKind.NUMERIC, _of([7.0], [1]), "10 % another value", _of([7.0, 8.0], [0.9, 0.1])),
    Shape(
        "two values, 98 % to 2 %",
        FeatureKind.NUMERIC,
        _of([0, 1], [0.98, 0.02]),
        "90 % to 10 %",
        _of([0, 1], [0.9, 0.1]),
    ),
    Shape("2,000 categories", FeatureKind.CATEGORICAL, _texts(0, 2000), "half of them new", _texts(1000, 2000)),
    Shape("50 categories", FeatureKind.CATEGORICAL, _texts(0, 50), "10 % new", _texts(5, 50)),
)
"""Each is a feature of `TRAINING` rows; its name and its change are what the table prints."""


def shape_window(rng: np.random.Generator, shape: Shape, rows: int, *, changed: bool) -> DriftEstimate:
    """The verdict on one feature whose rows are spread evenly over the window's parts."""
    feature = fit({"x": shape.still(rng, TRAINING)}, {"x": shape.kind}).features[0]
    values = (shape.changed if changed else shape.still)(rng, rows)
    parts = [count(feature, values[part::PARTS]).tolist() for part in range(PARTS)]
    windows = [dict(zip(bin_labels(feature), map(float, part), strict=True)) for part in parts]
    return judge([feature_drift(feature, windows)], THRESHOLD, MIN_SAMPLES)


def tilted(psi: float) -> Floats:
    """Shares that rise exponentially over the bins, with exactly this index against even ones."""
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        shares = np.exp(middle * np.linspace(-1, 1, BINS))
        shares /= shares.sum()
        low, high = (middle, high) if np.sum((shares - EVEN) * np.log(shares / EVEN)) < psi else (low, middle)
    return shares


def trained(rng: np.random.Generator, shares: Floats, feature: int) -> FeatureBaseline:
    counts = tuple(rng.multinomial(TRAINING, shares).tolist())
    edges = tuple(map(float, range(BINS + 1)))
    return FeatureBaseline(name=f"f{feature}", kind=FeatureKind.NUMERIC, edges=edges, counts=counts, n=TRAINING)


def independent(rng: np.random.Generator, rows: int, moved: Floats = EVEN) -> Window:
    """Independent rows; only feature 0 may have moved."""
    baselines = [trained(rng, EVEN, feature) for feature in range(FEATURES)]
    sizes = rng.multinomial(rows, np.full(PARTS, 1 / PARTS))
    return baselines, [rng.multinomial(sizes, moved if feature == 0 else EVEN) for feature in range(FEATURES)]


def batches(rng: np.random.Generator, rows: int, size: int) -> Window:
    """Batches that each come from one of a few segments, at random times; the mix of segments is that of training."""
    count = rows // size
    segment, part = rng.integers(SEGMENTS, size=count), rng.integers(PARTS, size=count)
    baselines, windows = [], []
    for feature in range(FEATURES):
        shares = rng.dirichlet(EVEN * (1 / ICC - 1), size=SEGMENTS)
        counts = np.zeros((PARTS, BINS), dtype=np.int64)
        np.add.at(counts, part, rng.multinomial(size, shares[segment]))
        baselines.append(trained(rng, shares.mean(axis=0), feature))
        windows.append(counts)
    return baselines, windows


def measured(window: Window, *, pooled: bool = False) -> list[FeatureDrift]:
    """Drift of each feature; pooled: as if the rows were known to be independent."""
    return [
        feature_drift(baseline, [dict(zip(baseline.regular_labels, map(float, row), strict=True)) for row in rows])
        for baseline, counts in zip(*window, strict=True)
        for rows in [counts.sum(axis=0, keepdims=True) if pooled else counts]
    ]


def breached(drifts: list[FeatureDrift], min_samples: int = 1) -> bool:
    return judge(drifts, THRESHOLD, min_samples).state is SignalState.BREACHED


def percent(hits: list[bool]) -> str:
    return f"{100 * float(np.mean(hits)):.1f} %"


def independent_rows(rng: np.random.Generator, repetitions: int) -> Iterator[str]:
    yield "| independent rows, M | plain PSI > 0.1: false breach | ours: false breach | ours: sees a true PSI of 0.2 |"
    yield "|---|---|---|---|"
    moved = tilted(TRUE_PSI)
    for rows in (50, 100, 200, 500, 1000):
        still = [measured(independent(rng, rows)) for _ in range(repetitions)]
        drifted = [measured(independent(rng, rows, moved)) for _ in range(repetitions)]
        plain = percent([any(drift.psi > THRESHOLD for drift in drifts) for drifts in still])
        seen = percent(["f0" in judge(drifts, THRESHOLD, 1).moved for drifts in drifted])
        yield f"| {rows:,} | {plain} | {percent([breached(drifts) for drifts in still])} | {seen} |"


def batched_rows(rng: np.random.Generator, repetitions: int) -> Iterator[str]:
    yield "| batches of one segment, false breach | rows taken as independent | ours | ours, minSamples 200 | effective size |"
    yield "|---|---|---|---|---|"
    for rows, size in ((1000, 50), (1000, 200), (5000, 200)):
        windows = [batches(rng, rows, size) for _ in range(repetitions)]
        ours = [measured(window) for window in windows]
        naive = percent([breached(measured(window, pooled=True)) for window in windows])
        held = percent([breached(drifts, MIN_SAMPLES) for drifts in ours])
        effective = np.median([drift.effective_samples for drifts in ours for drift in drifts])
        ours_said = percent([breached(drifts) for drifts in ours])
        yield f"| M = {rows:,} in batches of {size} | {naive} | {ours_said} | {held} | {effective:.0f} |"


def shapes(rng: np.random.Generator, repetitions: int) -> Iterator[str]:
    yield "| feature, 1,000 rows | false breach | change | detected |"
    yield "|---|---|---|---|"
    for shape in SHAPES:
        rates = [
            percent(
                [
                    shape_window(rng, shape, 1_000, changed=changed).state is SignalState.BREACHED
                    for _ in range(repetitions)
                ]
            )
            for changed in (False, True)
        ]
        yield f"| {shape.name} | {rates[0]} | {shape.change} | {rates[1]} |"


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rng = np.random.default_rng(20)
    tables: tuple[Callable[[np.random.Generator, int], Iterator[str]], ...] = (independent_rows, batched_rows, shapes)
    for table in tables:
        for line in table(rng, repetitions):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
