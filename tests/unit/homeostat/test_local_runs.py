"""The Local engine: what the pod of a Job shows of a run that waits or failed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.runs import EVALUATE, MATERIALIZE, TRAIN, RunRequest, RunState
from homeostat.engines.runs.jobs import JOB_UID_LABEL, job_state, run_job
from homeostat.engines.runs.local import LocalRuns
from homeostat.reconcile.errors import InvalidSpec
from homeostat.testing.builders import a_training_job
from support.runs import a_request, a_train_input

STARTED = "2026-01-05T09:00:30Z"
FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "reached the backoff limit"}


def a_terminated(exit_code: int, reason: str, **fields: Any) -> dict[str, Any]:
    state = {"terminated": {"exitCode": exit_code, "reason": reason, **fields}}
    return {"phase": "Failed", "startTime": STARTED, "containerStatuses": [{"name": "train", "state": state}]}


def the_run(status: dict[str, Any] | None, *, failed: bool = False, purpose: str = TRAIN) -> RunState:
    """A run whose Job has one pod with that status; None: no pod."""
    cluster, owner = MemoryCluster(), a_training_job()
    engine = LocalRuns(cluster, Path("none"))
    engine.submit(a_request(owner, purpose=purpose))
    (job,) = cluster.list("batch/v1", "Job", None)
    if failed:
        cluster.change(("batch/v1", "Job", "churn", job["metadata"]["name"]), status={"conditions": [FAILED]})
    if status is not None:
        limits = {"resources": {"limits": {"memory": "2Gi"}}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "namespace": "churn", "labels": {JOB_UID_LABEL: job["metadata"]["uid"]}},
            "spec": {"containers": [{"name": "train", **limits}]},
            "status": status,
        }
        cluster.put(pod)
    found = engine.find(owner, purpose, 1)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (
            a_terminated(137, "OOMKilled"),
            "OOMKilled",
            "container train of pod a used more memory than its limit of 2Gi",
        ),
        (a_terminated(1, "Error"), "Error", "container train of pod a ended with exit code 1"),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "Evicted",
            "pod a was terminated: The node was low on resource: memory",
        ),
        (
            {
                "phase": "Failed",
                "reason": "DeadlineExceeded",
                "message": "Pod was active on the node longer than allowed",
            },
            "DeadlineExceeded",
            "pod a was terminated: Pod was active on the node longer than allowed",
        ),
        (
            {
                "phase": "Failed",
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "preempted",
                    }
                ],
            },
            "PreemptionByScheduler",
            "pod a was terminated: preempted",
        ),
    ],
)
def test_a_failed_run_says_which_pod_failed_and_why(status: dict[str, Any], reason: str, words: str) -> None:
    run = the_run(status, failed=True)
    assert (run.finished, run.reason, run.message) == (True, reason, words)


def test_a_failed_run_whose_pod_is_gone_says_what_its_job_says() -> None:
    run = the_run(None, failed=True)
    assert (run.reason, run.message) == ("BackoffLimitExceeded", "reached the backoff limit")


@pytest.mark.parametrize("purpose", [MATERIALIZE, TRAIN, EVALUATE])
def test_a_run_that_no_node_takes_says_so_and_has_not_started(purpose: str) -> None:
    words = "0/1 nodes are available: 1 Insufficient memory."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    run = the_run({"phase": "Pending", "conditions": [unscheduled]}, purpose=purpose)
    assert (run.start, run.waiting, run.finished) == (None, True, False)
    assert run.failure_message == f"pod a cannot be scheduled: {words}"


def test_a_run_whose_image_is_nowhere_has_started_and_says_so() -> None:
    waiting = {"name": "train", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    run = the_run({"phase": "Pending", "startTime": STARTED, "containerStatuses": [waiting]})
    assert (run.waiting, run.start is None) == (False, False)
    assert run.failure_message == "pod a: ImagePullBackOff, not found"


def test_a_job_without_a_pod_says_so() -> None:
    assert the_run(None).failure_message == "Job churn-first-train-1 has no pod yet"


QUOTA = (
    'Error creating: pods "churn-x" is forbidden: exceeded quota: team, requested: limits.cpu=2, limited: limits.cpu=1'
)


def a_warning(message: str, uid: str, time: str, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"event-{time}-{uid}", "namespace": "churn"},
        "involvedObject": {"kind": "Job", "uid": uid},
        "type": "Warning",
        "reason": "FailedCreate",
        "message": message,
        "lastTimestamp": f"2026-01-05T09:00:{time}Z",
        **fields,
    }


@pytest.mark.parametrize("purpose", [MATERIALIZE, TRAIN, EVALUATE])
def test_a_job_that_may_create_no_pod_passes_on_the_newest_words_of_the_api_server(purpose: str) -> None:
    cluster, owner = MemoryCluster(), a_training_job()
    engine = LocalRuns(cluster, Path("none"))
    engine.submit(a_request(owner, purpose=purpose))
    (job,) = cluster.list("batch/v1", "Job", None)
    uid = job["metadata"]["uid"]
    cluster.put(a_warning(QUOTA, uid, "20"))
    cluster.put(a_warning('Error creating: serviceaccount "homeostat-run" not found', uid, "10"))
    cluster.put(a_warning("of another Job", "another-uid", "30"))
    cluster.put(a_warning("no warning", uid, "40", type="Normal"))
    found = engine.find(owner, purpose, 1)
    assert found is not None
    assert (found.waiting, found.failure_message) == (True, f"Job {job['metadata']['name']} has no pod yet: {QUOTA}")


MOUNT = 'MountVolume.SetUp failed for volume "input": configmap "x" not found'


def a_pod_with_events(status: dict[str, Any], *events: tuple[str, str, str]) -> RunState:
    """A run whose pod has that status, after Events of (reason, message, second) about the pod."""
    cluster, owner = MemoryCluster(), a_training_job()
    engine = LocalRuns(cluster, Path("none"))
    engine.submit(a_request(owner))
    (job,) = cluster.list("batch/v1", "Job", None)
    meta = {"name": "a", "namespace": "churn", "uid": "pod-uid", "labels": {JOB_UID_LABEL: job["metadata"]["uid"]}}
    cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": status})
    for reason, message, second in events:
        cluster.put(a_warning(message, "pod-uid", second, reason=reason))
    found = engine.find(owner, TRAIN, 1)
    assert found is not None
    return found


CREATING = {"name": "train", "state": {"waiting": {"reason": "ContainerCreating"}}}
SCHEDULED = {"phase": "Pending", "startTime": STARTED, "containerStatuses": [CREATING]}


def test_a_pod_whose_volume_cannot_be_mounted_passes_on_the_newest_words_of_the_kubelet() -> None:
    run = a_pod_with_events(SCHEDULED, ("FailedMount", "older", "10"), ("FailedMount", MOUNT, "20"))
    assert run.failure_message == f"pod a: {MOUNT}"


def test_a_pod_that_has_a_node_no_longer_reports_that_it_had_none() -> None:
    assert a_pod_with_events(SCHEDULED, ("FailedScheduling", "0/1 nodes", "10")).failure_message == ""


def test_a_pod_that_runs_reports_no_event_of_its_start() -> None:
    running = {"phase": "Running", "startTime": STARTED}
    assert a_pod_with_events(running, ("FailedMount", MOUNT, "10")).failure_message == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}, "pod a: ImagePullBackOff, not found"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "pod a: it ended with exit code 1 (Error)"),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, ""),
        ({"running": {"startedAt": STARTED}}, ""),
    ],
)
def test_a_container_that_runs_before_the_others_can_hold_a_pod_up(state: dict[str, Any], words: str) -> None:
    waiting = {"name": "train", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {**SCHEDULED, "initContainerStatuses": [{"name": "mesh", "state": state}], "containerStatuses": [waiting]}
    assert the_run(status).failure_message == words


def test_a_running_pod_holds_nothing_up() -> None:
    run = the_run({"phase": "Running", "startTime": STARTED})
    assert (run.failure_message, run.waiting) == ("", False)
    assert run.start is not None
    assert run.start.isoformat() == "2026-01-05T09:00:30+00:00"


def with_labels_at(uri: str) -> RunRequest:
    return replace(a_request(a_training_job()), document=a_train_input(datasets=uri))


def test_text_of_a_spec_reaches_a_run_as_data_and_never_as_a_variable_that_kubernetes_expands() -> None:
    template = run_job(with_labels_at("s3://b/$(HOMEOSTAT_S3_SECRET_KEY)/"))["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert "$(" not in json.dumps(container)
    assert "$(HOMEOSTAT_S3_SECRET_KEY)" in template["metadata"]["annotations"]["homeostat.dev/run-input"]


def test_an_input_that_kubernetes_would_refuse_is_refused_by_size_and_remedy() -> None:
    with pytest.raises(InvalidSpec, match=r"has 21\d{4} bytes and the limit is 204800; shorten"):
        run_job(with_labels_at(f"s3://b/{'x' * 210_000}/"))


def test_the_input_of_a_job_that_v010_made_is_read_from_its_environment() -> None:
    job = run_job(a_request(a_training_job()))
    template = job["spec"]["template"]
    text = template["metadata"].pop("annotations")["homeostat.dev/run-input"]
    job["metadata"] |= {"uid": "u"}
    assert job_state(job).document == ""
    template["spec"]["containers"][0]["env"] = [{"name": "HOMEOSTAT_INPUT", "value": text}]
    assert job_state(job).document == text
