"""The console's one sight of the cluster, refreshed often while somebody looks and seldom otherwise.

It gathers the judged windows of signals as they pass, since the console started: status keeps only the last one.
"""

import asyncio
from collections import deque

import structlog

from homeostat.api.v1alpha1 import Monitor
from homeostat.cluster import ClusterAccess
from homeostat.reconcile.errors import PlatformError
from homeostat.reconcile.stored import read_all
from homeostat.views.monitors import Window, judged_windows
from homeostat.views.snapshot import Snapshot, read_snapshot

WATCHED_SECONDS = 1.0
UNWATCHED_SECONDS = 15.0
HISTORY = 60
"""Windows kept of each signal."""

log = structlog.get_logger()


class State:
    """The newest snapshot, and who waits for a newer one."""

    def __init__(self, cluster: ClusterAccess) -> None:
        self._cluster = cluster
        self._wake = asyncio.Event()
        self._news = asyncio.Condition()
        self.snapshot: Snapshot | None = None
        self.outage: str | None = "the initial list of the cluster's objects is not complete"
        self.windows: dict[tuple[str, str, str], deque[Window]] = {}
        self.watchers = 0

    async def refresh(self) -> None:
        """Read the cluster once; when it cannot be read, the last snapshot stays and `outage` says why."""
        try:
            self.snapshot = await asyncio.to_thread(read_snapshot, self._cluster)
            self.outage = None
        except PlatformError as error:
            self.outage = str(error)
            log.warning("the cluster cannot be read", error=self.outage)
        else:
            self._gather(self.snapshot)
        async with self._news:
            self._news.notify_all()

    def _gather(self, snapshot: Snapshot) -> None:
        newest = judged_windows(read_all(Monitor, snapshot.objects.get(Monitor.PLURAL, []))[0])
        for key, window in newest.items():
            gathered = self.windows.setdefault(key, deque(maxlen=HISTORY))
            if not gathered or gathered[-1][0] != window[0]:
                gathered.append(window)
        for gone in self.windows.keys() - newest.keys():
            del self.windows[gone]

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            try:
                await self.refresh()
            except Exception:
                # An object that this version cannot read must not end the page for all the others.
                self.outage = "an object cannot be displayed; the console's log names it"
                log.exception("the cluster's objects cannot be shown")
            self._wake.clear()
            pause = WATCHED_SECONDS if self.watchers else UNWATCHED_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def begin_watch(self) -> None:
        """Somebody looks: refresh at once, and often."""
        self.watchers += 1
        self._wake.set()

    def end_watch(self) -> None:
        """Somebody looks no more."""
        self.watchers -= 1

    async def news(self, seconds: float) -> None:
        """Wait for the next refresh, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait()
        except TimeoutError:
            return
