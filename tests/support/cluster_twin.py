"""A Kubernetes API in memory with the behaviour that the loop rests on, and faults at every write.

What it claims is held against the real API server by the suite in tests/contract/operators.
"""

import copy
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from homeostat.api.common import format_time
from homeostat.cluster import Conflict, Manifest
from homeostat.reconcile.errors import InvalidSpec

Address = tuple[str, str, str, str]
EARLY = datetime(2026, 1, 5, 8, tzinfo=UTC)


class MemoryCluster:
    """See ClusterAccess; ``around`` is called before and after every write and may raise, ``now`` is the API server's clock."""

    def __init__(
        self, around: Callable[[str], None] = lambda _: None, now: Callable[[], datetime] = lambda: EARLY
    ) -> None:
        self.objects: dict[Address, Manifest] = {}
        self.created: list[tuple[str, str, str]] = []
        self.events: dict[tuple[str, ...], str] = {}
        self._around = around
        self._now = now
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        return copy.deepcopy(self.objects.get((api_version, kind, namespace, name)))

    def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str | None] | None = None
    ) -> list[Manifest]:
        return [
            copy.deepcopy(manifest)
            for (api, kind_, namespace_, _), manifest in sorted(self.objects.items())
            if (api, kind_) == (api_version, kind)
            and namespace in (None, namespace_)
            and all(manifest["metadata"].get("labels", {}).get(name) == value for name, value in (labels or {}).items())
        ]

    def apply(self, manifest: Manifest) -> Manifest:
        self._around("before apply")
        old = self.objects.get(_address(manifest), {"metadata": self._identity()})
        merged = {**old, **copy.deepcopy(manifest), "metadata": {**old["metadata"], **manifest["metadata"]}}
        self._store(merged)
        self._around("after apply")
        return copy.deepcopy(merged)

    def create(self, manifest: Manifest) -> Manifest:
        self._around("before create")
        if _address(manifest) in self.objects:
            raise Conflict(f"{manifest['metadata']['name']} already exists")
        new = copy.deepcopy(manifest)
        new["metadata"] |= self._identity()
        self._store(new)
        self.created.append((new["kind"], new["metadata"]["name"], new["metadata"]["uid"]))
        self._around("after create")
        return copy.deepcopy(new)

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        self._around("before delete")
        found = self.objects.get((api_version, kind, namespace, name))
        if found is not None and found["metadata"]["uid"] == uid:
            found["metadata"]["deletionTimestamp"] = "2026-01-05T09:00:00Z"
            self._store(found)
        self._around("after delete")

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        self._around("before status")
        old = self.objects.get(_address(manifest))
        if old is None:
            return None
        if old["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        if not isinstance(manifest["status"], dict):
            raise InvalidSpec("status must be an object")
        new = {**old, "status": copy.deepcopy(manifest["status"])}
        self._store(new)
        self._around("after status")
        return copy.deepcopy(new)

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        self._around("before event")
        meta = manifest["metadata"]
        self.events[meta["uid"], meta["resourceVersion"], type_, reason, message] = now.isoformat()
        self._around("after event")

    # What others do to the cluster.

    def put(self, manifest: Manifest) -> Manifest:
        """Somebody else creates an object."""
        new = copy.deepcopy(manifest)
        new["metadata"] = {**self._identity(), **new["metadata"]}
        self._store(new)
        return copy.deepcopy(new)

    def change(self, address: Address, **fields: Any) -> None:
        """Somebody else changes fields of an object; a change of spec makes a new generation."""
        new = {**self.objects[address], **copy.deepcopy(fields)}
        if "spec" in fields:
            new["metadata"] = {**new["metadata"], "generation": new["metadata"]["generation"] + 1}
        self._store(new)

    def vanish(self, address: Address) -> None:
        """An object is gone for good, whoever deleted it."""
        del self.objects[address]

    def finish_deletions(self) -> None:
        """The pods of what is being deleted are gone, and then the objects themselves."""
        for address in [a for a, manifest in self.objects.items() if "deletionTimestamp" in manifest["metadata"]]:
            del self.objects[address]

    def _identity(self) -> Manifest:
        return {
            "uid": f"uid-{next(self._uids)}",
            "generation": 1,
            "creationTimestamp": format_time(self._now()),
        }

    def _store(self, manifest: Manifest) -> None:
        manifest["metadata"] = {**manifest["metadata"], "resourceVersion": str(next(self._versions))}
        self.objects[_address(manifest)] = manifest


def _address(manifest: Manifest) -> Address:
    meta = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"]
