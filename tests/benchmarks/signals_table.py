"""Error rates of the drift signal: how often it cries wolf, and how often it sees a wolf.

Usage: python tests/benchmarks/signals_table.py [repetitions]

20 features of 10 equal bins, 5,000 training rows, threshold 0.1. A false breach is one of any feature.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from homeostat.enums import SignalState
from homeostat.signals.drift import FeatureDrift, feature_drift, judge
from homeostat.signals.histogram import FeatureBaseline, FeatureKind

FEATURES, BINS, TRAINING, PARTS = 20, 10, 5_000, 12
THRESHOLD, TRUE_PSI, MIN_SAMPLES = 0.1, 0.2, 200
SEGMENTS, ICC = 8, 0.09
EVEN = np.full(BINS, 1 / BINS)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Window = tuple[list[FeatureBaseline], list[Counts]]


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


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rng = np.random.default_rng(20)
    tables: tuple[Callable[[np.random.Generator, int], Iterator[str]], ...] = (independent_rows, batched_rows)
    for table in tables:
        for line in table(rng, repetitions):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
