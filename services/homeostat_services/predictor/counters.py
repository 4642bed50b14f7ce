"""What a predictor counts: rows are kept on the request path, counted in blocks, and shown as Prometheus text when scraped."""

import asyncio
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeostat import telemetry
from homeostat.signals.histogram import (
    Baseline,
    FeatureBaseline,
    FeatureKind,
    bin_labels,
    count,
    count_numbers,
)
from homeostat.signals.units import ABOVE, BELOW, SQUARE
from homeostat_services.predictor.unseen import UnseenValues

_BUCKETS = telemetry.REQUEST_SECONDS.buckets

EXPECTED_CODES = ("200", "400", "404", "413", "429", "500", "503")
"""Exported from the start, so that the first error is an increase like every other."""

BLOCK_ROWS = 1024
"""Rows that are counted together: a row costs a tenth of what it costs alone."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered with predictions.

    Attributes:
        columns: Values by input name, one per row.
        scores: The predictions.
        numbers: The inputs that are no texts, one row per input; the order is that of `Counters`.
    """

    columns: Mapping[str, Sequence[Any]]
    scores: Sequence[float]
    numbers: Numbers | None


class FeatureCounts:
    """Counts of one feature's bins and, if it is numeric, sums of distances from its mean in training."""

    def __init__(self, feature: FeatureBaseline, position: int | None) -> None:
        self.feature = feature
        self.labels = bin_labels(feature)
        self.counts = np.zeros(len(self.labels), dtype=np.int64)
        self.distances = np.zeros(3)
        self.unseen = UnseenValues(feature) if feature.kind is FeatureKind.CATEGORICAL else None
        self._position = position if feature.kind is FeatureKind.NUMERIC else None

    def add(self, block: Sequence[Served], numbers: Numbers | None) -> None:
        """Count the rows of a block; `numbers` are those of all its requests side by side, if each has them."""
        if self._position is not None and numbers is not None:
            self._add_numbers(numbers[self._position])
            return
        name = self.feature.name
        values = list(chain.from_iterable([served.columns[name] for served in block if name in served.columns]))
        counts = count(self.feature, values)
        self.counts += counts
        if self.unseen is not None:
            self.unseen.add(values, int(counts[-1]))
        if self.feature.mean is not None:
            finite = (v for v in values if isinstance(v, int | float | np.number) and math.isfinite(v))
            self._add_distances(np.array([float(v) for v in finite], dtype=np.float64), self.feature.mean)

    def _add_numbers(self, numbers: Numbers) -> None:
        self.counts += count_numbers(self.feature, numbers)
        if self.feature.mean is not None:
            self._add_distances(numbers[np.isfinite(numbers)], self.feature.mean)

    def _add_distances(self, finite: Numbers, mean: float) -> None:
        distances = finite - mean
        self.distances += (distances[distances >= 0].sum(), -distances[distances < 0].sum(), distances @ distances)


class Counters:
    """All counts of one predictor.

    Args:
        namespace: Namespace of the ModelDeployment.
        deployment: Its name.
        version: Version of the model.
        baseline: The bins.
        numbers: Names of the inputs that `served` gets as numbers, in their order.
    """

    def __init__(
        self, namespace: str, deployment: str, version: str, baseline: Baseline, numbers: Sequence[str] = ()
    ) -> None:
        self.labels = {"namespace": namespace, "deployment": deployment, "version": version}
        positions = {name: position for position, name in enumerate(numbers)}
        self.features = [FeatureCounts(feature, positions.get(feature.name)) for feature in baseline.features]
        self.score = None if baseline.score is None else FeatureCounts(baseline.score, None)
        self.requests = {(code, copy): 0 for code in EXPECTED_CODES for copy in ("false", "true")}
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.seconds = 0.0
        self.dropped = 0
        self._waiting: list[Served] = []
        self._waiting_rows = 0
        self._block: list[Served] = []
        self._work: Iterator[None] = iter(())
        self._debt = 0.0

    def request(self, status: int, seconds: float, *, mirrored: bool = False) -> None:
        """Count an answered request; `mirrored`: it was a copy."""
        key = (str(status), "true" if mirrored else "false")
        self.requests[key] = self.requests.get(key, 0) + 1
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1
        self.seconds += seconds

    def served(
        self, columns: Mapping[str, Sequence[Any]], scores: Sequence[float], numbers: Numbers | None = None
    ) -> None:
        """Count the values of a request that was answered with predictions; they must not be changed afterwards."""
        self._waiting.append(Served(columns, scores, numbers))
        self._waiting_rows += len(scores)
        if self._block:
            # A block is counted while the next one fills, feature by feature: no request waits for all of it.
            self._debt += len(scores) * (len(self.features) + 1) / BLOCK_ROWS
            while self._debt > 0 and self._block:
                next(self._work, None)
                self._debt -= 1
        if self._waiting_rows >= BLOCK_ROWS:
            self._next_block()

    def _next_block(self) -> None:
        for _ in self._work:
            pass
        self._block, self._waiting, self._waiting_rows, self._debt = self._waiting, [], 0, 0.0
        self._work = self._counting()

    def _counting(self) -> Iterator[None]:
        """Count the block, a feature each time that the iterator is advanced."""
        if not self._block:
            return
        known = [served.numbers for served in self._block if served.numbers is not None]
        numbers = np.concatenate(known, axis=1) if len(known) == len(self._block) else None
        for feature in self.features:
            feature.add(self._block, numbers)
            yield
        if self.score is not None:
            name = self.score.feature.name
            self.score.add([Served({name: served.scores}, (), None) for served in self._block], None)
        self._block = []

    async def settle(self) -> None:
        """Count everything that was served before this call; requests are answered meanwhile."""
        for _ in self._work:
            await asyncio.sleep(0)
        self._next_block()
        for _ in self._work:
            await asyncio.sleep(0)

    def distances(self) -> Iterator[tuple[FeatureCounts, dict[str, float]]]:
        """Sums of distances by their exported labels, of each feature that has a mean."""
        for each in self.features:
            if each.feature.mean is not None:
                yield each, dict(zip((ABOVE, BELOW, SQUARE), each.distances.tolist(), strict=True))
