"""The loop with trainings on Kubeflow Pipelines, under faults at every write to Kubernetes and to the backend."""

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.engines.runs import RunEngine
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.packages import Packages
from homeostat.reconcile.conditions import get, is_true
from homeostat.reconcile.errors import PlatformError
from homeostat.runs import FAILURE, RESULT, FailureReason, RunFailure
from homeostat.settings import KubeflowSettings
from homeostat.testing.builders import a_training_job
from homeostat_operators.core.loop import ReconcileResult
from homeostat_operators.trainingjob.sweep import sweep
from homeostat_operators.trainingjob.wiring import OPERATOR
from support import kubeflow_twin
from support.kubeflow_twin import KubeflowServer
from support.trainings import FATES, FAULTS, LONG, TRAINED, put_features
from support.world import COMPILED, Fate, Fault, World

SETTINGS = KubeflowSettings(url="http://kubeflow.example.org")
PACKAGE = """
pipelineInfo: {name: small}
schemaVersion: 2.1.0
root: {inputDefinitions: {parameters: {job: {parameterType: STRING}}}}
deploymentSpec: {executors: {exec-one: {container: {image: homeostat/pipelines}}}}
"""
URI = "s3://homeostat/pipelines/small.yaml"
REMOTE = st.lists(st.sampled_from([kubeflow_twin.Fault.NONE] * 6 + list(kubeflow_twin.Fault)), max_size=20)


@dataclass
class KubeflowWorld(World):
    """A TrainingJob whose runs are at Kubeflow Pipelines."""

    remote: deque[kubeflow_twin.Fault] = field(default_factory=deque)

    def engines(self) -> dict[str, RunEngine]:
        self.server = KubeflowServer(self.remote)
        packages = Packages(COMPILED, self.objects, self.cluster.get)
        transport = httpx.MockTransport(self.server)
        return {"Kubeflow": KubeflowRuns(SETTINGS, "this cluster", packages, self.server.listed, transport)}

    def turn(self) -> ReconcileResult | None:
        try:
            return super().turn()
        except kubeflow_twin.Crash:
            self.check()
            return None

    def check(self) -> None:
        alive = [one["metadata"]["annotations"] for one in self.server.runs_at_work()]
        assert len(alive) <= 1, f"two runs at once: {alive}"
        versions = [version for model in self.registry.models.values() for version in model.versions]
        assert len(versions) <= 1, "registered twice"

    def meets(self, fate: Fate) -> None:
        for run in self.server.objects["runs"]:
            if run["state"] not in {"PENDING", "RUNNING"}:
                continue
            output = json.loads(run["runtime_config"]["parameters"]["job"])["output"]
            if fate in {Fate.SUCCEEDS, Fate.SUCCEEDS_AND_VANISHES}:
                self.objects.write(f"{output}{RESULT}", self.result)
            if fate is Fate.FAILS:
                failure = RunFailure(reason=FailureReason.ERROR, message="out of luck")
                self.objects.write(f"{output}{FAILURE}", failure.model_dump_json(by_alias=True).encode())
            match fate:
                case Fate.SUCCEEDS:
                    self.server.ends(run["run_id"], "Succeeded", reported=False)
                case Fate.FAILS | Fate.IS_KILLED:
                    self.server.ends(run["run_id"], "Failed", reported=False)
                case Fate.VANISHES | Fate.SUCCEEDS_AND_VANISHES:
                    self.server.vanish(run["run_id"])

    def passes(self, seconds: float) -> None:
        super().passes(seconds)
        self.server.passes(seconds)


def a_world(faults: list[Fault], remote: list[kubeflow_twin.Fault]) -> KubeflowWorld:
    resource = a_training_job(engine="Kubeflow", pipeline={"uri": URI}, retry={"limit": 10})
    result = TRAINED.model_dump_json(by_alias=True).encode()
    world = KubeflowWorld(OPERATOR, resource, result, deque(faults), remote=deque(remote))
    world.objects.write(URI, PACKAGE.encode())
    put_features(world)
    return world


def lives_through(world: KubeflowWorld, fates: list[Fate]) -> None:
    for fate in chain(fates, [Fate.SUCCEEDS] * 60):
        if world.at_rest() and not world.remote:
            return
        world.turn()
        world.turn()
        world.meets(fate)
        world.check()
        world.passes(1 if fate is Fate.GOES_ON else LONG)


@settings(max_examples=300, deadline=None)
@given(FAULTS, REMOTE, FATES)
def test_a_training_at_kubeflow_is_never_run_or_registered_twice_and_succeeds_in_the_end(
    faults: list[Fault], remote: list[kubeflow_twin.Fault], fates: list[Fate]
) -> None:
    world = a_world(faults, remote)
    lives_through(world, fates)
    status = world.status()
    assert is_true(status.conditions, SUCCEEDED), status.conditions
    assert status.model.version == "1"
    assert status.failures <= sum(fate in {Fate.FAILS, Fate.IS_KILLED, Fate.VANISHES} for fate in fates)


@example(
    faults=[],
    remote=[*[kubeflow_twin.Fault.NONE] * 3, kubeflow_twin.Fault.HALF],
    wishes=[(False, False), (True, False)],
)
@settings(max_examples=100, deadline=None)
@given(FAULTS, REMOTE, st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6))
def test_suspending_and_resuming_never_leaves_two_runs_alive_and_counts_no_failure(
    faults: list[Fault], remote: list[kubeflow_twin.Fault], wishes: list[tuple[bool, bool]]
) -> None:
    world = a_world(faults, remote)
    for suspended, time_passes in [*wishes, (False, True)]:
        spec = world.cluster.objects[world.own]["spec"]
        world.cluster.change(world.own, spec={**spec, "suspend": suspended})
        world.turn()
        if time_passes:
            world.passes(1)
    lives_through(world, [])
    assert is_true(world.status().conditions, SUCCEEDED), world.status().conditions
    assert world.status().failures == 0


@settings(max_examples=50, deadline=None)
@given(REMOTE)
def test_the_run_of_a_deleted_training_is_terminated_and_no_other(remote: list[kubeflow_twin.Fault]) -> None:
    world = a_world([], [])
    world.turn()
    kept = a_training_job("kept", engine="Kubeflow", pipeline={"uri": URI})
    world.cluster.put(kept.model_dump(mode="json", by_alias=True, exclude_none=True))
    kubeflow: Any = world.clients.runs["Kubeflow"]
    (first,) = kubeflow.active_runs()
    world.server.objects["runs"].append(
        {**world.server.objects["runs"][0], "run_id": "kept", "display_name": "churn/kept-train-1 uid-of-kept/1"}
    )
    sweep(world.clients)
    assert not any(run.deleting for run in kubeflow.active_runs()), "nobody is gone yet"
    world.cluster.vanish(world.own)
    world.remote.extend(remote)
    while not all(run.deleting for run in kubeflow.active_runs() if run.uid == first.uid):
        with suppress(PlatformError, kubeflow_twin.Crash):
            sweep(world.clients)
    assert [run.deleting for run in kubeflow.active_runs() if run.uid == "kept"] == [False]


def test_a_training_that_the_backend_refuses_has_ended_with_its_words() -> None:
    world = a_world([], [])
    world.server.refusal = httpx.Response(400, json={"code": 3, "message": "parameter depth is not an input"})
    world.turn()
    world.turn()
    condition = get(world.status().conditions, SUCCEEDED)
    assert condition is not None
    assert (condition.status.value, condition.reason) == ("False", "InvalidSpec")
    assert "parameter depth is not an input" in condition.message
    assert world.status().completion_time is not None
