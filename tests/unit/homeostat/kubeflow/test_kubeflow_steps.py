"""How far a run at Kubeflow Pipelines is, how it ended, and why a step cannot start."""

from typing import Any

import httpx

from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.packages import Packages
from homeostat.reconcile.errors import PlatformError
from support.kubeflow_twin import KubeflowServer
from unit.homeostat.kubeflow.attempts import CLUSTER, COMPILED, SETTINGS, an_attempt, engine, found


def test_a_step_whose_image_cannot_be_had_is_named_although_the_backend_says_running() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    waiting = {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    node = {"workflows.argoproj.io/node-name": EXECUTOR["name"]}
    labels = {"pipeline/runid": server.objects["runs"][0]["run_id"]}
    pod = {
        "metadata": {"name": "tabular-abc-1", "annotations": node, "labels": labels},
        "status": {"phase": "Pending", "containerStatuses": [waiting]},
    }
    server.pods.append(pod)
    server.objects["runs"][0]["state"] = "RUNNING"
    assert (
        found(kubeflow, attempt).failure_message
        == "step train cannot start: pod tabular-abc-1: ErrImagePull, not found"
    )


def test_a_run_has_ended_when_its_workflow_says_so_although_the_backend_lags() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    run_id = server.objects["runs"][0]["run_id"]
    server.ends(run_id, "Succeeded", reported=False)
    seen = found(kubeflow, attempt)
    assert (seen.finished, seen.reason) == (True, "")
    server.ends(run_id, "Error", reported=False)
    assert (found(kubeflow, attempt).finished, found(kubeflow, attempt).reason) == (True, "Error")


def test_the_steps_of_a_workflow_are_newer_than_those_of_the_record() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    record = [{"display_name": "build-dataset", "state": "RUNNING", "start_time": "2026-01-05T09:00:00Z"}]
    server.objects["runs"][0]["run_details"] = {"task_details": record}
    whole = {"displayName": "tabular-x1", "phase": "Failed", "children": ["tabular-x1-12"]}
    times = {"startedAt": "2026-01-05T09:00:00Z", "finishedAt": "2026-01-05T09:01:00Z"}
    built = {"displayName": "build-dataset", "phase": "Error", "children": ["tabular-x1-13"], **times}
    omitted = {"displayName": "train", "phase": "Omitted", "children": None, **times}
    nodes = {"1": whole, "2": built, "3": omitted, "4": {**built, "displayName": "executor"}}
    server.workflows[0]["status"]["nodes"] = nodes
    assert [(step.name, step.state.value) for step in found(kubeflow, attempt).steps] == [("build-dataset", "Failed")]
    server.ends(server.objects["runs"][0]["run_id"], "Failed", reported=False)
    assert found(kubeflow, attempt).message.startswith("step build-dataset failed; see kubectl logs")


def test_a_backend_whose_workflows_may_not_be_read_is_believed() -> None:
    server = KubeflowServer()
    packages = Packages(COMPILED, MemoryObjects(), lambda *_: None)

    def forbidden(*_: Any, **__: Any) -> list[dict[str, Any]]:
        raise PlatformError("not permitted")

    kubeflow = KubeflowRuns(SETTINGS, CLUSTER, packages, forbidden, httpx.MockTransport(server))
    attempt = an_attempt()
    kubeflow.submit(attempt)
    assert not found(kubeflow, attempt).finished


def test_what_was_terminated_is_canceled_and_not_failed() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    kubeflow.stop(found(kubeflow, attempt))
    assert found(kubeflow, attempt).deleting
    server.passes(1)
    assert server.objects["runs"][0]["state"] == "FAILED", "the backend never says CANCELED"
    seen = found(kubeflow, attempt)
    assert (seen.finished, seen.reason, seen.message) == (
        True,
        "Canceled",
        "it was terminated in Kubeflow Pipelines",
    )


def test_a_failed_run_names_the_step_and_where_its_logs_are() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    run = server.objects["runs"][0]
    tasks = [
        {"display_name": "tabular-x1", "state": "FAILED", "child_tasks": [{"pod_name": "tabular-x1-12"}]},
        {"display_name": "root", "state": "FAILED"},
        {"display_name": "root-driver", "state": "SUCCEEDED"},
        {
            "display_name": "build-dataset",
            "state": "SUCCEEDED",
            "start_time": "2026-01-05T09:00:00Z",
            "end_time": "2026-01-05T09:01:00Z",
        },
        {"display_name": "train", "state": "FAILED", "start_time": "2026-01-05T09:01:00Z"},
        {"display_name": "executor", "state": "FAILED", "start_time": "2026-01-05T09:01:00Z"},
    ]
    run["run_details"] = {"task_details": tasks}
    server.ends(run["run_id"], "Failed")
    seen = found(kubeflow, attempt)
    assert (seen.finished, seen.reason) == (True, "Failed")
    assert seen.message == f"step train failed; see {seen.logs}"
    assert [(step.name, step.state.value, step.completion_time is None) for step in seen.steps] == [
        ("build-dataset", "Succeeded", False),
        ("train", "Failed", True),
    ]


def test_a_step_in_a_loop_is_shown_once_as_the_worst_of_its_rounds() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    states = ["SUCCEEDED", "FAILED", "RUNNING"]
    tasks = [
        {"display_name": "fit", "state": state, "start_time": f"2026-01-05T09:0{n}:00Z"}
        for n, state in enumerate(states)
    ]
    server.objects["runs"][0]["run_details"] = {"task_details": tasks}
    assert [(step.name, step.state.value) for step in found(kubeflow, attempt).steps] == [("fit", "Failed")]


def test_an_unknown_state_is_taken_for_going_on() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.objects["runs"][0] |= {"state": "HIBERNATING"}
    assert not found(kubeflow, attempt).finished


EXECUTOR: dict[str, Any] = {"name": "tabular-abc.root.train.executor", "displayName": "executor", "children": None}
"""The node of the pod of step train, as Argo has it."""


def a_pending_step(server: KubeflowServer, **status: Any) -> dict[str, Any]:
    """A pod of the first run's step train."""
    labels = {"pipeline/runid": server.objects["runs"][0]["run_id"]}
    node = {"workflows.argoproj.io/node-name": EXECUTOR["name"]}
    metadata = {"name": "tabular-abc-1", "uid": "pod-uid", "annotations": node, "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": "Pending", **status}}


