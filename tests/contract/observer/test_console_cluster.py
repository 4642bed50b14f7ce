"""The console's own sight of a real API server."""

from typing import Any

import pytest
from kubernetes import client

from homeostat.testing.builders import a_training_job
from homeostat_services.console.api import create_once
from homeostat_services.console.cluster import ClusterRefused, KubernetesCluster
from homeostat_services.console.trigger import REQUEST

pytestmark = pytest.mark.usefixtures("crds")


@pytest.fixture
def cluster(kubernetes_client: client.ApiClient) -> KubernetesCluster:
    return KubernetesCluster(kubernetes_client)


def wanted(namespace: str, request: str = "r1", **spec: Any) -> dict[str, Any]:
    job = a_training_job("churn-api-1").model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata = {"name": "churn-api-1", "namespace": namespace, "annotations": {REQUEST: request}}
    return {key: job[key] for key in ("apiVersion", "kind")} | {"metadata": metadata, "spec": job["spec"] | spec}


def test_a_created_training_is_read_listed_and_seen(cluster: KubernetesCluster, namespace: str) -> None:
    created = cluster.create("trainingjobs", namespace, wanted(namespace))
    assert cluster.get("trainingjobs", namespace, "churn-api-1")["metadata"]["uid"] == created["metadata"]["uid"]
    assert [o["metadata"]["name"] for o in cluster.listing("trainingjobs", namespace)["items"]] == ["churn-api-1"]
    snapshot = cluster.read()
    assert namespace in snapshot.namespaces()
    assert len(snapshot.of("trainingjobs", namespace)) == 1


def test_a_retried_create_gives_the_first_object_and_another_request_conflicts(
    cluster: KubernetesCluster, namespace: str
) -> None:
    first = create_once(cluster, wanted(namespace), retried=True)
    again = create_once(cluster, wanted(namespace), retried=True)
    assert first["metadata"]["uid"] == again["metadata"]["uid"]
    with pytest.raises(Exception, match="asked for in other words"):
        create_once(cluster, wanted(namespace, "r2"), retried=True)


def test_an_unknown_field_is_refused_by_name_in_the_servers_words(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused, match=r"spec\.epochs") as refusal:
        cluster.create("trainingjobs", namespace, wanted(namespace, epochs=3))
    assert refusal.value.status == 400


def test_a_value_out_of_bounds_is_refused_as_unprocessable(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused, match=r"spec\.seed") as refusal:
        cluster.create("trainingjobs", namespace, wanted(namespace, seed=-1))
    assert refusal.value.status == 422


def test_what_is_not_there_is_not_found(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused) as refusal:
        cluster.get("monitors", namespace, "nothing")
    assert refusal.value.status == 404
