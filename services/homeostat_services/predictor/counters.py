"""What a predictor counts: plain dictionaries on the request path, Prometheus text when asked."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from homeostat.signals.histogram import Baseline, FeatureBaseline, assign, bin_labels
from homeostat.signals.units import ABOVE, BELOW, SQUARE

LABELS = ("namespace", "deployment", "version")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper ends of the buckets of request durations."""

EXPECTED_CODES = ("200", "400", "404", "500", "503")
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
        self._buckets = [0] * (len(SECONDS) + 1)
        self._seconds = 0.0
        self.dropped = 0

    def request(self, status: int, seconds: float, *, mirrored: bool = False) -> None:
        """Count an answered request; `mirrored`: it was a copy."""
        key = (str(status), "true" if mirrored else "false")
        self._requests[key] = self._requests.get(key, 0) + 1
        self._buckets[bisect_left(SECONDS, seconds)] += 1
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
        requests = CounterMetricFamily(
            "homeostat_requests",
            "Answered requests by status; a mirrored one is a copy whose answer reached nobody.",
            labels=(*LABELS, "code", "mirrored"),
        )
        for key, count in self._requests.items():
            requests.add_metric((*self._labels, *key), count)
        yield requests
        yield self._durations()
        features = CounterMetricFamily(
            "homeostat_feature_bin", "Served values by bin of the baseline.", labels=(*LABELS, "feature", "bin")
        )
        for name, bins in self._features.items():
            for label, count in bins.counts.items():
                features.add_metric((*self._labels, name, label), count)
        yield features
        moments = CounterMetricFamily(
            "homeostat_feature_distance",
            "Distances of served values from the mean of training: sums above, below, and of squares.",
            labels=(*LABELS, "feature", "moment"),
        )
        for name, distances in self._distances.items():
            for moment, total in distances.sums().items():
                moments.add_metric((*self._labels, name, moment), total)
        yield moments
        scores = CounterMetricFamily(
            "homeostat_score_bin", "Served scores by bin of the baseline.", labels=(*LABELS, "bin")
        )
        for label, count in self._score.counts.items() if self._score else ():
            scores.add_metric((*self._labels, label), count)
        yield scores
        dropped = CounterMetricFamily(
            "homeostat_prediction_log_dropped", "Predictions that never reached the observer.", labels=LABELS
        )
        dropped.add_metric(self._labels, self.dropped)
        yield dropped

    def _durations(self) -> Metric:
        family = HistogramMetricFamily("homeostat_request_duration_seconds", "Time to answer a request.", labels=LABELS)
        total, buckets = 0, []
        for end, count in zip((*map(str, SECONDS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((end, float(total)))
        family.add_metric(self._labels, buckets, self._seconds)
        return family
