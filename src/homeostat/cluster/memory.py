"""A Kubernetes API in memory, with the behaviour that its users rest on, and faults at every write.

The suite in tests/support/cluster_contract.py holds it to what a real API server does.
"""

import copy
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from homeostat.api.common import API_VERSION, format_time
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import ApiRefusal, Conflict, Labels, Listing, Manifest, WatchEvent, WatchExpired
from homeostat.cluster.events import event_manifest
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec

Address = tuple[str, str, str, str]
"""apiVersion, kind, namespace, name."""
EARLY = datetime(2026, 1, 5, 8, tzinfo=UTC)

_Change = tuple[int, Manifest | None, Manifest | None]
"""resourceVersion of a change, and the object before and after it."""


class MemoryCluster:
    """See ClusterAccess.

    Args:
        around: Called before and after every write with "before create", "after create" and so on; may raise.
        now: The API server's clock.
    """

    def __init__(
        self, around: Callable[[str], None] = lambda _: None, now: Callable[[], datetime] = lambda: EARLY
    ) -> None:
        self.objects: dict[Address, Manifest] = {}
        self.created: list[tuple[str, str, str]] = []
        self.events: dict[tuple[str, ...], str] = {}
        self.up = True
        self._outages = 0
        self._around = around
        self._now = now
        self._version = 0
        self._uids = itertools.count(1)
        self._changes: list[_Change] = []
        self._kept_from = 0
        self._changed = threading.Condition(threading.RLock())

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """See ClusterAccess."""
        self._answer()
        with self._changed:
            return copy.deepcopy(self.objects.get((api_version, kind, namespace, name)))

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Manifest]:
        """See ClusterAccess."""
        self._answer()
        with self._changed:
            return [
                copy.deepcopy(manifest)
                for (api, kind_, namespace_, _), manifest in sorted(self.objects.items())
                if (api, kind_) == (api_version, kind)
                and namespace in (None, namespace_)
                and _matches(manifest, labels)
                and all(_field(manifest, path) == value for path, value in (fields or {}).items())
            ]

    def listing(self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None) -> Listing:
        """See ClusterAccess."""
        with self._changed:
            return Listing(self.list(api_version, kind, namespace, labels), str(self._version))

    def watch(
        self, api_version: str, kind: str, labels: Labels | None, resource_version: str, seconds: int
    ) -> Iterator[WatchEvent]:
        """See ClusterAccess."""
        self._answer()
        version, deadline, outages = int(resource_version), time.monotonic() + seconds, self._outages
        while True:
            with self._changed:
                if version < self._kept_from:
                    raise WatchExpired(f"too old resource version: {version}") from ApiRefusal(410, "too old")
                news = [change for change in self._changes if change[0] > version]
                if not news and not self._changed.wait(deadline - time.monotonic()):
                    return
            if outages != self._outages:
                raise EngineUnavailable("the Kubernetes API does not answer: connection reset")
            version = news[-1][0] if news else version
            for _, before, after in news:
                about = after or before or {}
                if (about["apiVersion"], about["kind"]) == (api_version, kind):
                    yield from _watch_events(before, after, labels)

    def apply(self, manifest: Manifest) -> Manifest:
        """See ClusterAccess."""
        self._answer()
        self._around("before apply")
        old = self.objects.get(_address(manifest), {"metadata": self._identity()})
        merged = {**old, **copy.deepcopy(manifest), "metadata": {**old["metadata"], **manifest["metadata"]}}
        self._store(merged)
        self._around("after apply")
        return copy.deepcopy(self.objects[_address(manifest)])

    def create(self, manifest: Manifest, *, strict: bool = False) -> Manifest:
        """See ClusterAccess."""
        self._answer()
        self._around("before create")
        name = manifest["metadata"]["name"]
        if strict:
            _validate(manifest)
        if _address(manifest) in self.objects:
            text = f"{_resource(manifest)} {name!r} already exists".replace("'", '"')
            raise Conflict(text) from ApiRefusal(409, text)
        new = copy.deepcopy(manifest)
        new["metadata"] |= self._identity()
        self._store(new)
        self.created.append((new["kind"], name, new["metadata"]["uid"]))
        self._around("after create")
        return copy.deepcopy(new)

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """See ClusterAccess; the object is being deleted until `finish_deletions`."""
        self._answer()
        self._around("before delete")
        old = self.objects.get((api_version, kind, namespace, name))
        if old is not None and old["metadata"]["uid"] == uid:
            self._store({**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-01-05T09:00:00Z"}})
        self._around("after delete")

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """See ClusterAccess."""
        self._answer()
        self._around("before status")
        old = self.objects.get(_address(manifest))
        if old is None:
            return None
        if old["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified") from ApiRefusal(409, "the object has been modified")
        if not isinstance(manifest["status"], dict):
            raise InvalidSpec("status must be an object") from ApiRefusal(422, "status must be an object")
        new = {**old, "status": copy.deepcopy(manifest["status"])}
        self._store(new)
        self._around("after status")
        return copy.deepcopy(new)

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """See ClusterAccess."""
        self._answer()
        self._around("before event")
        meta = manifest["metadata"]
        event = event_manifest(manifest, type_, reason, message, now, "homeostat")
        if _address(event) not in self.objects:
            self.put(event)
        self.events[meta["uid"], meta["resourceVersion"], type_, reason, message] = now.isoformat()
        self._around("after event")

    # What others do to the cluster.

    def put(self, manifest: Manifest) -> Manifest:
        """Somebody else creates or replaces an object."""
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
        with self._changed:
            self._record(self.objects.pop(address), None)

    def finish_deletions(self) -> None:
        """The pods of what is being deleted are gone, and then the objects themselves."""
        for address in [a for a, manifest in self.objects.items() if "deletionTimestamp" in manifest["metadata"]]:
            self.vanish(address)

    def compact(self) -> None:
        """Changes until now are no longer kept: a watch that begins before them expires."""
        with self._changed:
            self._version += 1
            self._changes, self._kept_from = [], self._version
            self._changed.notify_all()

    def go_down(self) -> None:
        """The API server stops answering; watches end."""
        with self._changed:
            self.up = False
            self._outages += 1
            self._version += 1
            self._changed.notify_all()

    def _answer(self) -> None:
        if not self.up:
            raise EngineUnavailable("the Kubernetes API does not answer: connection refused")

    def _identity(self) -> Manifest:
        return {
            "uid": f"uid-{next(self._uids)}",
            "generation": 1,
            "creationTimestamp": format_time(self._now()),
        }

    def _store(self, manifest: Manifest) -> None:
        with self._changed:
            old = self.objects.get(_address(manifest))
            manifest["metadata"] = {**manifest["metadata"], "resourceVersion": str(self._version + 1)}
            self.objects[_address(manifest)] = manifest
            self._record(old, manifest)

    def _record(self, before: Manifest | None, after: Manifest | None) -> None:
        self._version += 1
        self._changes.append((self._version, before, after))
        self._changed.notify_all()


def _address(manifest: Manifest) -> Address:
    meta = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"]


def _resource(manifest: Manifest) -> str:
    """Plural and group of an object of ours, as the API server's messages spell them."""
    plurals = {kind.KIND: kind.PLURAL for kind in KINDS}
    group = manifest["apiVersion"].partition("/")[0]
    return f"{plurals[manifest['kind']]}.{group}" if manifest["kind"] in plurals else manifest["kind"]


def _matches(manifest: Manifest, labels: Labels | None) -> bool:
    own = manifest["metadata"].get("labels") or {}
    return all(
        own.get(name) in value if isinstance(value, tuple) else own.get(name) == value
        for name, value in (labels or {}).items()
    )


def _field(manifest: Manifest, path: str) -> Any:
    value: Any = manifest
    for name in path.split("."):
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return value


def _watch_events(before: Manifest | None, after: Manifest | None, labels: Labels | None) -> Iterator[WatchEvent]:
    was = before is not None and _matches(before, labels)
    if after is not None and _matches(after, labels):
        yield WatchEvent("MODIFIED" if was else "ADDED", copy.deepcopy(after))
    elif was:
        yield WatchEvent("DELETED", copy.deepcopy(after or before or {}))


def _validate(manifest: Manifest) -> None:
    """Refuses what strict field validation refuses of our kinds; the CRDs know more than the models do."""
    for kind in KINDS:
        if (manifest["apiVersion"], manifest["kind"]) != (API_VERSION, kind.KIND):
            continue
        try:
            kind.model_validate(manifest)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, first["loc"]))
            unknown = first["type"] == "extra_forbidden"
            text = f'strict decoding error: unknown field "{path}"' if unknown else f"{path}: {first['msg']}"
            raise InvalidSpec(f"the Kubernetes API refuses it: {text}") from ApiRefusal(400 if unknown else 422, text)
