"""Says what is being waited for, and how long it took."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

_REPEAT = 15.0  # seconds between signs of life where nothing can be overwritten

console = Console(stderr=True, highlight=False)


class Step:
    """A thing being waited for; `detail` may change meanwhile."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.detail = ""
        self.began = time.monotonic()

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.label}{detail} ({time.monotonic() - self.began:.1f} s)"


_active: list[Step] = []
_changes = threading.Condition()
_showing = threading.Event()
"""Set while a thread shows the active steps; changed only with `_changes` held, so that there is never a second one."""


def _over() -> bool:
    """True, once, when there is nothing left to show."""
    with _changes:
        if not _active:
            _showing.clear()
        return not _active


def _animate() -> None:
    """Shows all active steps in one line; ends with the last of them."""
    with console.status("") as status:
        while not _over():
            status.update(", ".join(str(each) for each in _active))
            time.sleep(0.2)


def _repeat() -> None:
    """Where no line can be overwritten: all active steps now and then."""
    while not _over():
        with _changes:
            ended = _changes.wait_for(lambda: not _active, _REPEAT)
        if not ended:
            console.print(f"  … {', '.join(str(each) for each in _active)}")


@contextmanager
def step(label: str) -> Iterator[Step]:
    """Shows `label` until the block ends, then the seconds that it took. Steps may run at the same time."""
    shown = Step(label)
    with _changes:
        _active.append(shown)
        if not _showing.is_set():
            _showing.set()
            threading.Thread(target=_animate if sys.stderr.isatty() else _repeat, daemon=True).start()
    mark = "✗"
    try:
        yield shown
        mark = "✓"
    finally:
        with _changes:
            _active.remove(shown)
            _changes.notify_all()
        console.print(f"  {mark} {shown}")


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for `condition`.

    Raises:
        TimeoutError: it was not met within `seconds`; the message names `what`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds:.0f} s")
        time.sleep(0.1)
