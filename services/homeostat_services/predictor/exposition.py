"""The counts of a predictor as Prometheus text: the text of labels is made once, as it is most of the work."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from homeostat import telemetry
from homeostat_services.predictor.counters import Counters

Group = tuple[telemetry.MetricFamily, Sequence[str], Sequence[float]]
"""A metric, its series, and their values."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """Shows the counts of one predictor."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        own = counters.labels
        self._bins = [
            [_series(telemetry.FEATURE_BINS.name, own, feature=each.feature.name, bin=label) for label in each.labels]
            for each in counters.features
        ]
        self._distances = [
            [_series(telemetry.FEATURE_DISTANCES.name, own, feature=each.feature.name, moment=m) for m in sums]
            for each, sums in counters.distances()
        ]
        labels = counters.score.labels if counters.score else ()
        self._scores = [_series(telemetry.SCORE_BINS.name, own, bin=label) for label in labels]

    async def text(self) -> bytes:
        """Every metric, with all that was served before this call."""
        await self._counters.settle()
        groups = self._groups()
        # The figures are copied; the text is made beside the event loop.
        return await asyncio.to_thread(_rendered, groups)

    def _groups(self) -> list[Group]:
        """Each metric with its series and their values."""
        counters, own = self._counters, self._counters.labels
        requests = dict(counters.requests)
        codes = [_series(telemetry.REQUESTS.name, own, code=code, mirrored=copy) for code, copy in requests]
        bins = [series for feature in self._bins for series in feature]
        counts = [value for each in counters.features for value in each.counts.tolist()]
        distances = [series for feature in self._distances for series in feature]
        sums = [value for _, each in counters.distances() for value in each.values()]
        new = [(f.feature.name, value, n) for f in counters.features if f.unseen for value, n in f.unseen.shown.items()]
        named = [_series(telemetry.UNSEEN_VALUES.name, own, feature=name, value=value) for name, value, _ in new]
        scores = counters.score.counts.tolist() if counters.score else []
        dropped = [_series(telemetry.PREDICTION_LOG_DROPPED.name, own)]
        return [
            (telemetry.REQUESTS, codes, list(requests.values())),
            (telemetry.REQUEST_SECONDS, *self._durations()),
            (telemetry.FEATURE_BINS, bins, counts),
            (telemetry.FEATURE_DISTANCES, distances, sums),
            (telemetry.UNSEEN_VALUES, named, [number for *_, number in new]),
            (telemetry.SCORE_BINS, self._scores, scores),
            (telemetry.PREDICTION_LOG_DROPPED, dropped, [counters.dropped]),
        ]

    def _durations(self) -> tuple[list[str], list[float]]:
        counters, own = self._counters, self._counters.labels
        name, ends = telemetry.REQUEST_SECONDS.name, (*map(str, telemetry.REQUEST_SECONDS.buckets), "+Inf")
        series, values, total = [], [], 0
        for end, number in zip(ends, counters.buckets, strict=True):
            total += number
            series.append(_series(f"{name}_bucket", own, le=end))
            values.append(float(total))
        return [*series, _series(f"{name}_count", own), _series(f"{name}_sum", own)], [*values, total, counters.seconds]


def _rendered(groups: Iterable[Group]) -> bytes:
    lines = []
    for metric, series, values in groups:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type.value}"]
        lines += [f"{each} {float(value)!r}" for each, value in zip(series, values, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _series(name: str, own: Mapping[str, str], **labels: str) -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted({**own, **labels}.items()))
    return f"{name}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
