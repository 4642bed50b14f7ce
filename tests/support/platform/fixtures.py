"""Fixtures of every folder whose tests look at an installed platform."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.platform.watching import Watch
from tools.cluster import settings
from tools.demo.release import Platform
from tools.demo.story import RATE
from tools.demo.traffic import write_json

Object = dict[str, Any]


@pytest.fixture(scope="session", name="platform")
def the_platform() -> Platform:
    return Platform(settings.load(), os.environ.get("CONTEXT", ""))


@pytest.fixture(name="watch")
def the_watch(platform: Platform) -> Watch:
    return Watch(platform)


@pytest.fixture(name="traffic")
def the_traffic(platform: Platform) -> Iterator[Callable[[], Object]]:
    """As many customers a second as in the story while a test disturbs something; none of their requests may fail."""
    directory = platform.directory
    path = directory / "traffic.json"
    before = json.loads(path.read_text())
    write_json(path, {**before, "rate": RATE})

    def read() -> Object:
        return dict(json.loads((directory / "counts.json").read_text()))

    failed = read()["failed"]
    yield read
    write_json(path, before)
    after = read()
    assert after["failed"] == failed, after["failures"]
