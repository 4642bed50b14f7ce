"""Kubeflow Pipelines as an engine: one run for an attempt, whatever gets lost, and the truth about those that cannot start."""

from collections import deque
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.engines.pipelines import Attempt
from homeostat.engines.pipelines.kubeflow import KubeflowPipelines
from homeostat.engines.pipelines.packages import load, rendered
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec
from homeostat.runs import TrainInput
from homeostat.settings import KubeflowSettings, NodePool
from homeostat.testing.builders import a_training_job
from unit.homeostat.kubeflow_server import Crash, Fault, KubeflowServer

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
SETTINGS = KubeflowSettings(url="http://kubeflow.example.org", ui_url="http://ui.example.org/")
NAME = "tabular-classification"


def an_attempt(number: int = 1, pool: NodePool | None = None, **spec: Any) -> Attempt:
    job = a_training_job(**spec)
    document = TrainInput(
        namespace="churn",
        model="churn",
        feature_sets=[],
        labels=[],
        window_seconds=None,
        holdout_percent=20,
        pipeline=NAME,
        parameters={p.name: p.value for p in job.spec.pipeline.parameters},
        seed=1,
        image="registry.example.org/pipelines:7",
        gpus=0,
        datasets="s3://b/d/",
        models="s3://b/m/",
        output="s3://b/o/",
    )
    resources = Resources(requests={"cpu": "500m"}, limits={"memory": "2Gi"})
    return Attempt(job, number, f"churn-first-train-{number}", document, resources, pool)


def engine(server: KubeflowServer, pods: list[dict[str, Any]] | None = None) -> KubeflowPipelines:
    return KubeflowPipelines(SETTINGS, COMPILED, lambda *_: pods or [], httpx.MockTransport(server))


def test_an_attempt_becomes_one_run_of_an_uploaded_version_in_the_experiment_of_its_namespace() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt(pipeline={"name": NAME, "parameters": []})
    kubeflow.submit(attempt)
    (run,) = server.objects["runs"]
    assert run["display_name"] == f"churn/churn-first-train-1 {attempt.resource.metadata.uid}/1"
    assert [e["display_name"] for e in server.objects["experiments"]] == ["churn"]
    assert run["service_account"] == "pipeline-runner"
    seen = kubeflow.find(attempt.resource, 1)
    assert seen is not None
    assert (seen.name, seen.number, seen.owner) == ("churn-first-train-1", 1, attempt.resource.metadata.uid)
    assert seen.url == f"http://ui.example.org/#/runs/details/{run['run_id']}"
    assert TrainInput.model_validate_json(seen.document) == attempt.document


def test_the_same_content_is_uploaded_once_and_used_again() -> None:
    server = KubeflowServer()
    kubeflow = engine(server)
    kubeflow.submit(an_attempt(1))
    kubeflow.submit(an_attempt(2))
    assert len(server.objects["runs"]) == 2
    assert len(server.uploads) == 2, "one pipeline, one version"
    kubeflow.submit(an_attempt(3, NodePool(node_selector={"pool": "a100"})))
    assert len(server.uploads) == 3, "another pool is another content"


