"""TrainingJobs on a real Kubeflow Pipelines, disturbed: on the platform that a told story leaves behind.

`make e2e-kubeflow` tells it first. Each SIGKILL is a pod deleted without grace, which gets no chance to tidy up.
"""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from minio import Minio

from homeostat.conventions import PLATFORM_SECRET
from homeostat.engines.runs.kubeflow.manifests import SECRET_KEYS
from support.platform.acting import sigkill
from support.platform.watching import Watch
from tools.cluster.settings import REPOSITORY
from tools.demo.release import NAMESPACE, SYSTEM, Platform
from tools.demo.story import condition, field

SAMPLES = REPOSITORY / "manifests" / "samples"
BACKEND = "kubeflow"
Object = dict[str, Any]

OPERATOR = (SYSTEM, "app.kubernetes.io/component=operator-trainingjob")
API_SERVER = (BACKEND, "app=ml-pipeline")
AGENT = (BACKEND, "app=ml-pipeline-persistenceagent")
ARGO = (BACKEND, "app=workflow-controller")
UPLOAD_SECONDS = 120
"""Longest wait for the backend to compile what is uploaded, on a busy machine."""


@pytest.fixture
def watch(platform: Platform) -> Watch:
    return Watch(platform)


@pytest.fixture
def train(platform: Platform) -> Iterator[Callable[..., None]]:
    """Applies a TrainingJob like the sample's, on Kubeflow; it is deleted in the end."""
    made: list[str] = []

    def apply(name: str, **spec: Any) -> None:
        job: Object = yaml.safe_load((SAMPLES / "churn" / "20-trainingjob.yaml").read_text())
        job["metadata"]["name"] = name
        job["spec"] |= {"engine": "Kubeflow", "output": {"model": f"model-of-{name}"}, **spec}
        made.append(name)
        platform.kubectl("-n", NAMESPACE, "apply", "-f", "-", text=yaml.safe_dump(job))

    yield apply
    if made:
        platform.kubectl("-n", NAMESPACE, "delete", "trainingjob", *made, "--ignore-not-found")


def succeeded(job: Object) -> bool:
    return condition(job, "Succeeded").get("status") == "True"


def runs_step(job: Object) -> bool:
    return any(step["state"] == "Running" for step in field(job, "status.steps") or [])


def workflows(platform: Platform, job: Object) -> list[Object]:
    """Workflows of a TrainingJob, by the name of their runs."""
    uid = job["metadata"]["uid"]
    found = platform.listing("workflows.argoproj.io", BACKEND)
    key = "pipelines.kubeflow.org/run_name"
    return [one for one in found if f" {uid}/" in one["metadata"].get("annotations", {}).get(key, "")]


@pytest.mark.parametrize(
    "victims",
    [(OPERATOR,), (OPERATOR, API_SERVER, AGENT, ARGO)],
    ids=["operator", "all"],
)
def test_whoever_is_killed_in_mid_work_there_is_one_run_and_it_ends_well(
    platform: Platform, watch: Watch, train: Callable[..., None], victims: tuple[tuple[str, str], ...]
) -> None:
    name = f"killed-{len(victims)}"
    train(name)
    watch.until("the attempt is reserved", "trainingjob", name, lambda job: field(job, "status.attempt") == 1)
    for victim in victims:
        sigkill(platform, *victim)
    watch.until("a step runs", "trainingjob", name, runs_step)
    for victim in victims:
        sigkill(platform, *victim)
    job = watch.until("the training ends well", "trainingjob", name, succeeded, seconds=600)
    assert (field(job, "status.attempt"), field(job, "status.failures") or 0) == (1, 0)
    assert field(job, "status.model.version") == "1", "registered once"
    assert len(workflows(platform, job)) == 1


