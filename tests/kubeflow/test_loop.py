"""The operator's loop on a real backend whose parts are killed in mid-work; TrainingJob and FeatureSet are in memory.

The operator itself is new at every turn: nothing of an earlier turn is left but the status. A SIGKILL of the others is a pod
deleted without grace. The objects are reached by the addresses of their Services, which outlive pods.
"""

import base64
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import SecretStr

from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, StepState
from homeostat.artifacts.features import schema_hash
from homeostat.cluster import ListObjects
from homeostat.cluster.memory import MemoryCluster
from homeostat.conventions import PLATFORM_SECRET
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.objects.s3 import S3Objects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.runs.kubeflow.client import RUN_NAME, WORKFLOW, KubeflowRuns
from homeostat.engines.runs.packages import Packages
from homeostat.reconcile.conditions import is_true
from homeostat.settings import KubeflowSettings, S3Settings
from homeostat.testing.builders import DIGEST, a_feature_set, a_training_job
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import clock, reconcile
from homeostat_operators.core.settings import OperatorSettings
from homeostat_operators.core.workqueue import Key
from homeostat_operators.trainingjob.sweep import sweep
from homeostat_operators.trainingjob.wiring import OPERATOR
from support.trainings import TRAINED
from support.world import COMPILED
from tools.demo.release import Platform
from tools.waiting import until

