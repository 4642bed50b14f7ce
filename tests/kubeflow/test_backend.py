"""The Kubeflow engine against a real Kubeflow Pipelines backend: what only a real one shows."""

import copy
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import yaml

from homeostat.api.v1alpha1.trainingjob import StepState
from homeostat.engines.runs import TRAIN, RunRequest, RunState
from homeostat.engines.runs.kubeflow.client import RUN_NAME, KubeflowRuns
from homeostat.engines.runs.kubeflow.manifests import SECRET_KEYS
from homeostat.engines.runs.kubeflow.records import RUN_LABEL, display_name
from homeostat.engines.runs.packages import Package, bundled, parse
from homeostat.reconcile.errors import InvalidSpec, NotReadyYet, PlatformError
from homeostat.testing.builders import a_training_job
from support.runs import package_of, rendered
from tools.cluster.settings import REPOSITORY
from tools.demo.release import Platform
from tools.waiting import until

NAMESPACE = "kubeflow"
COMPILED = REPOSITORY / "pipelines" / "compiled"
MakeAttempt = Callable[..., RunRequest]


@pytest.fixture
def seen(kubeflow: KubeflowRuns) -> Callable[..., RunState]:
    """A run of an attempt once it is as wanted."""

    def wait(what: str, attempt: RunRequest, done: Callable[[RunState], bool]) -> RunState:
        def look() -> RunState | None:
            return kubeflow.find(attempt.owner, attempt.purpose, attempt.number)

        run = until(what, look, lambda found: found is not None and done(found), seconds=300)
        assert run is not None
        return run

    return wait


Seen = Callable[..., RunState]


def pods_of(platform: Platform, run: RunState) -> list[dict[str, Any]]:
    return platform.listing("pods", NAMESPACE, "-l", f"pipeline/runid={run.uid}")


def main_container(pod: dict[str, Any]) -> dict[str, Any]:
    return next(container for container in pod["spec"]["containers"] if container["name"] == "main")


def test_the_backend_reports_its_version(kubeflow: KubeflowRuns) -> None:
    assert kubeflow.health() == "2.0.5"


def test_the_pod_of_a_step_is_where_and_as_large_as_asked_and_its_failure_names_step_and_logs(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, platform: Platform, seen: Seen
) -> None:
    one = attempt()
    kubeflow.submit(one)
    ended = seen("the run ends", one, lambda run: run.finished)
    assert (ended.reason, ended.message) == (
        "Failed",
        f"step build-dataset failed: Error (exit code 1); see {ended.logs}",
    )
    assert [(step.name, step.state) for step in ended.steps] == [("build-dataset", StepState.FAILED)]
    assert "homeostat_pipelines" in platform.kubectl(*ended.logs.split()[1:]), "the command shows the traceback"
    (step,) = (pod for pod in pods_of(platform, ended) if pod["spec"].get("nodeSelector"))
    assert step["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    main = main_container(step)
    assert main["image"] == one.image
    assert main["resources"]["requests"]["cpu"] == "20m"
    assert {each["name"] for each in main["env"]} >= set(SECRET_KEYS)


def test_a_step_without_an_image_is_named_although_the_backend_says_running(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, seen: Seen
) -> None:
    one = attempt(image="localhost/homeostat/nowhere:1")
    kubeflow.submit(one)
    stuck = seen("the step is named", one, lambda run: bool(run.failure_message))
    assert not stuck.finished
    assert stuck.failure_message.startswith("step build-dataset cannot start: ")
    assert "localhost/homeostat/nowhere:1" in stuck.failure_message or "ImagePullBackOff" in stuck.failure_message
    kubeflow.stop(stuck)
    assert seen("the run ends", one, lambda run: run.finished).reason == "Canceled"


@contextmanager
def nobody_reports(platform: Platform) -> Iterator[None]:
    """The persistence agent is away."""
    agent = ("-n", NAMESPACE, "scale", "deployment/ml-pipeline-persistenceagent")
    platform.kubectl(*agent, "--replicas=0")
    label = "app=ml-pipeline-persistenceagent"
    platform.kubectl("-n", NAMESPACE, "wait", "--for=delete", "pod", "-l", label, "--timeout=120s")
    try:
        yield
    finally:
        platform.kubectl(*agent, "--replicas=1")


def test_no_attempt_is_started_beside_a_workflow_without_a_record_which_the_agent_takes_away(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, platform: Platform
) -> None:
    one = attempt()
    lost: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": f"lost-{uuid.uuid4().hex[:8]}",
            "namespace": NAMESPACE,
            "labels": {RUN_LABEL: str(uuid.uuid4())},
            "annotations": {RUN_NAME: display_name(one.owner, TRAIN, one.number)},
        },
        "spec": {"entrypoint": "waits", "templates": [{"name": "waits", "suspend": {}}]},
    }
    with nobody_reports(platform):
        platform.kubectl("create", "-f", "-", text=yaml.safe_dump(lost))
        for number in (one.number, one.number + 1):
            with pytest.raises(NotReadyYet, match=lost["metadata"]["name"]):
                kubeflow.submit(replace(one, number=number))
        assert kubeflow.runs(one.owner, TRAIN) == ()
    until(
        "the agent takes the Workflow away",
        lambda: platform.get("workflow.argoproj.io", lost["metadata"]["name"], NAMESPACE),
        lambda found: found is None,
    )
    kubeflow.submit(one)
    (run,) = kubeflow.runs(one.owner, TRAIN)
    kubeflow.stop(run)


