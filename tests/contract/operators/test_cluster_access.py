"""What the loop rests on, held against the real API server and against the twin that the fault tests use."""

from datetime import UTC, datetime

import pytest
from kubernetes import client

from homeostat.api.common import format_time
from homeostat.cluster import ClusterAccess, Conflict, Manifest
from homeostat.cluster.kubernetes import Cluster
from homeostat.reconcile.errors import InvalidSpec, PlatformError
from homeostat.testing.builders import a_feature_set
from support.cluster_twin import MemoryCluster
from support.waiting import until

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOBODY = "0c9e7d52-1f0e-4b6e-9d8f-7a2f0f6f3a99"
SERVICE = ("v1", "Service")


@pytest.fixture(params=["api server", "twin"])
def cluster(request: pytest.FixtureRequest) -> ClusterAccess:
    if request.param == "twin":
        return MemoryCluster()
    request.getfixturevalue("crds")
    return Cluster(request.getfixturevalue("kubernetes_client"), "homeostat-contract")


@pytest.fixture
def real(kubernetes_client: client.ApiClient) -> Cluster:
    return Cluster(kubernetes_client, "homeostat-contract")


def a_service(namespace: str, name: str = "one", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"port": 80}], "selector": {"nothing": "at-all"}},
    }


def a_status(reason: str) -> Manifest:
    """A status of a Service, which nobody else writes."""
    condition = {
        "type": "Seen",
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": format_time(NOW),
    }
    return {"loadBalancer": {}, "conditions": [condition]}


def test_what_is_not_there_is_none(cluster: ClusterAccess, namespace: str) -> None:
    assert cluster.get(*SERVICE, namespace, "one") is None


def test_a_second_create_of_a_name_is_a_conflict(cluster: ClusterAccess, namespace: str) -> None:
    made = cluster.create(a_service(namespace))
    with pytest.raises(Conflict):
        cluster.create(a_service(namespace))
    found = cluster.get(*SERVICE, namespace, "one")
    assert found is not None
    assert found["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_list_holds_what_carries_the_labels_and_says_what_it_is(cluster: ClusterAccess, namespace: str) -> None:
    cluster.create(a_service(namespace, "one", colour="red", shape="round"))
    cluster.create(a_service(namespace, "two", colour="red"))
    found = cluster.list(*SERVICE, namespace, {"colour": "red", "shape": "round"})
    assert [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in found] == [("v1", "Service", "one")]
    assert len(cluster.list(*SERVICE, namespace, {"colour": "red"})) == 2


def test_a_list_leaves_out_what_carries_a_label_that_is_to_be_lacking(cluster: ClusterAccess, namespace: str) -> None:
    cluster.create(a_service(namespace, "one", colour="red", shape="round"))
    cluster.create(a_service(namespace, "two", colour="red"))
    found = cluster.list(*SERVICE, namespace, {"colour": "red", "shape": None})
    assert [one["metadata"]["name"] for one in found] == ["two"]


def test_apply_makes_an_object_and_changes_it(cluster: ClusterAccess, namespace: str) -> None:
    made = cluster.apply(a_service(namespace))
    changed = cluster.apply(a_service(namespace, colour="red"))
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["metadata"]["labels"] == {"colour": "red"}


def test_applying_the_same_again_changes_nothing(real: Cluster, namespace: str) -> None:
    first = real.apply(a_service(namespace))
    assert real.apply(a_service(namespace))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_only_the_object_with_the_uid_is_deleted(cluster: ClusterAccess, namespace: str) -> None:
    made = cluster.create(a_service(namespace))
    cluster.delete(*SERVICE, namespace, "one", NOBODY)
    found = cluster.get(*SERVICE, namespace, "one")
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    cluster.delete(*SERVICE, namespace, "one", made["metadata"]["uid"])

    def going() -> bool:
        left = cluster.get(*SERVICE, namespace, "one")
        return left is None or "deletionTimestamp" in left["metadata"]

    until("the Service is deleted", going, bool)
    cluster.delete(*SERVICE, namespace, "one", made["metadata"]["uid"])


def test_a_status_is_written_at_the_version_that_was_read(cluster: ClusterAccess, namespace: str) -> None:
    made = cluster.create(a_service(namespace))
    written = cluster.replace_status({**made, "status": a_status("First")})
    assert written is not None
    assert written["status"] == a_status("First")
    assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        cluster.replace_status({**made, "status": a_status("Second")})


def test_the_status_of_what_is_gone_is_not_written(cluster: ClusterAccess, namespace: str) -> None:
    gone = a_feature_set().model_dump(mode="json", by_alias=True, exclude_none=True)
    gone["metadata"] = {"name": "customers", "namespace": namespace, "resourceVersion": "1", "uid": NOBODY}
    assert cluster.replace_status({**gone, "status": {"failures": 1}}) is None


def test_an_event_told_twice_is_there_once(real: Cluster, namespace: str) -> None:
    service = real.create(a_service(namespace))
    for _ in range(2):
        real.record_event(service, "Normal", "Materialized", "Snapshot 1 is in service.", NOW)
    # Kubernetes' own controllers may have something to say about the Service, too.
    ours = [event for event in real.list("v1", "Event", namespace) if event["reason"] == "Materialized"]
    assert [event["involvedObject"]["name"] for event in ours] == ["one"]


def test_a_refused_object_comes_with_the_words_of_the_server(real: Cluster, namespace: str) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.ports"):
        real.create({**a_service(namespace), "spec": {}})


def test_a_lacking_permission_is_named(kubernetes_client: client.ApiClient, namespace: str) -> None:
    kubernetes_client.default_headers["Impersonate-User"] = "nobody"
    try:
        with pytest.raises(PlatformError, match="cannot get resource"):
            Cluster(kubernetes_client, "homeostat-contract").get(*SERVICE, namespace, "one")
    finally:
        del kubernetes_client.default_headers["Impersonate-User"]


def test_a_namespace_that_does_not_exist_is_named(real: Cluster) -> None:
    with pytest.raises(PlatformError, match="no-such-namespace"):
        real.create(a_service("no-such-namespace"))
