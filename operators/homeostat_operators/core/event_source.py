"""From watch events to keys: nothing is decided here, and nothing is read or written."""

from typing import Any

from homeostat.cluster import Manifest
from homeostat.reconcile.names import KIND_LABEL, NAME_LABEL
from homeostat_operators.core.dependencies import Dependency
from homeostat_operators.core.workqueue import Key, WorkQueue

_CAUSES = ("generation", "labels", "annotations", "deletionTimestamp")


def key_of(manifest: Manifest) -> Key:
    """Key of an object of ours."""
    return Key(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


class EventSource:
    """Puts keys of one kind into its queue.

    It keeps the objects of the kind as the watch last showed them, only to tell which of them an event concerns.
    """

    def __init__(self, kind: str, queue: WorkQueue) -> None:
        self._kind = kind
        self._queue = queue
        self._cache: dict[Key, Manifest] = {}

    def own(self, event: str | None, manifest: Manifest) -> None:
        """An object of the kind itself was listed (None), ADDED, MODIFIED or DELETED.

        It queues itself only when something changed that we do not write, so that a status never feeds itself.
        """
        key = key_of(manifest)
        if event == "DELETED":
            self._cache.pop(key, None)
            return
        before = self._cache.get(key)
        self._cache[key] = manifest
        if before is None or _causes(before) != _causes(manifest):
            self._queue.add(key)

    def child(self, manifest: Manifest) -> None:
        """A labelled child changed: its parent looks at it."""
        labels = manifest["metadata"].get("labels", {})
        if labels.get(KIND_LABEL) == self._kind and NAME_LABEL in labels:
            self._queue.add(Key(manifest["metadata"]["namespace"], labels[NAME_LABEL]))

    def source(self, dependency: Dependency, manifest: Manifest) -> None:
        """An object that objects of the kind depend on changed: those concerned look again."""
        namespace = manifest["metadata"]["namespace"]
        for key, cached in list(self._cache.items()):
            if key.namespace == namespace and dependency.concerns(manifest, cached):
                self._queue.add(key)


def _causes(manifest: Manifest) -> tuple[Any, ...]:
    # A new uid is a new object of the same name, whose deletion in between the watch may not have shown.
    return (manifest["metadata"]["uid"], *(manifest["metadata"].get(field) for field in _CAUSES))
