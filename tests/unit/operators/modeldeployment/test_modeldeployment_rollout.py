"""Bounds of a rollout: how long a step lasts, when a version is given up, and what drains."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.engines.serving import Child, Serving
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.core.actions import Delete
from homeostat_operators.modeldeployment.observed import StepTraffic
from homeostat_operators.modeldeployment.plan import plan
from homeostat_operators.modeldeployment.rollout import needs_metrics, retire, running, traffic
from unit.operators.modeldeployment.world import BROKEN, READY, World, digest, in_canary, serving_one

PARTLY = replace(READY, ready=1)


def starting(health: Serving = PARTLY, **changes: Any) -> World:
    """Version 1 serves, and version 2 passed the gate just now and has no step yet."""
    world = serving_one(health={"2": health}, **changes)
    world.versions.append("2")
    world.turns(3)
    assert world.status.candidate.gate_passed
    assert world.status.candidate.step_start_time is None
    return world


def after(world: World, seconds: float) -> World:
    """A turn that many seconds after the present step, or the way of the candidate, began."""
    candidate = world.status.candidate
    world.now = (candidate.step_start_time or candidate.since) + timedelta(seconds=seconds)
    return world.turn(0)


def ended(world: World) -> str:
    return "" if world.status.candidate is not None else str(world.status.history[0].message)


def test_a_version_has_all_of_its_deadline_to_become_ready() -> None:
    assert ended(after(starting(), 600)) == ""
    assert ended(after(starting(), 601)) == "Version 2 has 1 of 2 pods ready after 10m."
    assert ended(after(starting(BROKEN), 601)).endswith(
        "has 0 of 2 pods ready after 10m: pod a: CrashLoopBackOff, it ended with exit code 3 (Error)."
    )


def test_a_version_that_is_ready_late_is_not_given_up() -> None:
    world = starting()
    del world.health["2"]
    assert after(world, 3600).status.candidate.step_start_time == world.now


def test_a_version_without_any_object_counts_as_none_of_the_pods_asked_for() -> None:
    world = starting()
    late = world.status.candidate.since + timedelta(seconds=601)
    servings = {"1": READY}
    decided = plan(world.resource, replace(world.observed(), servings=servings), late)
    assert decided.status.history[0].message == "Version 2 has 0 of 2 pods ready after 10m."
    early = plan(world.resource, replace(world.observed(), servings=servings), world.now)
    assert early.status.candidate is not None


def test_a_version_on_a_step_whose_objects_are_gone_has_lost_its_last_pod() -> None:
    world = in_canary()
    decided = plan(world.resource, replace(world.observed(), servings={"1": READY}), world.now)
    assert decided.status.history[0].message == "Version 2 lost its last ready pod with 25 % of requests."


def test_a_step_with_a_missing_pod_is_given_its_duration_beyond_the_deadline() -> None:
    at, late = in_canary(), in_canary()
    at.health["2"] = late.health["2"] = PARTLY
    assert ended(after(at, 620)) == ""
    assert ended(after(late, 621)) == "Version 2 has 1 of 2 pods ready on step 1 after 10m20s."


def test_a_step_that_the_spec_has_no_more_gives_a_missing_pod_the_deadline_alone() -> None:
    at, late = in_canary(), in_canary()
    for world in (at, late):
        world.spec(rollout={"steps": []})
        world.health["2"] = PARTLY
    assert ended(after(at, 600)) == ""
    assert ended(after(late, 601)) == "Version 2 has 1 of 2 pods ready on step 1 after 10m."


def test_a_complete_version_stays_on_a_step_without_requests_for_as_long_as_it_takes() -> None:
    world = in_canary()
    world.traffic = StepTraffic(0, 0)
    assert ended(after(world, 10_000)) == ""


def test_a_step_ends_at_its_duration_and_not_before() -> None:
    assert after(in_canary(), 19).shares == {"1": 75, "2": 25}
    assert after(in_canary(), 20).shares == {"2": 100}


def test_steps_are_taken_in_order_and_each_starts_its_own_clock() -> None:
    steps = [{"weight": share, "min_duration": "20s"} for share in (10, 30, 60)]
    world = serving_one(resource=a_model_deployment(rollout={"steps": steps}))
    world.versions.append("2")
    world.turns(4)
    for number, share in enumerate((10, 30, 60)):
        assert (world.shares, world.status.candidate.step) == ({"1": 100 - share, "2": share}, number)
        assert world.status.candidate.step_start_time <= world.now
        after(world, 20)
    assert world.shares == {"2": 100}
    assert world.status.history[0].message == "It passed 3 steps."


def test_a_single_step_is_reported_in_the_singular_and_a_first_version_by_its_pods() -> None:
    world = after(in_canary(), 20)
    assert [entry.message for entry in world.status.history] == ["It passed 1 step.", "All its pods were ready."]


@pytest.mark.parametrize(
    ("min_requests", "triggers", "needed"),
    [(0, [], False), (1, [], True), (0, ["ErrorRate"], True), (1, ["ErrorRate"], True)],
)
def test_a_step_needs_figures_for_its_requests_or_for_its_errors(
    min_requests: int, triggers: list[str], needed: bool
) -> None:
    steps = [{"weight": 25, "min_duration": "20s", "min_requests": min_requests}]
    world = in_canary(resource=a_model_deployment(rollout={"steps": steps}, rollback={"on": triggers}))
    assert needs_metrics(world.resource, world.status.candidate) is needed
    world.traffic = None
    assert after(world, 20).shares == ({"1": 75, "2": 25} if needed else {"2": 100})


def test_no_step_needs_no_figures() -> None:
    world = starting()
    assert not needs_metrics(world.resource, world.status.candidate)


def test_errors_before_the_first_step_are_nobodys() -> None:
    world = starting()
    seen = replace(world.observed(), step=StepTraffic(100, 100))
    assert plan(world.resource, seen, world.now).status.candidate is not None


def test_a_version_before_the_gate_is_neither_run_nor_rolled_out_however_many_pods_it_has() -> None:
    world = serving_one()
    world.verdict = None
    world.versions.append("2")
    world.turn()
    world.served["2"] = None
    assert [one.number for one in running(world.status, world.now)] == ["1"]
    assert world.turn().status.candidate.step_start_time is None
    world.now += timedelta(hours=1)
    assert world.turn().status.candidate is not None


def test_before_its_first_step_a_version_has_no_traffic() -> None:
    world = starting()
    assert [(t.version, t.weight, t.mirror) for t in world.status.traffic] == [("1", 100, 0)]
    assert [(v.number, v.weight, v.mirror) for v in running(world.status, world.now)] == [("1", 100, 0), ("2", 0, 0)]


def test_traffic_names_the_champion_alone_without_a_candidate_and_nobody_without_either() -> None:
    world = serving_one()
    assert [(t.version, t.weight, t.mirror) for t in traffic(world.resource, world.status, world.observed())] == [
        ("1", 100, 0)
    ]
    assert World(versions=[]).turn().status.traffic == []


def drained(seconds: float, **fields: Any) -> ModelDeployment:
    world = serving_one()
    entry = {"version": "5", "since": world.now - timedelta(seconds=seconds), **fields}
    status = {**world.status.model_dump(), "draining": [entry]}
    return a_model_deployment(status=status)


@pytest.mark.parametrize(
    ("seconds", "fields", "runs"),
    [
        (14, {"uri": "s3://homeostat/m", "digest": digest("5")}, True),
        (15, {"uri": "s3://homeostat/m", "digest": digest("5")}, False),
        (14, {}, False),
    ],
)
def test_what_drains_runs_for_fifteen_seconds_if_it_is_known_what_it_was(
    seconds: float, fields: dict[str, Any], runs: bool
) -> None:
    resource, now = drained(seconds, **fields), serving_one().now
    kept = [(one.number, one.weight, one.mirror) for one in running(resource.status, now)]
    assert kept == [("1", 100, 0), *([("5", 0, 0)] if runs else [])]


@pytest.mark.parametrize(("seconds", "deleted"), [(14, []), (15, ["churn-v5"])])
def test_what_drained_for_fifteen_seconds_is_deleted_and_nothing_else(seconds: float, deleted: list[str]) -> None:
    world = serving_one()
    world.resource = drained(seconds)
    world.served["5"] = None
    observed = world.observed()
    shared = Child("v1", "Service", "churn", "uid-shared", "")
    observed = replace(observed, children=(*observed.children, shared))
    actions = plan(world.resource, observed, world.now).actions
    assert [action.name for action in actions if isinstance(action, Delete)] == deleted


def test_what_drains_is_remembered_as_it_was_when_it_had_a_role() -> None:
    world = after(in_canary(), 20)
    (entry,) = world.status.draining
    assert (entry.version, entry.digest, entry.since) == ("1", digest("1"), world.now)
    assert entry.uri == "s3://homeostat/churn/models/churn/1"
    since = entry.since
    world.now += timedelta(seconds=5)
    (kept,) = world.turn().status.draining
    assert (kept.digest, kept.uri, kept.since) == (entry.digest, entry.uri, since)
    world.served["7"] = None
    assert [(e.version, e.digest, e.uri) for e in world.turn().status.draining][1:] == [("7", "", "")]


def test_no_more_than_eight_versions_drain_at_a_time_the_oldest_first() -> None:
    world = serving_one()
    world.served |= {str(number): None for number in range(2, 13)}
    assert [entry.version for entry in world.turn().status.draining] == [str(number) for number in range(2, 10)]


@pytest.mark.parametrize(
    ("seconds", "versions", "gone"),
    [(15, ["5"], ["churn-v5", "churn"]), (14, ["5"], []), (15, ["5", "6"], ["churn-v5"]), (0, [], ["churn"])],
)
def test_an_object_of_several_versions_goes_with_the_last_of_them(
    seconds: float, versions: list[str], gone: list[str]
) -> None:
    world = World(versions=[]).turn()
    since = world.now - timedelta(seconds=seconds)
    before = world.status.model_validate(
        {**world.status.model_dump(), "draining": [{"version": v, "since": since} for v in versions if v == "5"]}
    )
    own = [Child("v1", "Service", f"churn-v{v}", f"uid-{v}", v) for v in versions]
    shared = Child("v1", "Service", "churn", "uid-shared", "")
    observed = replace(world.observed(), children=(*own, shared))
    assert [child.name for child in retire(before, world.status, observed, world.now).doomed] == gone


def test_a_step_that_the_spec_has_no_more_is_over_whatever_it_still_lacked() -> None:
    world = in_canary()
    world.traffic = None
    world.spec(rollout={"steps": []})
    assert world.turn().shares == {"2": 100}
