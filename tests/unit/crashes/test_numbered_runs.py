"""The loop under faults: whatever happens at whichever write, no run is started twice and the work gets done."""

from collections import deque
from datetime import UTC, datetime
from itertools import chain

from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeostat.api.v1alpha1.featureset import RunOutcome
from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.reconcile.conditions import is_true
from homeostat.runs import EvaluateResult, MaterializeResult, SnapshotRecord
from homeostat.signals.gate import GateReport, Verdict
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment, a_training_job
from homeostat_operators.featureset.wiring import OPERATOR as FEATURE_SETS
from homeostat_operators.modeldeployment.evaluation import POLICY
from homeostat_operators.modeldeployment.wiring import OPERATOR as MODEL_DEPLOYMENTS
from homeostat_operators.trainingjob.wiring import OPERATOR as TRAINING_JOBS
from support.trainings import FATES, FAULTS, LONG, TRAINED, put_features
from support.world import START, Fate, Fault, World

MATERIALIZED = MaterializeResult(
    through=datetime(2026, 1, 5, 8, tzinfo=UTC),
    blocked=False,
    expectations=[],
    snapshot=SnapshotRecord(digest=DIGEST, uri="s3://homeostat/churn/featuresets/c/1/", rows=100, watermark=None),
    online_rows=100,
)


def a_world_of_training(faults: list[Fault]) -> World:
    resource = a_training_job(retry={"limit": 10})
    world = World(TRAINING_JOBS, resource, TRAINED.model_dump_json(by_alias=True).encode(), deque(faults))
    put_features(world)
    return world


def a_world_of_features(faults: list[Fault]) -> World:
    resource = a_feature_set()
    return World(FEATURE_SETS, resource, MATERIALIZED.model_dump_json(by_alias=True).encode(), deque(faults))


def lives_through(world: World, fates: list[Fate]) -> None:
    for fate in chain(fates, [Fate.SUCCEEDS] * 60):
        if world.at_rest():
            return
        world.turn()
        world.turn()
        world.meets(fate)
        world.check()
        world.passes(1 if fate is Fate.GOES_ON else LONG)


@settings(max_examples=300, deadline=None)
@given(FAULTS, FATES)
def test_a_training_is_never_run_or_registered_twice_and_succeeds_in_the_end(
    faults: list[Fault], fates: list[Fate]
) -> None:
    world = a_world_of_training(faults)
    lives_through(world, fates)
    status = world.status()
    assert is_true(status.conditions, SUCCEEDED), status.conditions
    assert status.model.version == "1"
    assert status.failures <= sum(fate in {Fate.FAILS, Fate.IS_KILLED, Fate.VANISHES} for fate in fates)


@settings(max_examples=300, deadline=None)
@given(FAULTS, FATES)
def test_features_are_never_materialised_twice_at_once_and_are_there_in_the_end(
    faults: list[Fault], fates: list[Fate]
) -> None:
    world = a_world_of_features(faults)
    lives_through(world, fates)
    status = world.status()
    assert status.snapshot is not None
    assert status.snapshot.version == 1
    assert status.run.outcome in {None, RunOutcome.MATERIALIZED}


@example(faults=[], wishes=[(False, True), (True, False)], fates=[Fate.SUCCEEDS, Fate.FAILS] * 4)
@settings(max_examples=100, deadline=None)
@given(FAULTS, st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6), FATES)
def test_suspending_and_resuming_never_leaves_two_attempts_alive(
    faults: list[Fault], wishes: list[tuple[bool, bool]], fates: list[Fate]
) -> None:
    world = a_world_of_training(faults)
    for suspended, pods_are_gone in wishes:
        spec = world.cluster.objects[world.own]["spec"]
        world.cluster.change(world.own, spec={**spec, "suspend": suspended})
        world.turn()
        if pods_are_gone:
            world.passes(1)
    spec = world.cluster.objects[world.own]["spec"]
    world.cluster.change(world.own, spec={**spec, "suspend": False})
    lives_through(world, fates)
    assert is_true(world.status().conditions, SUCCEEDED), world.status().conditions


def a_world_of_evaluations(faults: list[Fault]) -> World:
    """A ModelDeployment with one version at its gate, whose verdict will be Hold."""
    report = GateReport(verdict=Verdict.HOLD, metrics=(), rules=(), rows=1, entities=1, resamples=0, seed=1)
    result = EvaluateResult(report=report).model_dump_json(by_alias=True).encode()
    world = World(MODEL_DEPLOYMENTS, a_model_deployment(), result, deque(faults))
    model = {"name": "churn.churn", "version": "1", "uri": "s3://homeostat/m", "digest": DIGEST}
    dataset = {"uri": "s3://homeostat/d", "digest": DIGEST, "rows": 1, "holdout_rows": 1}
    trained = a_training_job("first", status={"completion_time": START, "model": model, "dataset": dataset})
    world.cluster.put(trained.model_dump(mode="json", by_alias=True, exclude_none=True))
    return world


@settings(max_examples=100, deadline=None)
@given(FAULTS, FATES)
def test_an_evaluation_is_never_run_twice_and_its_verdict_or_three_failures_end_the_candidate(
    faults: list[Fault], fates: list[Fate]
) -> None:
    world = a_world_of_evaluations(faults)
    for fate in chain(fates, [Fate.SUCCEEDS] * 60):
        if world.status().history and not world.faults:
            break
        world.turn()
        world.turn()
        world.meets(fate)
        world.check()
        world.passes(1 if fate is Fate.GOES_ON else LONG)
    (entry,) = world.status().history
    bad = sum(fate in {Fate.FAILS, Fate.IS_KILLED, Fate.VANISHES} for fate in fates)
    assert entry.outcome in {Outcome.HELD, Outcome.EVALUATION_FAILED}
    assert entry.outcome is Outcome.HELD or bad >= (POLICY.attempts or 0)


def test_the_same_transition_is_reported_once_however_often_the_turn_is_repeated() -> None:
    world = a_world_of_training([])
    for _ in range(4):
        world.turn()
    told = [key[3] for key in world.cluster.events]
    assert len(told) == len(set(told)), told
