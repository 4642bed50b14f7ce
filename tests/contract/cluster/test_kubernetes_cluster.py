"""The adapter to a real API server."""

from pathlib import Path

import pytest

from homeostat.cluster import ClusterAccess
from homeostat.cluster.connection import load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.reconcile.errors import InvalidSpec, PlatformError
from support.cluster_contract import SERVICE, ClusterContract, a_service

pytestmark = pytest.mark.usefixtures("crds")


class TestKubernetesCluster(ClusterContract):
    @pytest.fixture
    def cluster(self, real: KubernetesCluster) -> ClusterAccess:
        return real


def test_applying_the_same_again_changes_nothing(real: KubernetesCluster, namespace: str) -> None:
    first = real.apply(a_service(namespace))
    assert real.apply(a_service(namespace))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_refused_object_comes_with_the_words_of_the_server(real: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.ports"):
        real.create({**a_service(namespace), "spec": {}})


def test_a_lacking_permission_is_named(kubeconfig: Path, namespace: str) -> None:
    nobody = KubernetesCluster(load_connection(str(kubeconfig), as_user="nobody"), "homeostat-contract")
    with pytest.raises(PlatformError, match="cannot get resource"):
        nobody.get(*SERVICE, namespace, "one")
    nobody.close()


def test_a_namespace_that_does_not_exist_is_named(real: KubernetesCluster) -> None:
    with pytest.raises(PlatformError, match="no-such-namespace"):
        real.create(a_service("no-such-namespace"))
