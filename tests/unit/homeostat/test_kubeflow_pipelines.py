"""Kubeflow Pipelines as an engine: one run for an attempt, whatever gets lost, and the truth about those that cannot start."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.api.v1alpha1.pods import Resources, Toleration, TolerationOperator
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import TRAIN, RunRequest, RunState
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.packages import Packages, bundled, parse
from homeostat.pod_settings import NodePool
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, NotReadyYet, PlatformError
from homeostat.settings import KubeflowSettings
from homeostat.testing.builders import a_training_job
from support.kubeflow_twin import Crash, Fault, KubeflowServer
from support.runs import a_request, package_of, rendered

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
SETTINGS = KubeflowSettings(url="http://kubeflow.example.org", ui_url="http://ui.example.org/")
NAME = "tabular-classification"
PACKAGE = bundled(COMPILED, NAME)
CLUSTER = "5b1d3a0e-1c7f-4b55-9d0b-6c8c0b1f7a11"


SMALL = parse(
    b"""
pipelineInfo: {name: small}
schemaVersion: 2.1.0
root: {inputDefinitions: {parameters: {job: {parameterType: STRING}}}}
deploymentSpec: {executors: {exec-one: {container: {image: homeostat/pipelines}}}}
""",
    "a small one",
)


def an_attempt(number: int = 1, pool: NodePool | None = None, **spec: Any) -> RunRequest:
    job = a_training_job(**spec)
    resources = Resources(requests={"cpu": "500m"}, limits={"memory": "2Gi"})
    gpus, given = job.spec.placement.gpus_per_node, {p.name: p.value for p in job.spec.pipeline.parameters}
    return a_request(job, number, package=PACKAGE, resources=resources, pool=pool, gpus=gpus, parameters=given)


def engine(server: KubeflowServer, settings: KubeflowSettings = SETTINGS, cluster: str = CLUSTER) -> KubeflowRuns:
    packages = Packages(COMPILED, MemoryObjects(), lambda *_: None)
    return KubeflowRuns(settings, cluster, packages, server.listed, httpx.MockTransport(server))


def found(kubeflow: KubeflowRuns, attempt: RunRequest) -> RunState:
    seen = kubeflow.find(attempt.owner, attempt.purpose, attempt.number)
    assert seen is not None
    return seen


def test_an_attempt_becomes_one_run_of_an_uploaded_version_in_the_experiment_of_its_namespace() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    (run,) = server.objects["runs"]
    assert run["display_name"] == f"churn/churn-first-train-1 {attempt.owner.metadata.uid}/1"
    assert [e["display_name"] for e in server.objects["experiments"]] == ["churn"]
    assert run["service_account"] == "pipeline-runner"
    seen = found(kubeflow, attempt)
    assert seen.url == f"http://ui.example.org/#/runs/details/{run['run_id']}"
    assert seen.logs == f"kubectl logs -n kubeflow -l pipeline/runid={run['run_id']} -c main --prefix --tail=-1"
    assert seen.start is not None


def test_the_same_content_is_uploaded_once_and_used_again() -> None:
    server = KubeflowServer()
    kubeflow = engine(server)
    kubeflow.submit(an_attempt(1))
    kubeflow.submit(an_attempt(2))
    assert len(server.objects["runs"]) == 2
    assert len(server.uploads) == 2, "one pipeline, one version"
    kubeflow.submit(an_attempt(3, NodePool(node_selector={"pool": "a100"})))
    assert len(server.uploads) == 3, "another pool is another content"


FAULTS = st.lists(st.sampled_from([Fault.NONE] * 8 + list(Fault)), max_size=12)


@settings(max_examples=400, deadline=None)
@given(FAULTS, st.lists(st.booleans(), max_size=12))
def test_whatever_gets_lost_there_is_never_a_second_run_and_in_the_end_there_is_one(
    faults: list[Fault], agent_is_there: list[bool]
) -> None:
    agent = deque(agent_is_there)
    server = KubeflowServer(deque(faults))
    attempt = replace(an_attempt(), package=SMALL)
    while True:
        try:
            engine(server).submit(attempt)
        except (PlatformError, Crash):
            assert len(server.runs_at_work()) <= 1
            if not agent or agent.popleft():
                server.passes(1)
        else:
            break
    engine(server).submit(attempt)
    assert len(server.objects["runs"]) == 1
    assert len(server.runs_at_work()) == 1


def test_nothing_is_started_beside_a_workflow_whose_run_the_backend_did_not_get_to_record() -> None:
    upload_and_experiment = [Fault.NONE] * 3
    server = KubeflowServer(deque([*upload_and_experiment, Fault.HALF]))
    kubeflow, attempt = engine(server), an_attempt()
    with pytest.raises(EngineUnavailable):
        kubeflow.submit(attempt)
    with pytest.raises(NotReadyYet, match="no record of its run"):
        kubeflow.submit(attempt)
    server.passes(1)
    kubeflow.submit(attempt)
    assert len(server.runs_at_work()) == 1


def test_of_two_runs_of_one_attempt_the_older_counts_and_the_other_is_shown_to_be_stopped() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.objects["runs"].append({**server.objects["runs"][0], "run_id": "late", "created_at": "2026-01-05T09:59:00Z"})
    server.workflows.append(
        {"metadata": {"name": "w", "labels": {"pipeline/runid": "late"}}, "spec": {}, "status": {"phase": "Running"}}
    )
    runs = kubeflow.runs(attempt.owner, TRAIN)
    assert [(run.uid == "late", run.number) for run in runs] == [(False, 1), (True, 0)]
    kubeflow.stop(runs[1])
    assert [run.deleting for run in kubeflow.runs(attempt.owner, TRAIN)] == [False, True]


def test_stopping_a_run_that_is_gone_is_well() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    (run,) = kubeflow.runs(attempt.owner, TRAIN)
    server.vanish(run.uid)
    kubeflow.stop(run)


def test_runs_that_go_on_are_listed_for_their_own_cluster_alone() -> None:
    server = KubeflowServer()
    ours, theirs = engine(server), engine(server, cluster="another cluster")
    for number in (1, 2, 3):
        ours.submit(an_attempt(number))
    theirs.submit(an_attempt(4))
    ended = found(ours, an_attempt(2))
    server.ends(ended.uid, "Succeeded")
    assert sorted(run.number for run in ours.active_runs()) == [1, 3]
    assert [run.number for run in theirs.active_runs()] == [4]


def test_a_step_whose_image_cannot_be_had_is_named_although_the_backend_says_running() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    waiting = {"name": "main", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    node = {"workflows.argoproj.io/node-name": "tabular-abc.root.train.executor"}
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


def test_a_refusal_is_the_users_and_comes_with_the_words_of_the_backend() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(400, json={"code": 3, "message": "parameter depth is not an input"})
    with pytest.raises(InvalidSpec, match="parameter depth is not an input"):
        engine(server).submit(an_attempt())


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_lacking_permission_or_a_conflict_is_not_the_users_fault(status: int) -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(status, json={"code": 16, "message": "not so"})
    with pytest.raises(PlatformError, match="not so") as raised:
        engine(server).submit(an_attempt())
    assert not isinstance(raised.value, InvalidSpec | EngineUnavailable)


def test_a_500_of_a_healthy_backend_is_no_outage() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(500, json={"code": 13, "message": "unknown template format"})
    with pytest.raises(PlatformError, match=r"500 .*unknown template format.*not an outage") as raised:
        engine(server).submit(an_attempt())
    assert not isinstance(raised.value, EngineUnavailable)


def test_a_package_that_the_backend_cannot_read_is_the_users_although_it_answers_500() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(500, json={"error_message": "InvalidInputError: pipeline spec is invalid"})
    with pytest.raises(InvalidSpec, match="pipeline spec is invalid"):
        engine(server).submit(an_attempt())


def test_a_503_is_an_outage() -> None:
    server = KubeflowServer()
    server.refusal = httpx.Response(503, text="no healthy upstream")
    with pytest.raises(EngineUnavailable, match="HOMEOSTAT_KUBEFLOW_URL"):
        engine(server).submit(an_attempt())


def test_a_projected_token_is_read_again_for_every_request(tmp_path: Path) -> None:
    server = KubeflowServer()
    token = tmp_path / "token"
    kubeflow = engine(server, SETTINGS.model_copy(update={"token_file": str(token)}))
    for content in ("first", "second"):
        token.write_text(content)
        kubeflow.health()
    assert server.tokens == ["Bearer first", "Bearer second"]


def test_a_package_carries_image_secret_nodes_and_resources() -> None:
    pool = NodePool(node_selector={"pool": "a100"}, resource_name="example.org/gpu")
    attempt = an_attempt(pool=pool, placement={"node_pool": "gpu", "gpus_per_node": 2})
    spec, platform = yaml.safe_load_all(rendered(attempt))
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
    pool = NodePool(tolerations=[Toleration(key="gpu", operator=TolerationOperator.EXISTS)])
    with pytest.raises(InvalidSpec, match="a pool without taints"):
        engine(KubeflowServer()).package(package_of(a_training_job(placement={"node_pool": "gpu"}), pool))


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"metadata": {"labels": {"team": "churn"}}}, "metadata.labels"),
        ({"metadata": {"annotations": {"cost": "7"}}}, "metadata.annotations"),
        ({"spec": {"tolerations": [{"key": "gpu"}]}}, "spec.tolerations"),
        ({"spec": {"priority_class_name": "batch"}}, "spec.priorityClassName"),
    ],
)
def test_what_the_backend_cannot_set_of_a_pod_is_refused_by_name(template: dict[str, Any], field: str) -> None:
    job = a_training_job(placement={"pod_template": template})
    with pytest.raises(InvalidSpec, match=rf"spec\.placement\.podTemplate\.{field} .* use spec.engine Local"):
        engine(KubeflowServer()).package(package_of(job))


def test_the_node_selector_of_a_pod_template_is_that_of_every_step() -> None:
    job = a_training_job(placement={"pod_template": {"spec": {"node_selector": {"disk": "ssd"}}}})
    engine(KubeflowServer()).package(package_of(job))
    request = a_request(job, package=PACKAGE)
    shaped = replace(request, shape=replace(request.shape, pod_template=job.spec.placement.pod_template))
    _, platform = yaml.safe_load_all(rendered(shaped))
    for step in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert step["nodeSelector"] == {"labels": {"disk": "ssd"}}


def a_pending_step(server: KubeflowServer, **status: Any) -> dict[str, Any]:
    """A pod of the first run's step train."""
    labels = {"pipeline/runid": server.objects["runs"][0]["run_id"]}
    node = {"workflows.argoproj.io/node-name": "tabular-abc.root.train.executor"}
    metadata = {"name": "tabular-abc-1", "uid": "pod-uid", "annotations": node, "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": "Pending", **status}}


QUOTA = 'pods "tabular-x1-13" is forbidden: exceeded quota: team, requested: limits.cpu=1'


def test_a_step_that_may_get_no_pod_passes_on_the_words_of_the_api_server() -> None:
    server = KubeflowServer()
    kubeflow, attempt = engine(server), an_attempt()
    kubeflow.submit(attempt)
    server.workflows[0]["status"]["nodes"] = {"1": {"displayName": "train", "phase": "Pending", "message": QUOTA}}
    assert found(kubeflow, attempt).failure_message == f"step train cannot start: {QUOTA}"


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
    node = {"displayName": "train", "phase": "Failed", "message": "OOMKilled (exit code 137)", "children": None}
    server.workflows[0]["status"]["nodes"] = {"1": node}
    server.ends(server.objects["runs"][0]["run_id"], "Failed", reported=False)
    message = found(kubeflow, attempt).message
    assert message.startswith("step train failed: OOMKilled (exit code 137); see kubectl logs")
