import asyncio
from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from homeostat.signals import FeatureKind, fit
from homeostat.telemetry import CATALOGUE, Component
from homeostat_services.observer.metrics import Metrics
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.exposition import Exposition


def exposed(families: Iterable[Metric]) -> dict[str, str]:
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}


def catalogued(component: Component) -> dict[str, str]:
    return {metric.name: metric.type.value for metric in CATALOGUE if metric.component is component}


def of_a_predictor() -> list[Metric]:
    kinds = {"age": FeatureKind.NUMERIC, "plan": FeatureKind.CATEGORICAL}
    baseline = fit({"age": [1.0, 2.0], "plan": ["dsl", "dsl"]}, kinds, scores=[0.1, 0.9])
    counters = Counters("churn", "model", "3", baseline)
    counters.served({"plan": ["fibre"] * 50}, [0.5] * 50)
    text = asyncio.run(Exposition(counters).text())
    return list(text_string_to_metric_families(text.decode()))


def test_the_predictor_exposes_what_the_catalogue_lists() -> None:
    assert exposed(of_a_predictor()) == catalogued(Component.PREDICTOR)


def test_every_series_of_the_predictor_has_the_labels_of_the_catalogue() -> None:
    labels = {metric.name: set(metric.labels) for metric in CATALOGUE}
    for family in of_a_predictor():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert {frozenset(set(sample.labels) - {"le"}) for sample in family.samples} == {frozenset(labels[name])}


def test_the_observer_exposes_what_the_catalogue_lists() -> None:
    assert exposed(Metrics().registry.collect()) == catalogued(Component.OBSERVER)
