"""The local copy of objects that the router reads, over the twin."""

import queue
from collections.abc import Iterator, Mapping

import pytest

from homeostat.cluster import Manifest
from homeostat.cluster.informer import Informer
from homeostat.cluster.memory import MemoryCluster

PATIENCE = 20.0
SERVICE = ("v1", "Service")


def a_service(name: str, colour: str | None = "red") -> Manifest:
    meta = {"name": name, "namespace": "churn", "labels": {"kept": "yes"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"colour": colour}}


def colour(manifest: Manifest) -> str | None:
    chosen: str | None = manifest["spec"]["colour"]
    if chosen == "broken":
        raise ValueError("no such colour")
    return chosen


class Published:
    """What was published, in order."""

    def __init__(self) -> None:
        self._states: queue.Queue[Mapping[str, str]] = queue.Queue()

    def __call__(self, state: Mapping[str, str]) -> None:
        self._states.put(state)

    def next(self) -> Mapping[str, str]:
        return self._states.get(timeout=PATIENCE)

    def until(self, state: Mapping[str, str]) -> None:
        while self.next() != state:
            pass


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def informer(cluster: MemoryCluster, published: Published) -> Iterator[Informer[str]]:
    made = Informer(cluster, SERVICE, colour, published, {"kept": "yes"}, retry_seconds=0.01)
    yield made
    made.stop()
    cluster.go_down()


def test_what_is_there_is_published_at_once_and_then_every_change(
    informer: Informer[str], cluster: MemoryCluster, published: Published
) -> None:
    cluster.create(a_service("one"))
    informer.start()
    assert published.next() == {"churn/one": "red"}
    cluster.create(a_service("two", "blue"))
    assert published.next() == {"churn/one": "red", "churn/two": "blue"}
    cluster.change((*SERVICE, "churn", "one"), spec={"colour": "green"})
    assert published.next() == {"churn/one": "green", "churn/two": "blue"}
    cluster.vanish((*SERVICE, "churn", "one"))
    assert published.next() == {"churn/two": "blue"}


def test_an_object_that_no_longer_carries_the_label_or_of_which_nothing_is_kept_is_gone(
    informer: Informer[str], cluster: MemoryCluster, published: Published
) -> None:
    cluster.create(a_service("one"))
    cluster.create(a_service("two"))
    informer.start()
    published.until({"churn/one": "red", "churn/two": "red"})
    cluster.change((*SERVICE, "churn", "one"), metadata={**a_service("one")["metadata"], "labels": {}, "generation": 1})
    assert published.next() == {"churn/two": "red"}
    cluster.change((*SERVICE, "churn", "two"), spec={"colour": None})
    assert published.next() == {}


def test_the_last_state_stays_in_an_outage_and_a_new_list_corrects_it(
    informer: Informer[str], cluster: MemoryCluster, published: Published
) -> None:
    cluster.create(a_service("one"))
    informer.start()
    assert published.next() == {"churn/one": "red"}
    cluster.go_down()
    cluster.vanish((*SERVICE, "churn", "one"))
    cluster.put(a_service("two", "blue"))
    cluster.up = True
    assert published.next() == {"churn/two": "blue"}


def test_a_watch_that_fell_behind_begins_with_a_new_list(
    informer: Informer[str], cluster: MemoryCluster, published: Published
) -> None:
    informer.start()
    assert published.next() == {}
    cluster.compact()
    assert published.next() == {}
    cluster.create(a_service("one"))
    published.until({"churn/one": "red"})


def test_a_broken_object_keeps_its_last_state_and_takes_no_others_away(
    informer: Informer[str], cluster: MemoryCluster, published: Published
) -> None:
    cluster.create(a_service("one"))
    informer.start()
    assert published.next() == {"churn/one": "red"}
    cluster.change((*SERVICE, "churn", "one"), spec={"colour": "broken"})
    assert published.next() == {"churn/one": "red"}
    cluster.compact()
    assert published.next() == {"churn/one": "red"}, "also after a new list"
    cluster.create(a_service("two", "blue"))
    published.until({"churn/one": "red", "churn/two": "blue"})
