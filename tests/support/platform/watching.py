"""Waiting for real objects."""

from collections.abc import Callable
from typing import Any

from tools.demo.release import NAMESPACE, Platform, diagnose
from tools.waiting import until

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
        found = until(
            f"{kind}/{name}: {what}",
            lambda: self.platform.get(kind, name, namespace),
            lambda found: found is not None and done(found),
            seconds,
            every=0.5,
            diagnose=lambda: diagnose(self.platform, namespace),
        )
        return found or {}

    def true(self, what: str, done: Callable[[], bool], seconds: float = 120) -> None:
        """Returns once `done`."""
        until(what, done, seconds=seconds, every=0.5, diagnose=lambda: diagnose(self.platform, NAMESPACE))
