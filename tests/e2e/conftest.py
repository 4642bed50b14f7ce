"""The platform as its users have it: the churn story told once, then looked at and disturbed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.platform.fixtures import the_platform, the_traffic, the_watch  # noqa: F401 - fixtures, by their names
from tools.cluster.settings import NODE_PORTS, REPOSITORY
from tools.demo.release import Platform

Object = dict[str, Any]
BUILD = REPOSITORY / "build"


@pytest.fixture(scope="session")
def story() -> Iterator[str]:
    """What `make demo` said; the platform it leaves behind stays for all tests of the session.

    HOMEOSTAT_STORY names the log of a telling whose platform is still up.
    """
    if told_before := os.environ.get("HOMEOSTAT_STORY"):
        yield Path(told_before).read_text()
        return
    BUILD.mkdir(exist_ok=True)
    told = BUILD / "demo.log"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with told.open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "tools.demo", "up"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    text = told.read_text()
    assert done.returncode == 0, f"the story did not come to its end:\n{text[-12000:]}"
    yield text
    subprocess.run([sys.executable, "-m", "tools.demo", "down"], env=environment, check=False)


@pytest.fixture
def counts(platform: Platform) -> Callable[[], Object]:
    """What the trickle of customers that the story left behind has counted."""
    path: Path = platform.directory / "counts.json"
    return lambda: dict(json.loads(path.read_text()))


@pytest.fixture(scope="session")
def console_url(story: str, platform: Platform) -> str:
    assert story
    return f"http://{platform.address}:{NODE_PORTS['console']}"


@pytest.fixture(scope="session")
def observer_url(story: str, platform: Platform) -> str:
    assert story
    return f"http://{platform.address}:{NODE_PORTS['observer']}"


@pytest.fixture(scope="session")
def token(story: str, platform: Platform) -> str:
    """A token that may look, as the sample's viewer."""
    assert story
    return platform.token("churn-viewer", hours=1)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client
