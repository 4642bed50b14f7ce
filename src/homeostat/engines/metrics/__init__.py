"""Metrics: raw samples of counters, and numbers that a PromQL expression gives."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Series:
    """One time series: its labels, and samples as (Unix time in seconds, value) in order of time."""

    labels: dict[str, str]
    samples: tuple[tuple[float, float], ...]


class Metrics(Protocol):
    """A store of time series.

    ``samples`` and ``value`` raise EngineUnavailable when it does not answer, and InvalidSpec when it cannot make sense of
    the expression.
    """

    def samples(self, selector: str, start: datetime, end: datetime) -> list[Series]:
        """Raw samples of the selected series from start to end, both included; series without any are left out.

        Args:
            selector: An instant vector selector, such as ``up{job="a"}``; `homeostat.telemetry` makes those of the platform.
            start: Time of the oldest sample.
            end: Time of the newest sample.
        """
        ...

    def value(self, query: str, at: datetime) -> float | None:
        """The one number that a query gives at a time; None when it gives nothing or NaN."""
        ...

    def healthy(self) -> bool:
        """Whether queries are answered at all."""
        ...