FAULTS = st.lists(st.sampled_from(list(Fault)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(FAULTS)
def test_whatever_gets_lost_there_is_never_a_second_run_and_in_the_end_there_is_one(faults: list[Fault]) -> None:
    server = KubeflowServer(deque(faults))
    attempt = an_attempt()
    while server.faults or not server.objects["runs"]:
        try:
            engine(server).submit(attempt)
        except (EngineUnavailable, Crash):
            pass
        else:
            break
        assert len(server.objects["runs"]) <= 1
    engine(server).submit(attempt)
    assert len(server.objects["runs"]) == 1


def test_of_two_runs_of_one_attempt_the_older_counts_and_the_other_is_shown_to_be_stopped() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.objects["runs"].append({**server.objects["runs"][0], "run_id": "late", "created_at": "2026-01-05T09:59:00Z"})
    runs = kubeflow.runs(attempt.resource)
    assert [(run.uid == "late", run.number) for run in runs] == [(False, 1), (True, 0)]
    kubeflow.stop(attempt.resource, runs[1])
    assert [run.deleting for run in kubeflow.runs(attempt.resource)] == [False, True]


def test_stopping_a_run_that_has_ended_or_is_gone_is_well() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    (run,) = kubeflow.runs(attempt.resource)
    server.objects["runs"][0]["state"] = "FAILED"
    kubeflow.stop(attempt.resource, run)
    server.objects["runs"].clear()
    kubeflow.stop(attempt.resource, run)


def test_a_step_whose_image_cannot_be_had_is_named_although_the_backend_says_running() -> None:
    waiting = {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    node = {"workflows.argoproj.io/node-name": "tabular-abc.root.train"}
    pod = {
        "metadata": {"name": "tabular-abc-1", "annotations": node},
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }
    server = KubeflowServer()
    kubeflow, attempt = engine(server, [pod]), an_attempt()
    kubeflow.submit(attempt)
    server.objects["runs"][0]["state"] = "RUNNING"
    seen = kubeflow.find(attempt.resource, 1)
    assert seen is not None
    assert seen.stuck == "step train cannot start: pod tabular-abc-1: ErrImagePull, not found"


def test_a_failed_run_names_the_step_and_an_unknown_state_is_taken_for_going_on() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    details = {
        "task_details": [{"display_name": "train", "state": "FAILED"}, {"display_name": "root", "state": "FAILED"}]
    }
    server.objects["runs"][0] |= {"state": "FAILED", "finished_at": "2026-01-05T10:00:00Z", "run_details": details}
    (failed,) = kubeflow.runs(attempt.resource)
    assert (failed.finished, failed.reason) == (True, "Failed")
    assert failed.message.startswith("step train failed")
    server.objects["runs"][0] |= {"state": "HIBERNATING"}
    (going,) = kubeflow.runs(attempt.resource)
    assert not going.finished


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([{"name": "rate", "value": "1"}], "'rate' is unknown; the pipeline has l2_regularization, learning_rate"),
        ([{"name": "max_iter", "value": "many"}], "'max_iter' is 'many'; write a whole number"),
    ],
)
def test_parameters_are_checked_before_anything_is_launched(parameters: list[dict[str, str]], words: str) -> None:
    server = KubeflowServer()
    with pytest.raises(InvalidSpec, match=words):
        engine(server).submit(an_attempt(pipeline={"name": NAME, "parameters": parameters}))
    assert server.objects["runs"] == []


def test_a_package_carries_image_secret_nodes_and_resources() -> None:
    pool = NodePool(node_selector={"pool": "a100"}, resource_name="example.org/gpu")
    attempt = an_attempt(pool=pool, placement={"node_pool": "gpu", "gpus_per_node": 2})
    spec, platform = yaml.safe_load_all(rendered(load(COMPILED, NAME), attempt))
    for executor in spec["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"] == "registry.example.org/pipelines:7"
        assert executor["container"]["resources"] == {
            "cpuRequest": 0.5,
            "memoryLimit": 2 * 2**30 / 10**9,
            "accelerator": {"type": "example.org/gpu", "count": "2"},
        }
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == spec["deploymentSpec"]["executors"].keys()
    for said in executors.values():
        assert said["nodeSelector"] == {"labels": {"pool": "a100"}}
        assert said["secretAsEnv"][0]["secretName"] == "homeostat-platform"


def test_tolerations_which_the_backend_cannot_set_are_refused_with_a_remedy() -> None:
    pool = NodePool(tolerations=[{"key": "gpu", "operator": "Exists"}])
    with pytest.raises(InvalidSpec, match="a pool without taints"):
        rendered(load(COMPILED, NAME), an_attempt(pool=pool))
