"""Trainings that are killed, suspended, too slow or deleted while they run: nothing is done twice, nothing stays."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.platform.acting import apply, delete, kill, runs, training
from support.platform.watching import Watch
from tools.demo.release import NAMESPACE, Platform
from tools.demo.story import condition, field

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("story")


def _succeeded(job: Object) -> bool:
    return condition(job, "Succeeded").get("status") == "True"


def _has(reason: str, job: Object) -> bool:
    return condition(job, "Succeeded").get("reason") == reason


def _left(platform: Platform, name: str) -> list[str]:
    """Jobs and pods of a TrainingJob."""
    return runs(platform, name, "train") + runs(platform, name, "train", "pods")


def _suspend(platform: Platform, name: str, *, value: bool) -> None:
    change = json.dumps({"spec": {"suspend": value}})
    platform.kubectl("-n", NAMESPACE, "patch", "trainingjob", name, "--type=merge", "-p", change)


def _until_its_pod_runs(platform: Platform, watch: Watch, name: str) -> None:
    selector = f"homeostat.dev/name={name},homeostat.dev/purpose=train"

    def phases() -> list[str]:
        return [pod["status"]["phase"] for pod in platform.listing("pods", NAMESPACE, "-l", selector)]

    watch.true(f"the pod of {name} runs", lambda: "Running" in phases())


@pytest.fixture
def slow(platform: Platform) -> Iterator[Object]:
    """A training that gets a fiftieth of a core, so that it is not even loaded when half a minute is over."""
    job = training("slow", "spare")
    resources = job["spec"]["placement"]["resources"]
    resources["requests"]["cpu"] = resources["limits"]["cpu"] = "20m"
    yield job
    delete(platform, "trainingjob", "slow")


def test_a_killed_training_operator_launches_nothing_twice(platform: Platform, watch: Watch) -> None:
    apply(platform, training("killed", "spare"))
    watch.until("the attempt is reserved", "trainingjob", "killed", lambda t: field(t, "status.attempt") == 1)
    kill(platform, "trainingjob")
    watch.until("the run is seen", "trainingjob", "killed", lambda t: bool(field(t, "status.run.uid")))
    kill(platform, "trainingjob")
    found = watch.until("training ends well", "trainingjob", "killed", _succeeded, seconds=420)
    assert field(found, "status.attempt") == 1
    assert runs(platform, "killed", "train") == ["killed-train-1"]
    assert field(found, "status.model.version") == "1", "registered once"


def test_a_suspended_training_leaves_nothing_running_and_goes_on_with_its_next_attempt(
    platform: Platform, watch: Watch
) -> None:
    apply(platform, training("paused", "spare", seed=2))
    _until_its_pod_runs(platform, watch, "paused")
    _suspend(platform, "paused", value=True)
    found = watch.until("it says so", "trainingjob", "paused", lambda t: _has("Suspended", t))
    assert condition(found, "Ready")["status"] == "False"
    watch.true("Job and pod are gone", lambda: not _left(platform, "paused"))
    assert field(platform.get("trainingjob", "paused"), "status.attempt") == 1, "nothing is begun meanwhile"

    _suspend(platform, "paused", value=False)
    found = watch.until("training ends well", "trainingjob", "paused", _succeeded, seconds=420)
    assert (field(found, "status.attempt"), field(found, "status.failures")) == (2, 0)
    assert runs(platform, "paused", "train") == ["paused-train-2"]
    delete(platform, "trainingjob", "paused")


def test_a_training_beyond_its_deadline_is_ended_and_says_so(platform: Platform, watch: Watch, slow: Object) -> None:
    slow["spec"] |= {"activeDeadlineSeconds": 30, "retry": {"limit": 0}}
    apply(platform, slow)
    found = watch.until("its deadline is over", "trainingjob", "slow", lambda t: _has("DeadlineExceeded", t))
    assert condition(found, "Succeeded")["status"] == "False"
    assert condition(found, "Stalled")["status"] == "True"
    assert "deadline" in condition(found, "Succeeded")["message"]
    assert (field(found, "status.attempt"), field(found, "status.model")) == (1, None)


def test_a_training_deleted_while_it_runs_leaves_no_job_and_no_pod(
    platform: Platform, watch: Watch, slow: Object
) -> None:
    apply(platform, slow)
    _until_its_pod_runs(platform, watch, "slow")
    assert _left(platform, "slow")
    delete(platform, "trainingjob", "slow")
    watch.true("Job and pod are gone", lambda: not _left(platform, "slow"))
