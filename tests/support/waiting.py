"""Waiting for a condition of something that runs elsewhere."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def until(what: str, look: Callable[[], T], done: Callable[[T], bool], seconds: float = 120) -> T:
    """What `look` sees as soon as it is `done`; fails with what was last seen when that takes too long."""
    deadline = time.monotonic() + seconds
    seen = look()
    while not done(seen):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:.0f} s; last seen: {seen!r}")
        time.sleep(0.1)
        seen = look()
    return seen
