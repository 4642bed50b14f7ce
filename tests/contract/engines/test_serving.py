"""The engine Deployment on a real cluster."""

from collections.abc import Iterator

import pytest

from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.serving.deployment import DeploymentServing
from support.serving.real import RealStage, staged
from support.serving.suite import ServingSuite


class TestDeployment(ServingSuite):
    @pytest.fixture
    def stage(self, real: KubernetesCluster) -> Iterator[RealStage]:
        yield from staged(DeploymentServing(), real)