def test_a_run_ends_and_its_steps_are_reported_although_nobody_reports_to_the_backend(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, platform: Platform, seen: Seen
) -> None:
    one = attempt()
    with nobody_reports(platform):
        kubeflow.submit(one)
        ended = seen("the run ends", one, lambda run: run.finished)
        (record,) = (each for each in kubeflow._listed("runs") if each["run_id"] == ended.uid)
    assert record["state"] == "PENDING", "the backend itself knows nothing yet"
    assert (ended.reason, [step.name for step in ended.steps]) == ("Failed", ["build-dataset"])


def test_a_step_that_asks_for_a_gpu_where_there_is_none_is_named_and_its_pod_bears_the_request(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, platform: Platform, seen: Seen
) -> None:
    one = attempt(gpus=1)
    kubeflow.submit(one)
    stuck = seen("the step is named", one, lambda run: bool(run.failure_message))
    assert "Insufficient nvidia.com/gpu" in stuck.failure_message
    limits = [main_container(pod)["resources"].get("limits", {}) for pod in pods_of(platform, stuck)]
    assert [limit["nvidia.com/gpu"] for limit in limits if "nvidia.com/gpu" in limit] == ["1"]
    kubeflow.stop(stuck)
    seen("the run ends", one, lambda run: run.finished)


def uploaded(kubeflow: KubeflowRuns, package: Package, attempt: RunRequest) -> tuple[str, str]:
    """Name and version of a pipeline that a user has put there."""
    name, version = f"of a user {uuid.uuid4().hex[:8]}", "2026-01 (third)"
    content = rendered(replace(attempt, package=package)).encode()
    files = {"uploadfile": ("own.yaml", content, "application/yaml")}
    made = kubeflow._call("POST", "pipelines/upload", params={"name": name}, files=files)
    wanted = {"name": version, "pipelineid": made["pipeline_id"]}
    kubeflow._call("POST", "pipelines/upload_version", params=wanted, files=files)
    return name, version


def test_a_version_that_the_backend_has_is_run_as_it_stands_with_its_inputs_checked(
    kubeflow: KubeflowRuns, attempt: MakeAttempt, seen: Seen
) -> None:
    shipped_one = bundled(COMPILED, "tabular")
    name, version = uploaded(kubeflow, shipped_one, attempt())
    package = kubeflow.package(package_of(a_training_job(pipeline={"name": name, "version": version})))
    assert package.backend_ids is not None
    assert package.declared.keys() == shipped_one.declared.keys()
    one = attempt(package=package)
    kubeflow.submit(one)
    ended = seen("the run ends", one, lambda run: run.finished)
    assert "build-dataset" in ended.message
    (run,) = (each for each in kubeflow._listed("runs") if each["run_id"] == ended.uid)
    assert run["pipeline_version_reference"]["pipeline_version_id"] == package.backend_ids[1]
    with pytest.raises(PlatformError, match="has no version 'first' in Kubeflow Pipelines"):
        kubeflow.package(package_of(a_training_job(pipeline={"name": name, "version": "first"})))
    with pytest.raises(PlatformError, match="'nobody had it' is not a pipeline in Kubeflow Pipelines"):
        kubeflow.package(package_of(a_training_job(pipeline={"name": "nobody had it", "version": "1"})))


def test_what_the_backend_refuses_comes_with_its_words(kubeflow: KubeflowRuns, attempt: MakeAttempt) -> None:
    one = attempt()
    given = {"max_iter": "1"}
    assert one.package is not None
    wrong = copy.deepcopy(one.package.spec)
    wrong["root"]["inputDefinitions"]["parameters"]["max_iter"]["parameterType"] = "STRING"
    package = replace(one.package, name="mistyped", spec=wrong)
    kubeflow.submit(replace(one, parameters=given, package=package))
    mistaken = replace(kubeflow_package(kubeflow, package, one), spec=one.package.spec)
    with pytest.raises(InvalidSpec, match="max_iter requires type string"):
        kubeflow.submit(replace(one, number=2, parameters=given, package=mistaken))
    for run in kubeflow.runs(one.owner, TRAIN):
        kubeflow.stop(run)


def kubeflow_package(kubeflow: KubeflowRuns, package: Package, attempt: RunRequest) -> Package:
    name, version = uploaded(kubeflow, package, attempt)
    return kubeflow.package(package_of(a_training_job(pipeline={"name": name, "version": version})))


def test_a_package_that_the_backend_cannot_read_is_refused(kubeflow: KubeflowRuns, attempt: MakeAttempt) -> None:
    spec = {**bundled(COMPILED, "tabular").spec, "newerThanTheBackend": {}}
    package = parse(yaml.safe_dump(spec).encode(), "spec.pipeline.uri 'u'")
    with pytest.raises(InvalidSpec, match="pipeline spec is invalid"):
        kubeflow.submit(attempt(package=replace(package, name=f"newer-{uuid.uuid4().hex[:8]}")))
