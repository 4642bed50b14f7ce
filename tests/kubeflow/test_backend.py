"""The Kubeflow engine against a real Kubeflow Pipelines backend; `make e2e-kubeflow` brings one up."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import settings
from cluster.settings import REPOSITORY
from demo.release import Platform
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.engines.pipelines import Attempt, SeenRun
from homeostat.engines.pipelines.kubeflow import KubeflowPipelines
from homeostat.engines.pipelines.packages import SECRET, SECRET_KEYS
from homeostat.runs import TrainInput
from homeostat.settings import KubeflowSettings, NodePool
from homeostat.testing.builders import a_training_job

NAMESPACE = "kubeflow"
NODE = NodePool(node_selector={"kubernetes.io/os": "linux"})


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(settings.load())


@pytest.fixture(scope="session")
def kubeflow(platform: Platform) -> Iterator[KubeflowPipelines]:
    borrowed = platform.get("secret", SECRET, NAMESPACE) is None
    if borrowed:  # else the release's own is there
        given = [f"--from-literal={key}=http://nowhere.invalid" for key in SECRET_KEYS]
        platform.kubectl("-n", NAMESPACE, "create", "secret", "generic", SECRET, *given)

    def pods(_api: str, _kind: str, namespace: str, labels: Any) -> list[dict[str, Any]]:
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        return platform.listing("pods", namespace, "-l", selector)

    with platform.forward("ml-pipeline", 8888, NAMESPACE) as address:
        compiled = REPOSITORY / "pipelines" / "compiled"
        engine = KubeflowPipelines(KubeflowSettings(url=f"http://{address}"), compiled, pods)
        yield engine
        engine.close()
    if borrowed:
        platform.kubectl("-n", NAMESPACE, "delete", "secret", SECRET)


@pytest.fixture
def attempt() -> Callable[..., Attempt]:
    """An attempt of a TrainingJob that nobody had before; its first step refuses what it is told."""
    uid = str(uuid.uuid4())
    images = yaml.safe_load(Path(settings.load().state / "images.yaml").read_text())["images"]["pipelines"]

    def make(number: int = 1, image: str = f"{images['repository']}:{images['tag']}") -> Attempt:
        job = a_training_job("contract")
        job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": uid})})
        document = TrainInput(
            namespace="churn", model="churn", feature_sets=[], labels=[], window_seconds=None, holdout_percent=20,
            pipeline="tabular-classification", parameters={}, seed=1, image=image, gpus=0,
            datasets="s3://none/d/", models="s3://none/m/", output="s3://none/o/",
        )  # fmt: skip
        resources = Resources(requests={"cpu": "20m"}, limits={"memory": "1Gi"})
        return Attempt(job, number, f"contract-train-{number}", document, resources, NODE)

    return make


def until(seen: Callable[[], SeenRun | None], done: Callable[[SeenRun], bool], seconds: float) -> SeenRun:
    deadline = time.monotonic() + seconds
    run = seen()
    while run is None or not done(run):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {run}"
        time.sleep(0.5)
        run = seen()
    return run


def test_the_backend_answers_with_its_health(kubeflow: KubeflowPipelines) -> None:
    assert isinstance(kubeflow.health(), str)


def test_an_attempt_submitted_twice_is_one_run_whose_pods_are_where_and_as_large_as_asked(
    kubeflow: KubeflowPipelines, attempt: Callable[..., Attempt], platform: Platform
) -> None:
    one = attempt()
    kubeflow.submit(one)
    kubeflow.submit(one)
    (run,) = kubeflow.runs(one.resource)
    assert (run.number, run.finished) == (1, False)
    ended = until(lambda: kubeflow.find(one.resource, 1), lambda r: r.finished, 300)
    assert ended.reason == "Failed"
    assert TrainInput.model_validate_json(ended.document) == one.document
    pods = platform.listing("pods", NAMESPACE, "-l", f"pipeline/runid={run.uid}")
    (step,) = (pod for pod in pods if pod["spec"].get("nodeSelector") == NODE.node_selector)
    main = next(c for c in step["spec"]["containers"] if c["name"] == "main")
    assert main["image"] == one.document.image
    assert main["resources"]["requests"]["cpu"] == "20m"
    assert {e["name"] for e in main["env"]} >= set(SECRET_KEYS)


def test_a_step_without_an_image_is_named_within_half_a_minute_of_its_pod_and_the_run_can_be_stopped(
    kubeflow: KubeflowPipelines, attempt: Callable[..., Attempt]
) -> None:
    one = attempt(image="localhost/homeostat/nowhere:1")
    kubeflow.submit(one)
    stuck = until(lambda: kubeflow.find(one.resource, 1), lambda r: bool(r.stuck), 120)
    assert not stuck.finished, "the backend itself still says RUNNING"
    assert "Image" in stuck.stuck
    kubeflow.stop(one.resource, stuck)
    ended = until(lambda: kubeflow.find(one.resource, 1), lambda r: r.finished, 120)
    kubeflow.stop(one.resource, ended)
