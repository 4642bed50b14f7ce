"""The twin of the Kubernetes API passes the suite that the real one passes on a cluster."""

import pytest

from homeostat.cluster import ClusterAccess, WatchExpired
from homeostat.cluster.memory import MemoryCluster
from support.cluster_contract import SERVICE, ClusterContract, a_service


class TestMemoryCluster(ClusterContract):
    @pytest.fixture
    def cluster(self) -> ClusterAccess:
        return MemoryCluster()

    @pytest.fixture
    def namespace(self) -> str:
        return "churn"


def test_a_watch_from_before_a_compaction_expires() -> None:
    cluster = MemoryCluster()
    listing = cluster.listing(*SERVICE, None)
    cluster.create(a_service("churn"))
    cluster.compact()
    with pytest.raises(WatchExpired):
        next(cluster.watch(*SERVICE, None, listing.resource_version, 1))
