"""What the engine KServe asks for, under the strict validation of KServe's real definition of the kind."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from homeostat.api.v1alpha1 import ModelDeployment
from homeostat.engines.serving import Version
from homeostat.engines.serving.kserve import KServeServing
from homeostat.testing.builders import DIGEST, a_model_deployment
from tools.cluster import settings
from tools.kserve import source
from tools.waiting import until

Manifest = dict[str, Any]
VERSION = Version("7", DIGEST, "s3://homeostat/churn/models/churn/7", weight=100)
WHERE = ("serving.kserve.io", "v1beta1", "default", "inferenceservices")


@pytest.fixture(scope="module")
def services(kubernetes_client: client.ApiClient) -> Iterator[client.CustomObjectsApi]:
    """Writes InferenceServices; the kind is there for the time of these tests."""
    kinds, custom = client.ApiextensionsV1Api(kubernetes_client), client.CustomObjectsApi(kubernetes_client)
    wanted: Any = source.definition(settings.load())
    kinds.create_custom_resource_definition(wanted)

    def is_served() -> bool:
        try:
            custom.list_namespaced_custom_object(*WHERE, limit=1)
        except ApiException:
            return False
        return True

    until("the API server serves InferenceServices", is_served, bool)
    yield custom
    kinds.delete_custom_resource_definition(wanted["metadata"]["name"])


def asked_for(resource: ModelDeployment) -> Manifest:
    (service, _) = KServeServing().objects(resource, (VERSION,), "homeostat/services:1")
    service["metadata"]["namespace"] = "default"
    return service


def tried(services: client.CustomObjectsApi, manifest: Manifest) -> Any:
    """What would be stored; nothing is."""
    return services.create_namespaced_custom_object(*WHERE, manifest, dry_run="All", field_validation="Strict")


def missing(asked: Any, stored: Any, where: str = "spec") -> list[str]:
    """Fields that were asked for and would not be stored as they are."""
    if isinstance(asked, dict) and isinstance(stored, dict):
        return [lost for key, value in asked.items() for lost in missing(value, stored.get(key), f"{where}.{key}")]
    if isinstance(asked, list) and isinstance(stored, list) and len(asked) == len(stored):
        pairs = enumerate(zip(asked, stored, strict=True))
        return [lost for index, (one, other) in pairs for lost in missing(one, other, f"{where}.{index}")]
    return [] if asked == stored else [where]


@pytest.mark.parametrize(
    "realtime",
    [
        {"replicas": 1},
        {"replicas": 3, "features": "Lookup", "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}}},
    ],
    ids=["as little as possible", "as much as possible"],
)
def test_every_field_that_is_asked_for_is_known_and_stored(
    services: client.CustomObjectsApi, realtime: dict[str, Any]
) -> None:
    asked = asked_for(a_model_deployment(realtime=realtime))
    assert missing(asked["spec"], tried(services, asked)["spec"]) == []


def test_a_field_that_kserve_does_not_know_would_be_refused_by_name(services: client.CustomObjectsApi) -> None:
    asked = asked_for(a_model_deployment())
    asked["spec"]["predictor"]["canaries"] = 1
    with pytest.raises(ApiException, match=r"spec\.predictor\.canaries"):
        tried(services, asked)


def test_a_number_of_pods_that_is_none_would_be_refused(services: client.CustomObjectsApi) -> None:
    asked = asked_for(a_model_deployment())
    asked["spec"]["predictor"]["minReplicas"] = "two"
    with pytest.raises(ApiException, match="minReplicas"):
        tried(services, asked)
