"""The Kubernetes API as everything here uses it: a few verbs on plain manifests."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

Manifest = dict[str, Any]
"""A Kubernetes object as its JSON says it."""


class Conflict(Exception):  # noqa: N818 - a state to look at again, not a failure
    """The object is not in the state that was expected: observe again."""


class ClusterAccess(Protocol):
    """The Kubernetes API as the loop needs it; objects are plain manifests.

    Every method raises EngineUnavailable when the API server does not answer, InvalidSpec with the server's words when it
    refuses an object, Conflict when the object is not in the expected state, PlatformError when a permission is lacking.
    """

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, or None."""
        ...

    def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str | None] | None = None
    ) -> list[Manifest]:
        """Objects of a namespace (None: of all) that carry the labels, and lack those whose value is None."""
        ...

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply, as owner of the fields in the manifest."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Creates an object; Conflict when the name is taken."""
        ...

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes the object with this uid, in the foreground; one that is gone is well."""
        ...

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """Writes status at the manifest's resourceVersion; Conflict when it has moved on, None when it is gone."""
        ...

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """Writes an Event about an object; the same event of the same state of the object is written once."""
        ...