def test_the_run_of_a_deleted_training_is_terminated(
    platform: Platform, watch: Watch, train: Callable[..., None]
) -> None:
    train("deleted")
    job = watch.until("a step runs", "trainingjob", "deleted", runs_step)
    platform.kubectl("-n", NAMESPACE, "delete", "trainingjob", "deleted")
    watch.true(
        "its Workflow ends", lambda: [field(one, "status.phase") for one in workflows(platform, job)] == ["Failed"]
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample of a pipeline of one's own, as `kfp` compiles it."""
    path = tmp_path_factory.mktemp("own") / "one_step.yaml"
    kfp = str(REPOSITORY / ".venv" / "pipelines" / "bin" / "kfp")
    source = str(SAMPLES / "own-pipeline" / "one_step.py")
    subprocess.run([kfp, "dsl", "compile", "--py", source, "--output", str(path)], check=True, capture_output=True)
    return path


def in_config_map(platform: Platform, package: Path) -> Object:
    made = ("create", "configmap", "one-step", f"--from-file=pipeline.yaml={package}", "--dry-run=client", "-o", "yaml")
    platform.kubectl("-n", NAMESPACE, "apply", "-f", "-", text=platform.kubectl("-n", NAMESPACE, *made))
    return {"configMapRef": {"name": "one-step"}}


def in_object_store(platform: Platform, package: Path) -> Object:
    secret = platform.secret("homeostat-platform")
    with platform.forward("homeostat-s3", 8333) as address:
        store = Minio(
            endpoint=address,
            secure=False,
            access_key=secret["HOMEOSTAT_S3_ACCESS_KEY"],
            secret_key=secret["HOMEOSTAT_S3_SECRET_KEY"],
        )
        store.fput_object(
            bucket_name=secret["HOMEOSTAT_S3_BUCKET"],
            object_name=f"{NAMESPACE}/pipelines/one_step.yaml",
            file_path=str(package),
        )
    return {"uri": f"s3://{secret['HOMEOSTAT_S3_BUCKET']}/{NAMESPACE}/pipelines/one_step.yaml"}


def at_the_backend(platform: Platform, package: Path) -> Object:
    """With image and Secret as a user has to say them where the platform changes nothing."""
    (spec,) = yaml.safe_load_all(package.read_text())
    (label, executor), *_ = spec["deploymentSpec"]["executors"].items()
    images = yaml.safe_load((platform.local.state / "images.yaml").read_text())["images"]["pipelines"]
    executor["container"]["image"] = f"{images['repository']}:{images['tag']}"
    keys = [{"secretKey": key, "envVar": key} for key in SECRET_KEYS]
    told = {label: {"secretAsEnv": [{"secretName": PLATFORM_SECRET, "keyToEnv": keys}]}}
    platforms = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": told}}}}
    name = f"One step {uuid.uuid4().hex[:8]}"
    files = {"uploadfile": ("own.yaml", yaml.safe_dump_all([spec, platforms]).encode(), "application/yaml")}
    with platform.forward("ml-pipeline", 8888, BACKEND) as address:
        url = f"http://{address}/apis/v2beta1/pipelines"
        with httpx.Client(base_url=url, timeout=UPLOAD_SECONDS, trust_env=False) as client:
            made = client.post("upload", params={"name": name}, files=files).raise_for_status().json()
            wanted = {"name": "first of 2026", "pipelineid": made["pipeline_id"]}
            client.post("upload_version", params=wanted, files=files).raise_for_status()
    return {"name": name, "version": "first of 2026"}


@pytest.mark.parametrize("put", [in_config_map, in_object_store, at_the_backend])
def test_a_pipeline_of_ones_own_trains_and_is_registered(
    platform: Platform,
    watch: Watch,
    train: Callable[..., None],
    compiled: Path,
    put: Callable[[Platform, Path], Object],
) -> None:
    name = f"own-{put.__name__.replace('_', '-')}"
    pipeline = {**put(platform, compiled), "parameters": [{"name": "max_iter", "value": "20"}]}
    train(name, pipeline=pipeline, **({"placement": {}} if "version" in pipeline else {}))
    job = watch.until("the training ends well", "trainingjob", name, succeeded, seconds=420)
    assert field(job, "status.model.version") == "1"
    assert [step["name"] for step in field(job, "status.steps")] == ["train"]
    assert field(job, "status.provenance.pipelineDigest").startswith("sha256:")


def test_a_pipeline_that_is_not_there_is_waited_for_and_a_wrong_parameter_ends_it(
    platform: Platform, watch: Watch, train: Callable[..., None], compiled: Path
) -> None:
    pipeline = {"configMapRef": {"name": "later"}, "parameters": [{"name": "depth", "value": "3"}]}
    train("later", pipeline=pipeline)
    waits = watch.until("it waits", "trainingjob", "later", lambda job: condition(job, "Succeeded") != {})
    assert condition(waits, "Succeeded")["reason"] == "Pending"
    assert "'later' does not exist" in condition(waits, "Succeeded")["message"]
    platform.kubectl("-n", NAMESPACE, "create", "configmap", "later", f"--from-file=pipeline.yaml={compiled}")
    done = watch.until(
        "it is refused", "trainingjob", "later", lambda job: condition(job, "Succeeded").get("status") == "False"
    )
    platform.kubectl("-n", NAMESPACE, "delete", "configmap", "later")
    assert condition(done, "Succeeded")["reason"] == "InvalidSpec"
    assert "'depth' is unknown; the pipeline has max_iter" in condition(done, "Succeeded")["message"]
    assert field(done, "status.run") is None
