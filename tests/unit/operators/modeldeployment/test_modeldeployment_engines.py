"""The same rollout under every serving engine, with the operators that stand between us and the pods."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeostat.engines.serving import ServingEngine, children_of
from homeostat.engines.serving.deployment import DeploymentServing
from homeostat.engines.serving.kserve import KServeServing
from homeostat.engines.serving.seldon import SeldonServing
from homeostat.settings import SeldonSettings
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.core.actions import Action, Apply, Delete
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation
from support.serving.operators import MemoryStage
from unit.operators.modeldeployment.world import World

ENGINES: tuple[ServingEngine, ...] = (DeploymentServing(), SeldonServing(SeldonSettings()), KServeServing())


@dataclass
class Staged(World):
    """A world whose pods come from what the engine's counterparts make of the applied objects."""

    engine: ServingEngine = field(default_factory=DeploymentServing)
    idle: bool = False
    """The counterparts do nothing."""

    def __post_init__(self) -> None:
        self.stage = MemoryStage(self.engine, self.resource)

    def observed(self) -> ModelDeploymentObservation:
        found = self.stage.listed() if self.idle else self.stage.found()
        children = tuple(children_of(found, self.engine))
        self.served = dict.fromkeys(child.version for child in children if child.version)
        return replace(
            super().observed(), engine=self.engine.name, servings=self.engine.servings(found), children=children
        )

    def check_traffic(self, status: Any) -> None:
        super().check_traffic(status)
        assert all(self.stage.get("v1", "Service", target.service) for target in status.traffic)

    def act(self, action: Action) -> None:
        match action:
            case Apply(manifest):
                self.stage.cluster.apply(manifest)
            case Delete(api_version, kind, namespace, name):
                if (api_version, kind, namespace, name) in self.stage.cluster.objects:
                    self.stage.delete(api_version, kind, name)
            case _:
                super().act(action)

    def kinds(self) -> dict[str, list[str]]:
        """Names of what is left, by kind."""
        found: dict[str, list[str]] = {}
        for _, kind, _, name in sorted(self.stage.cluster.objects):
            found.setdefault(kind, []).append(name)
        return found


Make = Callable[..., Staged]


@pytest.fixture(params=ENGINES, ids=[engine.name for engine in ENGINES])
def make(request: pytest.FixtureRequest) -> Make:
    return lambda **changes: Staged(engine=request.param, **changes)


def test_a_challenger_takes_over_and_what_served_before_goes_after_it_has_drained(make: Make) -> None:
    world = make().turns(6)
    assert world.shares == {"1": 100}
    assert (world.status.engine, world.status.routing) == (world.engine.name, "Router")
    world.versions.append("2")
    world.turns(4)
    assert world.shares == {"1": 75, "2": 25}
    while world.status.stable.version != "2":
        world.turn()
    assert "1" in world.turn().served, "it still answers its last requests"
    assert world.status.draining[0].uri.endswith("/1")
    world.turns(9)
    assert list(world.served) == ["2"]
    assert world.status.draining == []
    assert len(world.kinds()["Pod"]) == 1


def test_a_champion_keeps_its_pods_while_a_challenger_that_cannot_start_is_taken_back(make: Make) -> None:
    world = make(resource=a_model_deployment(rollout={"progress_deadline_seconds": 10})).turns(6)
    world.versions.append("2")
    world.turns(2)
    pods = [name for _, kind, _, name in world.stage.cluster.objects if kind == "Pod"]
    world.idle = True
    world.turns(12)
    assert world.status.history[0].outcome == "RolledBack"
    world.idle = False
    world.turns(10)
    assert world.shares == {"1": 100}
    assert world.kinds()["Pod"] == pods


def test_an_object_of_several_versions_goes_with_the_last_of_them() -> None:
    short = a_model_deployment(rollout={"progress_deadline_seconds": 10})
    world = Staged(engine=ENGINES[1], resource=short, idle=True).turns(3)
    assert world.kinds()["SeldonDeployment"] == ["churn"]
    world.turns(6)
    assert world.status.history[0].outcome == "RolledBack"
    assert "not created a Deployment" in world.status.history[0].message
    world.turns(9)
    assert "SeldonDeployment" not in world.kinds()
