"""Shows what is being waited for, and keeps how long everything took for a closing table."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

_REPEAT = 15.0  # seconds between signs of life where nothing can be overwritten

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Timing:
    """What took how long: `began` counts seconds from the start of the process."""

    label: str
    began: float
    seconds: float


_start = time.monotonic()
_timings: list[Timing] = []
LISTED_SECONDS = 1.0
"""What took less is no line of the closing table."""


@contextmanager
def timed(label: str) -> Iterator[None]:
    """Keeps how long the block took, without showing anything meanwhile."""
    began = time.monotonic()
    try:
        yield
    finally:
        _timings.append(Timing(label, began - _start, time.monotonic() - began))


def timings() -> list[Timing]:
    """What took at least `LISTED_SECONDS` in this process, in the order of beginning."""
    return sorted((each for each in _timings if each.seconds >= LISTED_SECONDS), key=lambda each: each.began)


def timings_table() -> Table:
    """The closing table; lines overlap where things ran at the same time."""
    rows = Table("what", "from second", "seconds", title="where the time went")
    for each in timings():
        rows.add_row(each.label, f"{each.began:.0f}", f"{each.seconds:.0f}")
    rows.add_row("total", "0", f"{time.monotonic() - _start:.0f}")
    return rows


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
        with timed(label):
            yield shown
        mark = "✓"
    finally:
        with _changes:
            _active.remove(shown)
            _changes.notify_all()
        console.print(f"  {mark} {shown}")
