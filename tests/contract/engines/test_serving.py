"""The engine Deployment on a real cluster."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from contract.serving.real import RealStage, staged
from contract.serving.suite import ServingSuite
from homeostat.engines.serving.deployment import DeploymentServing


class TestDeployment(ServingSuite):
    @pytest.fixture
    def stage(self, kubernetes_client: client.ApiClient) -> Iterator[RealStage]:
        yield from staged(DeploymentServing(), kubernetes_client)
