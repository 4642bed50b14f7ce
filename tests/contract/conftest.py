"""A real API server for contract tests: the cluster that KUBECONFIG names."""

import os
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from homeostat.cluster.connection import load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.serving import kserve, seldon
from tools.waiting import until

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of the cluster under test."""
    named = os.environ.get("KUBECONFIG", "")
    if not named or not Path(named).is_file():
        pytest.fail(
            f"KUBECONFIG is {named!r}; start a cluster (make cluster-up) and set it to what make kubeconfig prints"
        )
    return Path(named)


@pytest.fixture(scope="session")
def kubernetes_client(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """A client of that cluster."""
    api = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
    yield api
    api.close()


@pytest.fixture(scope="session")
def real(kubeconfig: Path) -> Iterator[KubernetesCluster]:
    """The product's own client of that cluster."""
    # Its httpx is missing in the pipelines' environment, where the tests below contract/feast run.
    from homeostat.engines.runs.kubeflow import client as kubeflow  # noqa: PLC0415

    kinds = {**kubeflow.KINDS, **seldon.KINDS, **kserve.KINDS}
    cluster = KubernetesCluster(load_connection(str(kubeconfig)), "homeostat-contract", kinds)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def crds(kubernetes_client: client.ApiClient) -> Iterator[list[dict[str, Any]]]:
    """The generated CRDs, served; those that were not there before are deleted afterwards.

    CRDs of an installed release stay its own: they are compared with the generated ones, never changed.
    """
    api = client.ApiextensionsV1Api(kubernetes_client)
    wanted = [yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "manifests/crds").glob("*.yaml"))]
    made: list[str] = []
    for crd in wanted:
        name = crd["metadata"]["name"]
        try:
            there = kubernetes_client.sanitize_for_serialization(  # type: ignore[no-untyped-call]
                api.read_custom_resource_definition(name)
            )
        except ApiException as error:
            if error.status != 404:
                raise
            api.create_custom_resource_definition(crd)
            made.append(name)
        else:
            difference = f"CRD {name} of this cluster is not that of manifests/crds; upgrade the release, or delete it"
            assert there["spec"]["versions"] == crd["spec"]["versions"], difference
    custom = client.CustomObjectsApi(kubernetes_client)
    for crd in wanted:
        plural = crd["spec"]["names"]["plural"]
        until(f"the API server serves {plural}", partial(_is_served, custom, plural), bool)
    yield wanted
    for name in made:
        api.delete_custom_resource_definition(name)


def _is_served(custom: client.CustomObjectsApi, plural: str) -> bool:
    try:
        custom.list_namespaced_custom_object("homeostat.dev", "v1alpha1", "default", plural, limit=1)
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True


@pytest.fixture
def namespace(kubernetes_client: client.ApiClient) -> Iterator[str]:
    """A namespace of the test's own, deleted afterwards."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    core = client.CoreV1Api(kubernetes_client)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    yield name
    core.delete_namespace(name)
