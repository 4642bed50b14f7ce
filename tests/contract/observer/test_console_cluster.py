"""The console's own sight of a real API server."""

from typing import Any

import pytest

from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.testing.builders import a_training_job
from homeostat.views.snapshot import read_snapshot
from homeostat_services.console.objects import ClusterRefused, create_once, get, listing
from homeostat_services.console.trigger import REQUEST

pytestmark = pytest.mark.usefixtures("crds")


def a_training(namespace: str, request: str = "r1", **spec: Any) -> dict[str, Any]:
    job = a_training_job("churn-api-1").model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata = {"name": "churn-api-1", "namespace": namespace, "annotations": {REQUEST: request}}
    return {key: job[key] for key in ("apiVersion", "kind")} | {"metadata": metadata, "spec": job["spec"] | spec}


def test_a_created_training_is_read_listed_and_seen(real: KubernetesCluster, namespace: str) -> None:
    created = create_once(real, a_training(namespace), retried=False)
    assert get(real, "trainingjobs", namespace, "churn-api-1")["metadata"]["uid"] == created["metadata"]["uid"]
    assert [o["metadata"]["name"] for o in listing(real, "trainingjobs", namespace)["items"]] == ["churn-api-1"]
    snapshot = read_snapshot(real)
    assert namespace in snapshot.namespaces()
    assert len(snapshot.of("trainingjobs", namespace)) == 1


def test_a_retried_create_gives_the_first_object_and_another_request_conflicts(
    real: KubernetesCluster, namespace: str
) -> None:
    first = create_once(real, a_training(namespace), retried=True)
    again = create_once(real, a_training(namespace), retried=True)
    assert first["metadata"]["uid"] == again["metadata"]["uid"]
    with pytest.raises(Exception, match="created by a different request"):
        create_once(real, a_training(namespace, "r2"), retried=True)


def test_an_unknown_field_is_refused_by_name_in_the_servers_words(real: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused, match=r"spec\.epochs") as refusal:
        create_once(real, a_training(namespace, epochs=3), retried=False)
    assert refusal.value.status == 400


def test_a_value_out_of_bounds_is_refused_as_unprocessable(real: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused, match=r"spec\.seed") as refusal:
        create_once(real, a_training(namespace, seed=-1), retried=False)
    assert refusal.value.status == 422


def test_what_is_not_there_is_not_found(real: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(ClusterRefused) as refusal:
        get(real, "monitors", namespace, "nothing")
    assert refusal.value.status == 404
