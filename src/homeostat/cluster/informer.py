"""A local copy of all objects of one kind, kept up to date by list and watch in a thread of its own.

During an outage of the API server the last state stays: what reads it must not depend on the control plane.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import structlog

from homeostat.cluster import ClusterAccess, Labels, Listing, Manifest, WatchExpired
from homeostat.reconcile.errors import PlatformError

WATCH_SECONDS = 240
"""A watch ends after this, and a new list corrects whatever was missed."""
RETRY_SECONDS = 1.0

log = structlog.get_logger()
T = TypeVar("T")


class Informer(Generic[T]):
    """Keeps a mapping of what matters of each object, by ``namespace/name``.

    Args:
        cluster: Where objects are listed and watched.
        kind: apiVersion and kind.
        parse: What is kept of an object; None: nothing. May raise ValueError, KeyError or TypeError for one that it
            cannot read: then the last readable state of that object stays.
        publish: Called with the whole mapping after each list and each change, in the informer's thread.
        labels: Which objects.
        retry_seconds: Pause after the API server did not answer.
    """

    def __init__(
        self,
        cluster: ClusterAccess,
        kind: tuple[str, str],
        parse: Callable[[Manifest], T | None],
        publish: Callable[[Mapping[str, T]], None],
        labels: Labels | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._kind, self._labels = kind, labels
        self._parse, self._publish = parse, publish
        self._retry_seconds = retry_seconds
        self._state: dict[str, T] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        """Follows in a thread that ends with the process, or after `stop`."""
        threading.Thread(target=self._follow, name=f"informer-{self._kind[1]}", daemon=True).start()

    def stop(self) -> None:
        """Publishes nothing more once the change at hand is done; the thread ends with its watch."""
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch(self._list())
            except WatchExpired:
                continue
            except PlatformError as error:
                log.warning("the last state stays", kind=self._kind[1], error=str(error).splitlines()[0])
            except Exception:
                # Nobody would start this thread again.
                log.exception("unexpected", kind=self._kind[1])
            else:
                continue
            self._stopped.wait(self._retry_seconds)

    def _list(self) -> Listing:
        listing = self._cluster.listing(*self._kind, None, self._labels)
        present = {_key(manifest) for manifest in listing.items}
        self._state = {key: kept for key, kept in self._state.items() if key in present}
        for manifest in listing.items:
            self._keep(manifest)
        self._published()
        return listing

    def _watch(self, listing: Listing) -> None:
        events = self._cluster.watch(*self._kind, self._labels, listing.resource_version, WATCH_SECONDS)
        for event in events:
            if self._stopped.is_set():
                return
            if event.type == "DELETED":
                self._state.pop(_key(event.manifest), None)
            else:
                self._keep(event.manifest)
            self._published()

    def _published(self) -> None:
        self._publish(dict(self._state))

    def _keep(self, manifest: Manifest) -> None:
        key = _key(manifest)
        try:
            parsed = self._parse(manifest)
        except (ValueError, KeyError, TypeError) as error:
            # One broken object must not take others' state, or its own, away.
            log.warning("an object cannot be read; its last state stays", kind=self._kind[1], key=key, error=str(error))
            return
        if parsed is None:
            self._state.pop(key, None)
        else:
            self._state[key] = parsed


def _key(manifest: Manifest) -> str:
    meta = manifest["metadata"]
    return f"{meta['namespace']}/{meta['name']}"
