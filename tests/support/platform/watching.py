"""Waiting for real objects."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tools.demo.release import NAMESPACE, Platform, diagnose

Object = dict[str, Any]


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
