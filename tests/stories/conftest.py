"""The platform after the stories of a number and of a class; both of them are still up, with a trickle of requests."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.platform.fixtures import the_platform  # noqa: F401 - a fixture, by its name
from tools.demo.release import Platform
from tools.demo.scenario import Scenario
from tools.demo.scenarios import SCENARIOS
from tools.demo.story import field

Object = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A story that has come to its end."""

    scenario: Scenario
    platform: Platform

    def get(self, kind: str) -> Object:
        """The object of this kind that has the scenario's name."""
        found = self.platform.get(kind, self.scenario.name)
        assert found is not None, f"{kind}/{self.scenario.name} does not exist"
        return found

    def counts(self) -> Object:
        """What the callers have counted."""
        return dict(json.loads((self.platform.directory / "counts.json").read_text()))


@pytest.fixture(scope="session")
def log() -> str:
    """The output of the stories, which HOMEOSTAT_STORY names."""
    return Path(os.environ["HOMEOSTAT_STORY"]).read_text()


def _finished(platform: Platform, name: str) -> Finished:
    return Finished(SCENARIOS[name](), replace(platform, namespace=name))


@pytest.fixture(scope="session", params=["flights", "rodents"])
def finished(request: pytest.FixtureRequest, platform: Platform) -> Finished:
    return _finished(platform, request.param)


@pytest.fixture(scope="session")
def flights(platform: Platform) -> Finished:
    return _finished(platform, "flights")


@pytest.fixture(scope="session")
def rodents(platform: Platform) -> Finished:
    return _finished(platform, "rodents")


@pytest.fixture(scope="session")
def predict() -> Iterator[Callable[[Finished, str], Object]]:
    """Asks a story's model about one entity; gives the data of every output by its name."""
    with httpx.Client(timeout=30, trust_env=False) as client:

        def answer(story: Finished, entity: str) -> Object:
            scenario, url = story.scenario, field(story.get("modeldeployment"), "status.url")
            tensor = {"name": scenario.entity, "shape": [1], "datatype": "BYTES", "data": [entity]}
            response = client.post(f"{url}/v2/models/{scenario.name}/infer", json={"inputs": [tensor]})
            assert response.status_code == 200, response.text
            return {output["name"]: output["data"] for output in response.json()["outputs"]}

        yield answer
