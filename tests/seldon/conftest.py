"""SeldonDeployments in a namespace of their own, on the operator that `make seldon-up` put there."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from homeostat.cluster.connection import load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.serving.seldon import KINDS
from support.platform.fixtures import the_platform, the_traffic, the_watch  # noqa: F401 - fixtures, by their names
from tools.cluster import settings
from tools.demo.release import Platform

Object = dict[str, Any]


@pytest.fixture(scope="session")
def seldon() -> Platform:
    return Platform(settings.load())


@pytest.fixture(scope="session")
def api_server(seldon: Platform) -> Iterator[KubernetesCluster]:
    cluster = KubernetesCluster(load_connection(str(seldon.local.kubeconfig)), "homeostat-contract", KINDS)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def image(seldon: Platform) -> str:
    """An image that is on the cluster and has Python: our services'."""
    built = yaml.safe_load((seldon.local.state / "images.yaml").read_text())["images"]["services"]
    return f"{built['repository']}:{built['tag']}"


@pytest.fixture
def room(seldon: Platform) -> Iterator[str]:
    name = f"seldon-{uuid.uuid4().hex[:8]}"
    seldon.kubectl("create", "namespace", name)
    yield name
    seldon.kubectl("-n", name, "delete", "seldondeployments", "--all", "--timeout=60s")
    seldon.kubectl("delete", "namespace", name, "--timeout=120s")


@pytest.fixture
def predictor(image: str) -> Callable[..., Object]:
    """A predictor whose container answers HTTP at once, and says with its own probe when it does."""

    def make(name: str, /, **changed: Any) -> Object:
        container: Object = {
            "name": "model",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-m", "http.server", "9000", "--directory", "/app"],
            "readinessProbe": {"httpGet": {"path": "/", "port": 9000}, "periodSeconds": 1},
            **changed,
        }
        graph = {"name": "model", "type": "MODEL", "endpoint": {"type": "REST", "httpPort": 9000}}
        return {
            "name": name,
            "annotations": {"seldon.io/no-engine": "true"},
            "replicas": 1,
            "graph": graph,
            "componentSpecs": [{"spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}],
        }

    return make


@pytest.fixture
def deploy(seldon: Platform, room: str) -> Callable[..., None]:
    """Applies the SeldonDeployment `churn` with these predictors."""

    def apply(*predictors: Object) -> None:
        deployment = {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "metadata": {"name": "churn", "namespace": room},
            "spec": {"protocol": "v2", "predictors": list(predictors)},
        }
        seldon.kubectl("apply", "-f", "-", text=json.dumps(deployment))

    return apply
