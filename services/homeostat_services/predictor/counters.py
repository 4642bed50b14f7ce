"""What a predictor counts: plain dictionaries on the request path, Prometheus text when asked."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from homeostat import telemetry
from homeostat.signals.histogram import Baseline, FeatureBaseline, assign, bin_labels
from homeostat.signals.units import ABOVE, BELOW, SQUARE

_BUCKETS = telemetry.REQUEST_SECONDS.buckets

EXPECTED_CODES = ("200", "400", "404", "413", "429", "500", "503")
"""Exported from the start, so that the first error is an increase like every other."""


class Bins:
    """Counts of one feature's bins, every one of them present from the start."""

    def __init__(self, feature: FeatureBaseline) -> None:
        self._feature = feature
        self.counts = dict.fromkeys(bin_labels(feature), 0)

    def add(self, values: Sequence[Any]) -> None:
        """Count one value per row."""
        counts, feature = self.counts, self._feature
        for value in values:
            counts[assign(feature, value)] += 1


class Distances:
    """Sums of one numeric feature's distances from its mean in training; they tell a change of unit."""

    def __init__(self, mean: float) -> None:
        self._mean = mean
        self.above = self.below = self.square = 0.0

    def add(self, values: Sequence[Any]) -> None:
        """Add one value per row; what is no finite number is left out."""
        for value in values:
            if isinstance(value, int | float | np.number) and math.isfinite(value):
                distance = float(value) - self._mean
                self.square += distance * distance
                if distance >= 0:
                    self.above += distance
                else:
                    self.below -= distance

    def sums(self) -> dict[str, float]:
        """The sums by their exported labels."""
        return {ABOVE: self.above, BELOW: self.below, SQUARE: self.square}


class Counters(Collector):
    """All counts of one predictor."""

    def __init__(self, namespace: str, deployment: str, version: str, baseline: Baseline) -> None:
        self._labels = (namespace, deployment, version)
        self._features = {feature.name: Bins(feature) for feature in baseline.features}
        self._distances = {f.name: Distances(f.mean) for f in baseline.features if f.mean is not None}
        self._score = None if baseline.score is None else Bins(baseline.score)
        self._requests = {(code, copy): 0 for code in EXPECTED_CODES for copy in ("false", "true")}
        self._buckets = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0
        self.dropped = 0

    def request(self, status: int, seconds: float, *, mirrored: bool = False) -> None:
        """Count an answered request; `mirrored`: it was a copy."""
        key = (str(status), "true" if mirrored else "false")
        self._requests[key] = self._requests.get(key, 0) + 1
        self._buckets[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def served(self, columns: Mapping[str, Sequence[Any]], scores: Sequence[float]) -> None:
        """Count the values of a request that was answered with predictions."""
        for name, bins in self._features.items():
            if name in columns:
                bins.add(columns[name])
        for name, distances in self._distances.items():
            if name in columns:
                distances.add(columns[name])
        if self._score is not None:
            self._score.add(scores)

    def collect(self) -> Iterator[Metric]:
        """All metrics; called at each scrape."""
        requests = _counter(telemetry.REQUESTS)
        for key, count in self._requests.items():
            requests.add_metric((*self._labels, *key), count)
        yield requests
        yield self._durations()
        features = _counter(telemetry.FEATURE_BINS)
        for name, bins in self._features.items():
            for label, count in bins.counts.items():
                features.add_metric((*self._labels, name, label), count)
        yield features
        moments = _counter(telemetry.FEATURE_DISTANCES)
        for name, distances in self._distances.items():
            for moment, total in distances.sums().items():
                moments.add_metric((*self._labels, name, moment), total)
        yield moments
        scores = _counter(telemetry.SCORE_BINS)
        for label, count in self._score.counts.items() if self._score else ():
            scores.add_metric((*self._labels, label), count)
        yield scores
        dropped = _counter(telemetry.PREDICTION_LOG_DROPPED)
        dropped.add_metric(self._labels, self.dropped)
        yield dropped

    def _durations(self) -> Metric:
        name, text, labels = telemetry.REQUEST_SECONDS.declaration
        family = HistogramMetricFamily(name, text, labels=labels)
        total, buckets = 0, []
        for end, count in zip((*map(str, _BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((end, float(total)))
        family.add_metric(self._labels, buckets, self._seconds)
        return family


def _counter(metric: telemetry.MetricFamily) -> CounterMetricFamily:
    name, text, labels = metric.declaration
    return CounterMetricFamily(name, text, labels=labels)
