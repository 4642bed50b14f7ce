"""Prometheus metrics of the observer; every one carries labels namespace and deployment where it is about one."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from homeostat import telemetry
from homeostat_services.observer.messages import OutcomesAnswer, PredictionsAnswer


class Metrics:
    """Counters of what was received, and gauges of the business numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._predictions = Counter(*telemetry.OBSERVER_PREDICTIONS.declaration, registry=self.registry)
        self._outcomes = Counter(*telemetry.OBSERVER_OUTCOMES.declaration, registry=self.registry)
        self._business = Gauge(*telemetry.BUSINESS_VALUE.declaration, registry=self.registry)
        self.export_lag = Gauge(*telemetry.EXPORT_LAG_SECONDS.declaration, registry=self.registry)
        self.export_parts = Counter(*telemetry.EXPORT_PARTS.declaration, registry=self.registry)
        self.export_failures = Counter(*telemetry.EXPORT_FAILURES.declaration, registry=self.registry)

    def count(self, namespace: str, deployment: str, answer: PredictionsAnswer | OutcomesAnswer) -> None:
        """Count what became of a batch, by result."""
        counter = self._predictions if isinstance(answer, PredictionsAnswer) else self._outcomes
        for result, number in answer.model_dump(exclude={"matches", "unusable_outcomes"}).items():
            counter.labels(namespace, deployment, result).inc(number)
        if isinstance(answer, PredictionsAnswer):
            self._outcomes.labels(namespace, deployment, "unusable").inc(answer.unusable_outcomes)

    def show_business(self, values: Iterable[tuple[str, str, str, float]]) -> None:
        """Set the gauges: (namespace, deployment, name, value)."""
        for namespace, deployment, name, value in values:
            self._business.labels(namespace, deployment, name).set(value)
