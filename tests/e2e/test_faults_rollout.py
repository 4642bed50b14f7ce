"""Rollouts of the story's own model under fifty requests a second: one that cannot start, and one that is disturbed."""

from collections.abc import Callable
from typing import Any

import pytest

from support.platform.acting import borrowed, kill, missing, put_spec, runs, sigkill
from support.platform.watching import Watch
from tools.demo.release import NAMESPACE, SYSTEM, Platform
from tools.demo.story import condition, field

Object = dict[str, Any]
Traffic = Callable[[], Object]
CHURN = ("modeldeployment", "churn")

pytestmark = pytest.mark.usefixtures("story")


@pytest.fixture
def older(platform: Platform) -> Object:
    """The story's first model, which its second one has replaced: version, uri and digest."""
    return dict(field(platform.get("trainingjob", "churn-first"), "status.model"))


def _pinned(deployment: Object, version: str, gate: Object) -> Object:
    """The spec with this version in place of the newest."""
    spec: Object = deployment["spec"]
    registered = {"name": spec["model"]["registered"]["name"], "version": version}
    return spec | {"model": {"registered": registered}, "promotion": {"gate": gate}}


def _ended(deployment: Object, version: str, outcome: str) -> Object:
    """How the version's way ended under the present spec; empty if otherwise, or not yet."""
    generation = deployment["metadata"]["generation"]
    history = field(deployment, "status.history") or []
    told = (version, outcome, generation)
    return next((h for h in history if (h["version"], h["outcome"], h["generation"]) == told), {})


def test_a_version_that_cannot_start_is_rolled_back_while_the_stable_one_serves(
    platform: Platform, watch: Watch, traffic: Traffic, older: Object
) -> None:
    version, start = older["version"], traffic()
    with borrowed(platform, *CHURN) as before, missing(platform, f"{older['uri'].rstrip('/')}/model.onnx"):
        spec = _pinned(before, version, {})
        put_spec(platform, *CHURN, spec | {"rollout": spec["rollout"] | {"progressDeadlineSeconds": 45}})
        found = watch.until(
            "the version is rolled back", *CHURN, lambda m: bool(_ended(m, version, "RolledBack"))
        )  # fmt: skip
    message = _ended(found, version, "RolledBack")["message"]
    replicas = before["spec"]["realtime"]["replicas"]
    assert f"0 of {replicas} pods ready" in message
    assert "exit code 1" in message
    assert (condition(found, "Ready")["status"], condition(found, "Ready")["reason"]) == ("True", "RolledBack")
    assert message in condition(found, "Ready")["message"]
    assert field(found, "status.stable") == field(before, "status.stable")
    assert field(found, "status.traffic") == field(before, "status.traffic")

    selector = f"homeostat.dev/name=churn,homeostat.dev/version={version}"
    watch.true("nothing is left of it", lambda: not platform.listing("deployments,pods", NAMESPACE, "-l", selector))
    assert traffic()["answered"] > start["answered"] + 1000
    assert traffic()["by_version"].get(version) == start["by_version"].get(version), "it answered nobody"


def test_a_version_in_shadow_answers_nobody_and_is_compared_with_what_callers_got(
    platform: Platform, watch: Watch, traffic: Traffic, older: Object
) -> None:
    version, never = older["version"], 10**6
    with borrowed(platform, *CHURN) as before:
        newest, spec = field(before, "status.stable.version"), _pinned(before, older["version"], {})

        def ask(copies: int) -> None:
            steps = [{"mirror": 100, "minDuration": "5s", "minRequests": copies}, {"weight": 25, "minDuration": "5s"}]
            put_spec(platform, *CHURN, spec | {"rollout": spec["rollout"] | {"steps": steps}})

        ask(never)
        watch.until(
            f"version {version} is in shadow", *CHURN, lambda m: condition(m, "Ready").get("reason") == "Shadow"
        )
        start = traffic()
        kill(platform, "modeldeployment")
        sigkill(platform, SYSTEM, "app.kubernetes.io/component=router")
        shadow = watch.until(
            "hundreds of copies are compared",
            *CHURN,
            lambda m: (field(m, "status.candidate.shadow.comparedPredictions") or 0) >= 500,
        )
        seen = traffic()
        ask(500)
        found = watch.until(f"version {version} is promoted", *CHURN, lambda m: bool(_ended(m, version, "Promoted")))
    watch.until(f"version {newest} serves again", *CHURN, lambda m: field(m, "status.stable.version") == newest)

    told = field(shadow, "status.candidate.shadow")
    assert [(t["version"], t["weight"], t["mirror"]) for t in field(shadow, "status.traffic")] == [
        (newest, 100, 0),
        (version, 0, 100),
    ]
    assert seen["answered"] > start["answered"], "customers were answered meanwhile"
    assert seen["by_version"].get(version) == start["by_version"].get(version), "it answered a customer"
    assert 0 < float(told["meanAbsoluteDifference"]) <= float(told["maxAbsoluteDifference"]) <= 1, (
        "two models never agree on everything"
    )
    assert "mirrored requests its scores are" in condition(shadow, "Ready")["message"]
    assert "mirrored requests its scores are" in _ended(found, version, "Promoted")["message"]


def test_no_request_fails_and_no_evaluation_is_repeated_while_the_deployment_operator_is_killed(
    platform: Platform, watch: Watch, traffic: Traffic, older: Object
) -> None:
    start, evaluated = traffic(), set(runs(platform, "churn", "evaluate"))
    with borrowed(platform, *CHURN) as before:
        newest, number = field(before, "status.stable.version"), field(before, "status.evaluations")
        minimum = before["spec"]["promotion"]["gate"]["minimum"]
        put_spec(platform, *CHURN, _pinned(before, older["version"], {"minimum": minimum}))
        _killed_twice_on_the_way(platform, watch, older["version"], number + 1)
    _killed_twice_on_the_way(platform, watch, newest, number + 2)

    after = platform.get(*CHURN)
    assert field(after, "spec") == before["spec"], "it follows the newest version again"
    made = set(runs(platform, "churn", "evaluate")) - evaluated
    assert made == {f"churn-evaluate-{number + 1}", f"churn-evaluate-{number + 2}"}
    by_version = traffic()["by_version"]
    for version in (older["version"], newest):
        assert by_version[version] > start["by_version"][version], f"version {version} answered no customer"


def _killed_twice_on_the_way(platform: Platform, watch: Watch, version: str, number: int) -> None:
    """A version's way to all requests, on which the operator dies at the gate and on the canary step."""
    watch.until(
        f"the evaluation of version {version} is reserved", *CHURN,
        lambda m: field(m, "status.candidate.version") == version and field(m, "status.candidate.evaluation") == number,
    )  # fmt: skip
    kill(platform, "modeldeployment")
    watch.until(
        f"version {version} is a canary", *CHURN,
        lambda m: field(m, "status.candidate.version") == version and field(m, "status.candidate.weight") == 25,
    )  # fmt: skip
    kill(platform, "modeldeployment")
    found = watch.until(f"version {version} is promoted", *CHURN, lambda m: bool(_ended(m, version, "Promoted")))
    assert field(found, "status.stable.version") == version
    assert [(t["version"], t["weight"]) for t in field(found, "status.traffic")] == [(version, 100)]
    assert field(found, "status.evaluations") == number, "evaluated once"
