"""Metrics in memory."""

import math
import re
from collections.abc import Iterable
from datetime import datetime

from homeostat.engines.metrics import Series
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec

_SELECTOR = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)?(?:\{(.*)\})?$")
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
LOOKBACK_SECONDS = 300.0
"""How old a sample may be to be the current value, as in Prometheus."""


class MemoryMetrics:
    """A store of series; it selects as Prometheus does, and knows no PromQL beyond selectors.

    Attributes:
        series: All series; the label ``__name__`` bears the metric's name.
        answers: Values of whole queries, which are looked up before a query is tried as a selector.
        available: False: every query fails as if nobody answered.
    """

    def __init__(self, series: Iterable[Series] = (), answers: dict[str, float | None] | None = None) -> None:
        self.series = list(series)
        self.answers = dict(answers or {})
        self.available = True

    def samples(self, selector: str, start: datetime, end: datetime) -> list[Series]:
        """See Metrics."""
        self._check()
        first, last = start.timestamp(), end.timestamp()
        cut = (
            Series(series.labels, tuple(sample for sample in series.samples if first <= sample[0] <= last))
            for series in self._selected(selector)
        )
        return [series for series in cut if series.samples]

    def value(self, query: str, at: datetime) -> float | None:
        """See Metrics."""
        self._check()
        if query in self.answers:
            answer = self.answers[query]
            return None if answer is None or math.isnan(answer) else answer
        now = at.timestamp()
        newest = [
            [value for time, value in series.samples if now - LOOKBACK_SECONDS < time <= now][-1:]
            for series in self._selected(query)
        ]
        values = [value for current in newest for value in current]
        if len(values) > 1:
            raise InvalidSpec(
                f"query {query!r} gives {len(values)} series; aggregate them to one, for example with sum()"
            )
        return None if not values or math.isnan(values[0]) else values[0]

    def healthy(self) -> bool:
        """See Metrics."""
        return self.available

    def _check(self) -> None:
        if not self.available:
            raise EngineUnavailable("Prometheus does not answer; check that it runs")

    def _selected(self, selector: str) -> list[Series]:
        found = _SELECTOR.match(selector.strip())
        if not found:
            raise InvalidSpec(
                f'query {selector!r} cannot be read; write a metric with labels, for example up{{job="a"}}'
            )
        name, matchers = found[1], _MATCHER.findall(found[2] or "")
        if name:
            matchers = [("__name__", "=", name), *matchers]
        return [series for series in self.series if all(_matches(series.labels, *matcher) for matcher in matchers)]


def _matches(labels: dict[str, str], label: str, operator: str, pattern: str) -> bool:
    value = labels.get(label, "")
    pattern = pattern.replace('\\"', '"').replace("\\\\", "\\")
    alike = bool(re.fullmatch(pattern, value)) if "~" in operator else value == pattern
    return alike != operator.startswith("!")