NAMESPACE = "kubeflow"
URI = "s3://homeostat/pipelines/slow.yaml"
WORK = f"""
import sys, time
from homeostat.runs import TrainInput, TrainResult
from homeostat_pipelines.objects import from_environment
from homeostat_pipelines.report import Report
time.sleep(8)
output = TrainInput.model_validate_json(sys.argv[1]).output
Report(from_environment(), output).result(TrainResult.model_validate_json({TRAINED.model_dump_json(by_alias=True)!r}))
"""
JOB = {"job": {"parameterType": "STRING"}}
PACKAGE: dict[str, Any] = {
    "pipelineInfo": {"name": "slow"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.17.0",
    "root": {
        "inputDefinitions": {"parameters": JOB},
        "dag": {
            "tasks": {
                "work": {
                    "cachingOptions": {},
                    "componentRef": {"name": "comp-work"},
                    "inputs": {"parameters": {"job": {"componentInputParameter": "job"}}},
                    "taskInfo": {"name": "work"},
                }
            }
        },
    },
    "components": {"comp-work": {"executorLabel": "exec-work", "inputDefinitions": {"parameters": JOB}}},
    "deploymentSpec": {
        "executors": {
            "exec-work": {
                "container": {
                    "image": "homeostat/pipelines",
                    "command": ["python", "-c", WORK],
                    "args": ["{{$.inputs.parameters['job']}}"],
                }
            }
        }
    },
}


class World:
    """One TrainingJob, and operators that live for one turn."""

    def __init__(self, platform: Platform, objects: ListObjects, image: str) -> None:
        self.platform = platform
        self._list = objects
        self._image = image
        self._address = f"http://{address(platform, 'ml-pipeline', NAMESPACE)}:8888"
        self._store = store(platform)
        self.cluster = MemoryCluster()
        self.registry = MemoryRegistry()
        self.uid = f"{time.time_ns()}"
        job = a_training_job("slow", uid=self.uid, engine="Kubeflow", pipeline={"uri": URI}, retry={"limit": 0})
        snapshot = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/snapshot/", "rows": 100}
        features = a_feature_set(status={"snapshot": snapshot, "schema_hash": schema_hash(a_feature_set())})
        for one in (job, features):
            self.cluster.put(one.model_dump(mode="json", by_alias=True, exclude_none=True))
        self.own = ("homeostat.dev/v1alpha1", "TrainingJob", "churn", "slow")

    def clients(self) -> Clients:
        """A new operator's."""
        files = MemoryObjects({URI: yaml.safe_dump(PACKAGE).encode()})
        packages = Packages(COMPILED, files, lambda *_: None)
        engine = KubeflowRuns(KubeflowSettings(url=self._address), "the loop's tests", packages, self._list)
        settings = OperatorSettings(self._store.bucket, self._image, "", "")
        return Clients(
            self.cluster, S3Objects(self._store), self.registry, MemoryMetrics(), MemoryOutcomes(), settings,
            runs={"Kubeflow": engine},
        )  # fmt: skip

    def turn(self, now: datetime | None = None) -> TrainingJob:
        """One life of an operator."""
        self.act(lambda clients: reconcile(OPERATOR, clients, Key("churn", "slow"), now or clock()))
        return TrainingJob.model_validate(self.cluster.objects[self.own])

    def act(self, do: Callable[[Clients], Any]) -> None:
        clients = self.clients()
        try:
            do(clients)
        finally:
            engine: Any = clients.runs["Kubeflow"]
            engine.close()

    def until(self, what: str, done: Callable[[TrainingJob], bool]) -> TrainingJob:
        return until(what, self.turn, done, seconds=420)

    def workflows(self) -> list[dict[str, Any]]:
        found = self._list(*WORKFLOW, NAMESPACE, {})
        return [one for one in found if f" {self.uid}/" in one["metadata"].get("annotations", {}).get(RUN_NAME, "")]


def address(platform: Platform, service: str, namespace: str) -> str:
    found = platform.get("service", service, namespace)
    assert found is not None, f"Service {namespace}/{service}"
    return str(found["spec"]["clusterIP"])


def store(platform: Platform) -> S3Settings:
    """The object store that the steps use, from here."""
    found = platform.get("secret", PLATFORM_SECRET, NAMESPACE)
    assert found is not None
    values = {key: base64.b64decode(value).decode() for key, value in found["data"].items()}
    url = urlsplit(values["HOMEOSTAT_S3_ENDPOINT"])
    service, namespace = str(url.hostname).split(".")[:2]
    return S3Settings(
        endpoint=f"http://{address(platform, service, namespace)}:{url.port}",
        access_key=values["HOMEOSTAT_S3_ACCESS_KEY"],
        secret_key=SecretStr(values["HOMEOSTAT_S3_SECRET_KEY"]),
        bucket=values["HOMEOSTAT_S3_BUCKET"],
    )


@pytest.fixture
def world(platform: Platform, objects: ListObjects, image: str, secret: str) -> World:
    assert secret
    return World(platform, objects, image)


def works(job: TrainingJob) -> bool:
    return any(step.state is StepState.RUNNING for step in job.status.steps)


def succeeded(job: TrainingJob) -> bool:
    return is_true(job.status.conditions, SUCCEEDED)


VICTIMS = ("ml-pipeline", "ml-pipeline-persistenceagent", "workflow-controller")


@pytest.mark.parametrize("victims", [(), *((one,) for one in VICTIMS), VICTIMS], ids="+".join)
def test_whoever_is_killed_in_mid_work_there_is_one_run_and_the_training_ends_well(
    world: World, victims: tuple[str, ...]
) -> None:
    def kill() -> None:
        for victim in victims:
            words = ("delete", "pod", "-l", f"app={victim}", "--grace-period=0", "--force")
            world.platform.kubectl("-n", NAMESPACE, *words)

    world.turn()
    kill()
    world.until("the step works", works)
    kill()
    job = world.until("the training ends well", succeeded)
    assert (job.status.attempt, job.status.failures) == (1, 0)
    assert len(world.workflows()) == 1
    assert [len(model.versions) for model in world.registry.models.values()] == [1]


def test_suspending_ends_the_run_which_is_no_failure_and_the_next_attempt_ends_well(world: World) -> None:
    world.until("the step works", works)
    spec = world.cluster.objects[world.own]["spec"]
    world.cluster.change(world.own, spec={**spec, "suspend": True})
    world.turn()
    until("the Workflow ends", lambda: [one["status"]["phase"] for one in world.workflows()], lambda p: p == ["Failed"])
    world.cluster.change(world.own, spec={**spec, "suspend": False})
    job = world.until("the training ends well", succeeded)
    assert (job.status.attempt, job.status.failures) == (2, 0)


def test_the_run_of_a_deleted_training_is_terminated(world: World) -> None:
    world.until("the step works", works)
    world.act(sweep)
    assert [one["spec"].get("activeDeadlineSeconds") for one in world.workflows()] == [None], "nobody is gone yet"
    world.cluster.vanish(world.own)
    world.act(sweep)
    until("the Workflow ends", lambda: [one["status"]["phase"] for one in world.workflows()], lambda p: p == ["Failed"])
