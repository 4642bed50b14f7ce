"""The engine Deployment on a real cluster."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from homeostat.engines.serving.deployment import DeploymentServing
from support.serving.real import RealStage, staged
from support.serving.suite import ServingSuite


class TestDeployment(ServingSuite):
    @pytest.fixture
    def stage(self, kubernetes_client: client.ApiClient) -> Iterator[RealStage]:
        yield from staged(DeploymentServing(), kubernetes_client)
