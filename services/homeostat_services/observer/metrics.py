"""Prometheus metrics of the observer; every one carries labels namespace and deployment where it is about one."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from homeostat_services.observer.messages import OutcomesAnswer, PredictionsAnswer

OWNER = ("namespace", "deployment")


class Metrics:
    """Counters of what was received, and gauges of the business numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._predictions = Counter(
            "homeostat_observer_predictions", "Predictions received.", (*OWNER, "result"), registry=self.registry
        )
        self._outcomes = Counter(
            "homeostat_observer_outcomes", "Outcomes received.", (*OWNER, "result"), registry=self.registry
        )
        self._business = Gauge(
            "homeostat_business_value", "Newest value of a business number.", (*OWNER, "name"), registry=self.registry
        )
        self.export_lag = Gauge(
            "homeostat_observer_export_lag_seconds",
            "Age of the oldest matched outcome that is not in the object store.",
            registry=self.registry,
        )
        self.export_parts = Counter(
            "homeostat_observer_export_parts", "Parts uploaded to the object store.", registry=self.registry
        )
        self.export_failures = Counter(
            "homeostat_observer_export_failures", "Runs of the export that failed.", registry=self.registry
        )

    def count(self, namespace: str, deployment: str, answer: PredictionsAnswer | OutcomesAnswer) -> None:
        """Count what became of a batch, by result."""
        counter = self._predictions if isinstance(answer, PredictionsAnswer) else self._outcomes
        for result, number in answer.model_dump().items():
            counter.labels(namespace, deployment, result).inc(number)

    def show_business(self, values: Iterable[tuple[str, str, str, float]]) -> None:
        """Set the gauges: (namespace, deployment, name, value)."""
        for namespace, deployment, name, value in values:
            self._business.labels(namespace, deployment, name).set(value)
