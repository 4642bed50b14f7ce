"""A real Kubeflow Pipelines backend and the engine on it; `make e2e-kubeflow` brings one up."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from homeostat.api.v1alpha1.pods import Resources
from homeostat.cluster import Labels, ListObjects
from homeostat.conventions import PLATFORM_SECRET
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import RunRequest
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.kubeflow.manifests import SECRET_KEYS
from homeostat.engines.runs.packages import Package, Packages, bundled
from homeostat.pod_settings import NodePool
from homeostat.settings import KubeflowSettings
from homeostat.testing.builders import a_training_job
from support.runs import a_request
from tools.cluster import settings
from tools.cluster.settings import REPOSITORY
from tools.demo.release import Platform

NAMESPACE = "kubeflow"
COMPILED = REPOSITORY / "pipelines" / "compiled"
NODE = NodePool(node_selector={"kubernetes.io/os": "linux"})
PLURALS = {"Event": "events", "Pod": "pods", "Workflow": "workflows"}
# Not the installed operator's own, which ends runs that have no TrainingJob.
IDENTITY = "the tests of the backend"

MakeAttempt = Callable[..., RunRequest]


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(settings.load())


@pytest.fixture(scope="session")
def objects(platform: Platform) -> ListObjects:
    """Lists objects of Kubernetes."""

    def listed(
        _api: str,
        kind: str,
        namespace: str | None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        selector = ",".join(f"!{key}" if value is None else f"{key}={value}" for key, value in (labels or {}).items())
        chosen = ",".join(f"{path}={value}" for path, value in (fields or {}).items())
        return platform.listing(PLURALS[kind], str(namespace), "-l", selector, "--field-selector", chosen)

    return listed


@pytest.fixture(scope="session")
def image(platform: Platform) -> str:
    """Image of the platform's own runs."""
    built = yaml.safe_load((platform.local.state / "images.yaml").read_text())["images"]["pipelines"]
    return f"{built['repository']}:{built['tag']}"


@pytest.fixture(scope="session")
def secret(platform: Platform) -> Iterator[str]:
    """The Secret that steps read: a release's own, else one that leads to the object store of the backend."""
    if platform.get("secret", PLATFORM_SECRET, NAMESPACE) is not None:
        yield PLATFORM_SECRET
        return
    own = platform.secret("mlpipeline-minio-artifact", NAMESPACE)
    known = {
        "HOMEOSTAT_S3_ENDPOINT": "http://minio-service.kubeflow:9000",
        "HOMEOSTAT_S3_ACCESS_KEY": own["accesskey"],
        "HOMEOSTAT_S3_SECRET_KEY": own["secretkey"],
        "HOMEOSTAT_S3_BUCKET": "mlpipeline",
        "HOMEOSTAT_ONLINE_STORE_URL": "nobody",
        "HOMEOSTAT_FEAST_REGISTRY_URL": "nobody",
    }
    given = [f"--from-literal={key}={known.get(key, '')}" for key in SECRET_KEYS]
    platform.kubectl("-n", NAMESPACE, "create", "secret", "generic", PLATFORM_SECRET, *given)
    yield PLATFORM_SECRET
    platform.kubectl("-n", NAMESPACE, "delete", "secret", PLATFORM_SECRET)


@pytest.fixture(scope="module")
def kubeflow(platform: Platform, objects: ListObjects, secret: str) -> Iterator[KubeflowRuns]:
    assert secret
    with platform.forward("ml-pipeline", 8888, NAMESPACE) as address:
        packages = Packages(COMPILED, MemoryObjects(), lambda *_: None)
        engine = KubeflowRuns(KubeflowSettings(url=f"http://{address}"), IDENTITY, packages, objects)
        yield engine
        engine.close()


@pytest.fixture
def attempt(image: str) -> MakeAttempt:
    """An attempt of a TrainingJob that nobody had before; its first step refuses what it is told."""
    uid = str(uuid.uuid4())

    def make(number: int = 1, image: str = image, package: Package | None = None, gpus: int = 0) -> RunRequest:
        job = a_training_job("contract", uid=uid, placement={"gpus_per_node": gpus})
        resources = Resources(requests={"cpu": "20m"}, limits={"memory": "1Gi"})
        chosen = package or bundled(COMPILED, "tabular")
        return a_request(job, number, package=chosen, image=image, resources=resources, pool=NODE, gpus=gpus)

    return make
