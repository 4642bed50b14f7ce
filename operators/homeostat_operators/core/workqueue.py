"""The work queue: keys, each worked on by one thread at a time, with due times and back-off."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

BASE_SECONDS = 1.0
LONGEST_SECONDS = 300.0


@dataclass(frozen=True, order=True)
class Key:
    """Namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class WorkQueue:
    """Keys with the time at which each is due; a key that is added again keeps the earlier time.

    A key that is being worked on is not handed out a second time; what is added meanwhile is handed out afterwards.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._due: dict[Key, float] = {}
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        """Number of keys that are due now and wait for a worker."""
        with self._changed:
            now = self._now()
            return sum(1 for key, due in self._due.items() if due <= now and key not in self._working)

    def add(self, key: Key, delay: timedelta = timedelta()) -> None:
        """Makes a key due after a delay, or earlier if it is due earlier already."""
        due = self._now() + delay.total_seconds()
        with self._changed:
            self._due[key] = min(due, self._due.get(key, due))
            self._changed.notify()

    def take(self) -> Key | None:
        """Waits for a due key that nobody works on and hands it out; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                now = self._now()
                waiting = [(due, key) for key, due in self._due.items() if key not in self._working]
                first = min(waiting, default=None)
                if first is not None and first[0] <= now:
                    key = first[1]
                    del self._due[key]
                    self._working.add(key)
                    return key
                self._changed.wait(None if first is None else first[0] - now)
            return None

    def done(self, key: Key, requeue_after: timedelta | None) -> None:
        """Ends the work on a key that went as expected; it is due again after ``requeue_after``, if given."""
        with self._changed:
            self._failures.pop(key, None)
        self._release(key, requeue_after)

    def failed(self, key: Key) -> timedelta:
        """Ends the work on a key that failed unexpectedly; it is due again after the time returned.

        Exponential back-off with full jitter in its upper half, so that many keys do not come back together.
        """
        with self._changed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(BASE_SECONDS * 2.0 ** min(count, 20), LONGEST_SECONDS)
        delay = timedelta(seconds=random.uniform(longest / 2, longest))
        self._release(key, delay)
        return delay

    def close(self) -> None:
        """Hands out nothing any more; workers end after what they are at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _release(self, key: Key, delay: timedelta | None) -> None:
        if delay is not None:
            self.add(key, delay)
        with self._changed:
            self._working.discard(key)
            self._changed.notify()
