"""What a predictor counts: rows are kept on the request path, counted in blocks, and shown as Prometheus text when scraped."""

import asyncio
import math
from bisect import bisect_left
from collections import _count_elements  # type: ignore[attr-defined]  # `Counter.update`, less its checks
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homeostat import telemetry
from homeostat.signals.histogram import (
    FAMILIES,
    TEXTS,
    Baseline,
    FeatureBaseline,
    FeatureKind,
    bin_index,
    bin_labels,
    count,
    count_numbers,
    distinct_values,
)
from homeostat.signals.units import ABOVE, BELOW, SQUARE
from homeostat_services.predictor.unseen import UnseenValues

_BUCKETS = telemetry.REQUEST_SECONDS.buckets

EXPECTED_CODES = ("200", "400", "404", "413", "429", "500", "503")
"""Exported from the start, so that the first error is an increase like every other."""

BLOCK_ROWS = 1024
"""Rows whose numbers are counted together: a row costs a tenth of what it costs alone."""

Numbers = NDArray[np.float64]


class FeatureCounts:
    """Counts of one feature's bins and, if it is numeric, sums of distances from its mean in training."""

    def __init__(self, feature: FeatureBaseline) -> None:
        self.feature = feature
        self.labels = bin_labels(feature)
        self.counts = np.zeros(len(self.labels), dtype=np.int64)
        self.distances = np.zeros(3)
        self.unseen = UnseenValues(feature) if feature.kind is FeatureKind.CATEGORICAL else None
        self.tally: dict[Any, int] = {}
        """Values with their numbers that `fold` will count: texts, or values of one family of types."""
        self._family = TEXTS

    def add(self, values: Sequence[Any]) -> None:
        """Count values of any types."""
        if self.unseen is not None and self._of_one_family(values):
            _count_elements(self.tally, values)
            return
        counts = count(self.feature, values)
        self.counts += counts
        if self.unseen is not None:
            self.unseen.add([*distinct_values(values)], int(counts[-1]))
        if self.feature.mean is not None:
            finite = (v for v in values if isinstance(v, int | float | np.number) and math.isfinite(v))
            self._add_distances(np.array([float(v) for v in finite], dtype=np.float64), self.feature.mean)

    def _of_one_family(self, values: Sequence[Any]) -> bool:
        """Whether these can be tallied."""
        if not self._family.issuperset(map(type, values)):
            self.fold()
            self._family = next((f for f in FAMILIES if f.issuperset(map(type, values))), frozenset())
        return bool(self._family)

    def add_numbers(self, numbers: Numbers) -> None:
        """Count numbers, NaN where one is missing."""
        self.counts += count_numbers(self.feature, numbers)
        if self.feature.mean is not None:
            self._add_distances(numbers[np.isfinite(numbers)], self.feature.mean)

    def fold(self) -> None:
        """Count what has been tallied."""
        tally, self.tally = self.tally, {}
        unseen_before = int(self.counts[-1])
        for value, times in tally.items():
            self.counts[bin_index(self.feature, value)] += times
        if self.unseen is not None:
            self.unseen.add(tally.items(), int(self.counts[-1]) - unseen_before)

    def _add_distances(self, finite: Numbers, mean: float) -> None:
        distances = finite - mean
        above, below = np.maximum(distances, 0).sum(), -np.minimum(distances, 0).sum()
        self.distances += (above, below, distances @ distances)


class _Block:
    """Numbers of up to `BLOCK_ROWS` rows, one row per input, and their scores where these are numbers."""

    def __init__(self, inputs: int) -> None:
        self.rows = 0
        self.numbers, self.scores = np.empty((inputs, BLOCK_ROWS)), np.empty(BLOCK_ROWS)


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
        self.features = [FeatureCounts(feature) for feature in baseline.features]
        self.score = None if baseline.score is None else FeatureCounts(baseline.score)
        self._classes = self.score if self.score is not None and self.score.unseen is not None else None
        self._scored = self.score is not None and self._classes is None
        positions = {name: position for position, name in enumerate(numbers)}
        self._numeric = [
            (positions[f.feature.name], f) for f in self.features if f.unseen is None and f.feature.name in positions
        ]
        self._textual = [f for f in self.features if f.unseen is not None and f.feature.name not in positions]
        apart = {id(f) for f in self._textual} | {id(f) for _, f in self._numeric}
        self._tallied = [f for f in self.features if f.unseen is not None]
        self._others = [f for f in self.features if id(f) not in apart]
        self.requests = {(code, copy): 0 for code in EXPECTED_CODES for copy in ("false", "true")}
        self.buckets = [0] * (len(_BUCKETS) + 1)
        self.seconds = 0.0
        self.dropped = 0
        self._filling, self._block = _Block(len(numbers)), _Block(len(numbers))
        self._work: Iterator[None] = iter(())
        self._debt = 0.0

    def request(self, status: int, seconds: float, *, mirrored: bool = False) -> None:
        """Count an answered request; `mirrored`: it was a copy."""
        key = (str(status), "true" if mirrored else "false")
        self.requests[key] = self.requests.get(key, 0) + 1
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1
        self.seconds += seconds

    def served(
        self, columns: Mapping[str, Sequence[Any]], scores: Sequence[Any], numbers: Numbers | None = None
    ) -> None:
        """Count the values of a request that was answered with predictions.

        Args:
            columns: Values by input name, one per row.
            scores: The predictions, numbers or classes.
            numbers: The inputs that the constructor names, one row per input.
        """
        # Nothing keeps a value: objects of a thousand rows are out of the processor's caches when they are counted.
        self._tally(columns)
        if self._classes is not None:
            _count_elements(self._classes.tally, scores)
        given = np.empty((0, len(scores))) if numbers is None else numbers
        done, block = 0, self._filling
        while done < len(scores):
            start, end = block.rows, min(block.rows + len(scores) - done, BLOCK_ROWS)
            taken = slice(done, done + end - start)
            block.numbers[:, start:end] = given[:, taken]
            if self._scored:
                block.scores[start:end] = scores[taken]
            done, block.rows = taken.stop, end
            self._work_off(end - start)
            block = self._filling

    def _tally(self, columns: Mapping[str, Sequence[Any]]) -> None:
        given = [(each, columns[name]) for each in self._textual if (name := each.feature.name) in columns]
        if TEXTS.issuperset(map(type, chain.from_iterable([values for _, values in given]))):
            for each, values in given:
                _count_elements(each.tally, values)
        else:
            for each, values in given:
                each.add(values)
        for each in self._others:
            if each.feature.name in columns:
                each.add(columns[each.feature.name])

    def _work_off(self, rows: int) -> None:
        """Count a share of the last block; it is counted while the next one fills, so that no request waits for all of it."""
        if self._block.rows:
            self._debt += rows * (len(self.features) + 1) / BLOCK_ROWS
            while self._debt > 0 and self._block.rows:
                next(self._work, None)
                self._debt -= 1
        if self._filling.rows == BLOCK_ROWS:
            self._next_block()

    def _next_block(self) -> None:
        for _ in self._work:
            pass
        self._block, self._filling, self._debt = self._filling, self._block, 0.0
        self._work = self._counting(self._block)

    def _counting(self, block: _Block) -> Iterator[None]:
        """Count a block, a feature each time that the iterator is advanced."""
        if not block.rows:
            return
        for position, each in self._numeric:
            each.add_numbers(block.numbers[position, : block.rows])
            yield
        for each in self._tallied:
            each.fold()
            yield
        if self._classes is not None:
            self._classes.fold()
        elif self.score is not None:
            self.score.add_numbers(block.scores[: block.rows])
        block.rows = 0

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
