"""Metrics of Prometheus, or of whatever speaks its HTTP API (``/api/v1/query``)."""

import math
from datetime import datetime, timedelta
from typing import Any

import httpx

from homeostat.engines.http import Engine, Refused
from homeostat.engines.metrics import Series
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec
from homeostat.settings import PrometheusSettings

# Statuses with which Prometheus says that it cannot read or carry out an expression.
_BAD_QUERY = (400, 422)


class PrometheusMetrics:
    """Series of a Prometheus server."""

    def __init__(self, settings: PrometheusSettings, transport: httpx.BaseTransport | None = None) -> None:
        self._engine = Engine("Prometheus", settings.url, "HOMEOSTAT_PROMETHEUS_URL", transport=transport)

    def samples(self, selector: str, start: datetime, end: datetime) -> list[Series]:
        """See Metrics."""
        # From Prometheus 3 on a range excludes its oldest instant: one millisecond more includes it in every version.
        milliseconds = (end - start) // timedelta(milliseconds=1) + 1
        data = self._query(f"{selector}[{milliseconds}ms]", end)
        first = start.timestamp()
        found = (
            Series(
                labels=series["metric"],
                samples=tuple((time, float(value)) for time, value in series["values"] if time >= first),
            )
            for series in data["result"]
        )
        return [series for series in found if series.samples]

    def value(self, query: str, at: datetime) -> float | None:
        """See Metrics."""
        data = self._query(query, at)
        match data["resultType"], data["result"]:
            case "scalar", [_, text]:
                value = float(text)
            case "vector", []:
                return None
            case "vector", [series]:
                value = float(series["value"][1])
            case "vector", many:
                raise InvalidSpec(
                    f"query {query!r} gives {len(many)} series; aggregate them to one, for example with sum()"
                )
            case other, _:
                raise InvalidSpec(f"query {query!r} gives a {other}; write one that gives a single number")
        return None if math.isnan(value) else value

    def healthy(self) -> bool:
        """See Metrics."""
        try:
            self._engine.call("POST", "/api/v1/query", data={"query": "vector(1)"})
        except (EngineUnavailable, Refused):
            return False
        return True

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()

    def _query(self, query: str, at: datetime) -> Any:
        try:
            answer = self._engine.call("POST", "/api/v1/query", data={"query": query, "time": at.timestamp()})
        except Refused as refused:
            if refused.status in _BAD_QUERY:
                raise InvalidSpec(f"query {query!r} cannot be answered: {refused}; correct it") from refused
            raise
        return answer["data"]
