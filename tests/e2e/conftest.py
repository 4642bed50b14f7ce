"""The platform as its users have it: the churn story told once, then looked at and disturbed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cluster import settings
from cluster.settings import NODE_PORTS, REPOSITORY
from demo.release import NAMESPACE, Platform, diagnose

Object = dict[str, Any]
BUILD = REPOSITORY / "build"


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform(settings.load(), os.environ.get("CONTEXT", ""))


@pytest.fixture(scope="session")
def story(platform: Platform) -> Iterator[str]:
    """What `make demo` said; the platform it leaves behind stays for all tests of the session."""
    BUILD.mkdir(exist_ok=True)
    told = BUILD / "demo.log"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tools")}
    with told.open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "demo", "up"], stdout=log, stderr=subprocess.STDOUT, env=environment, check=False
        )
    text = told.read_text()
    assert done.returncode == 0, f"the story did not come to its end:\n{text[-12000:]}"
    yield text
    subprocess.run([sys.executable, "-m", "demo", "down"], env=environment, check=False)


class Watch:
    """Waits for conditions on real objects, with diagnostics when they do not come."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def until(
        self, what: str, kind: str, name: str, done: Callable[[Object], bool], seconds: float = 240,
        namespace: str = NAMESPACE,
    ) -> Object:  # fmt: skip
        """The object, once `done`; fails with its status and the namespace's events after `seconds`."""
        deadline = time.monotonic() + seconds
        found: Object | None = None
        while time.monotonic() < deadline:
            found = self.platform.get(kind, name, namespace)
            if found is not None and done(found):
                return found
            time.sleep(0.5)
        status = json.dumps((found or {}).get("status"), indent=1)
        pytest.fail(f"{what}: not within {seconds:.0f} s\n{kind}/{name} {status}\n{diagnose(self.platform, namespace)}")

    def true(self, what: str, done: Callable[[], bool], seconds: float = 120) -> None:
        """Returns once `done`."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{diagnose(self.platform, NAMESPACE)}")
            time.sleep(0.5)


@pytest.fixture
def watch(platform: Platform) -> Watch:
    return Watch(platform)


@pytest.fixture
def counts(platform: Platform) -> Callable[[], Object]:
    """What the trickle of customers that the story left behind has counted."""
    path: Path = platform.local.state / "demo" / "counts.json"
    return lambda: dict(json.loads(path.read_text()))


@pytest.fixture
def traffic(platform: Platform) -> Iterator[Callable[[], Object]]:
    """Fifty customers a second while a test disturbs something; none of their requests may fail."""
    directory = platform.local.state / "demo"
    path = directory / "traffic.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps({**before, "rate": 50.0}))

    def read() -> Object:
        return dict(json.loads((directory / "counts.json").read_text()))

    failed = read()["failed"]
    yield read
    path.write_text(json.dumps(before))
    after = read()
    assert after["failed"] == failed, after["failures"]


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
