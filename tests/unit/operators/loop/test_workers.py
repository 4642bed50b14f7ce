"""The threads that turn the loop: nothing that goes wrong in a turn ends one, and all of it is counted."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from prometheus_client import CollectorRegistry

from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.cluster import Manifest
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.testing.builders import a_feature_set
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import Operator
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.workers import Workers
from homeostat_operators.core.workqueue import Key, WorkQueue
from support.world import SETTINGS

PATIENCE = 60.0
"""Seconds; far more than any of these takes."""


class Refusing(MemoryCluster):
    """An API server that refuses even the status."""

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        raise PlatformError(f"namespace {manifest['metadata']['namespace']} is being terminated")


class Silent(MemoryCluster):
    """An API server that does not answer."""

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        raise EngineUnavailable(f"no answer about {api_version} {kind} {namespace}/{name}")


class Shop:
    """Workers on one FeatureSet whose plan is the test's."""

    def __init__(self, cluster: MemoryCluster, plan: Callable[[], None]) -> None:
        self.planned = threading.Event()
        self._plan = plan
        cluster.put(a_feature_set().model_dump(mode="json", by_alias=True, exclude_none=True))
        clients = Clients(cluster, MemoryObjects(), MemoryRegistry(), MemoryMetrics(), MemoryOutcomes(), SETTINGS)
        operator: Operator[FeatureSet, None] = Operator(FeatureSet, lambda _resource, _clients, _now: None, self.plan)
        self.registry = CollectorRegistry()
        self.queue = WorkQueue()
        self.workers = Workers(operator, clients, self.queue, self.registry)
        self.workers.start()

    def plan(self, _resource: FeatureSet, _observed: None, _now: datetime) -> Plan[FeatureSetStatus]:
        self.planned.set()
        self._plan()
        return Plan(FeatureSetStatus(failures=1))

    def work_once(self) -> None:
        self.queue.add(Key("churn", "customers"), timedelta())
        while not self._turns():
            threading.Event().wait(0.01)
        self.workers.stop(PATIENCE)

    def outcomes(self) -> dict[str, float]:
        return {sample.labels["outcome"]: sample.value for sample in self._turns()}

    def _turns(self) -> list[Any]:
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return [sample for sample in samples if sample.name == "homeostat_reconciles_total"]


@pytest.fixture
def shops() -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def a_shop(cluster: MemoryCluster | None = None, plan: Callable[[], None] = lambda: None) -> Shop:
        made.append(Shop(cluster or MemoryCluster(), plan))
        return made[-1]

    yield a_shop
    for shop in made:
        shop.workers.stop(PATIENCE)


def a_bug() -> NoReturn:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("cluster", "plan", "outcome"),
    [
        (MemoryCluster(), lambda: None, "planned"),
        (MemoryCluster(), a_bug, "unexpected"),
        (Refusing(), lambda: None, "refused"),
        (Silent(), lambda: None, "unavailable"),
    ],
)
def test_every_reconciliation_is_counted_by_its_outcome(
    shops: Callable[..., Shop], cluster: MemoryCluster, plan: Callable[[], None], outcome: str
) -> None:
    shop = shops(cluster, plan)
    shop.work_once()
    # On a busy machine a key that failed may come round a second time before the workers stop.
    assert list(shop.outcomes()) == [outcome]


def test_a_bug_ends_no_thread(shops: Callable[..., Shop]) -> None:
    shop = shops(plan=a_bug)
    shop.queue.add(Key("churn", "customers"))
    assert shop.planned.wait(PATIENCE)
    assert shop.workers.alive()


def test_a_sweep_that_fails_is_tried_again_until_the_workers_stop() -> None:
    fates = deque([EngineUnavailable("away"), ZeroDivisionError(), None])
    swept = threading.Event()

    def sweep(_clients: Clients) -> None:
        if not fates:
            swept.set()
        elif (fate := fates.popleft()) is not None:
            raise fate

    clients = Clients(MemoryCluster(), MemoryObjects(), MemoryRegistry(), MemoryMetrics(), MemoryOutcomes(), SETTINGS)
    operator: Operator[FeatureSet, None] = Operator(FeatureSet, lambda *_: None, lambda *_: a_bug(), sweep=sweep)
    workers = Workers(operator, clients, WorkQueue(), CollectorRegistry(), sweep_seconds=0.01)
    workers.start()
    assert swept.wait(PATIENCE)
    assert workers.alive()
    workers.stop(PATIENCE)
    assert not workers.alive()


def test_a_turn_in_progress_is_finished_before_the_workers_stop(shops: Callable[..., Shop]) -> None:
    go_on = threading.Event()
    cluster = MemoryCluster()
    shop = shops(cluster, lambda: None if go_on.wait(PATIENCE) else a_bug())
    shop.queue.add(Key("churn", "customers"))
    assert shop.planned.wait(PATIENCE)
    stopping = threading.Thread(target=shop.workers.stop, args=(PATIENCE,))
    stopping.start()
    assert shop.queue.take() is None, "the queue is closed, and the turn goes on"
    go_on.set()
    stopping.join(PATIENCE)
    (stored,) = cluster.list("homeostat.dev/v1alpha1", "FeatureSet", "churn")
    assert stored["status"]["failures"] == 1
