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
        return f"{self.label}{detail} ({time.monotonic() - self.began:.0f} s)"


def _repeat(step: Step, done: threading.Event) -> None:
    while not done.wait(_REPEAT):
        console.print(f"  … {step}")


def _animate(step: Step, done: threading.Event) -> None:
    with console.status(str(step)) as status:
        while not done.wait(0.2):
            status.update(str(step))


@contextmanager
def step(label: str) -> Iterator[Step]:
    """Shows `label` until the block ends, then the seconds that it took."""
    shown = Step(label)
    done = threading.Event()
    thread = threading.Thread(target=_animate if sys.stderr.isatty() else _repeat, args=(shown, done), daemon=True)
    thread.start()
    try:
        yield shown
    except BaseException:
        console.print(f"  ✗ {shown}")
        raise
    else:
        detail = f" ({shown.detail})" if shown.detail else ""
        console.print(f"  ✓ {label}{detail} {time.monotonic() - shown.began:.1f} s")
    finally:
        done.set()
        thread.join()


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