QUOTA = 'pods "tabular-x1-13" is forbidden: exceeded quota: team, requested: limits.cpu=1'


def test_a_step_that_may_get_no_pod_passes_on_the_words_of_the_api_server() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.workflows[0]["status"]["nodes"] = {"1": {**EXECUTOR, "phase": "Pending", "message": QUOTA}}
    assert found(kubeflow, attempt).failure_message == f"step train cannot start: {QUOTA}"


def test_a_step_whose_pod_only_starts_is_no_obstacle_although_its_workflow_repeats_the_pods_state() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    creating = {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}
    server.pods.append(a_pending_step(server, startTime="2026-01-05T09:00:00Z", containerStatuses=[creating]))
    server.workflows[0]["status"]["nodes"] = {"1": {**EXECUTOR, "phase": "Pending", "message": "PodInitializing"}}
    assert found(kubeflow, attempt).failure_message == ""


def test_a_step_whose_volume_cannot_be_mounted_passes_on_the_words_of_the_kubelet() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    creating = {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}
    server.pods.append(a_pending_step(server, startTime="2026-01-05T09:00:00Z", containerStatuses=[creating]))
    words = 'MountVolume.SetUp failed for volume "pvc": not found'
    event = {"kind": "Event", "metadata": {"name": "e"}, "type": "Warning", "reason": "FailedMount", "message": words}
    server.events.append({**event, "involvedObject": {"uid": "pod-uid"}, "lastTimestamp": "2026-01-05T09:00:05Z"})
    assert found(kubeflow, attempt).failure_message == f"step train cannot start: pod tabular-abc-1: {words}"


def test_a_step_that_failed_passes_on_why_its_pod_did() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    step = {"name": "tabular-abc.root.train", "displayName": "train", "phase": "Failed", "children": ["2"]}
    pod = {**EXECUTOR, "phase": "Failed", "message": "OOMKilled (exit code 137)"}
    server.workflows[0]["status"]["nodes"] = {"1": step, "2": pod}
    server.ends(server.objects["runs"][0]["run_id"], "Failed", reported=False)
    message = found(kubeflow, attempt).message
    assert message.startswith("step train failed: OOMKilled (exit code 137); see kubectl logs")
