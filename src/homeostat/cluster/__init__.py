"""The Kubernetes API as everything here uses it: a few verbs on plain manifests.

`kubernetes` speaks to an API server (found and signed in to by `connection`), `memory` is the twin for tests, `informer`
keeps a local copy of objects up to date, `once` creates numbered children.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Manifest = dict[str, Any]
"""A Kubernetes object as its JSON has it."""

Labels = Mapping[str, str | tuple[str, ...] | None]
"""Label selector: a value, one of several values, or None for a label that must be absent."""

Kinds = Mapping[tuple[str, str], str]
"""Plurals by (apiVersion, kind)."""


class Conflict(Exception):  # noqa: N818 - a state to look at again, not a failure
    """The object is not in the state that was expected: observe again."""


class WatchExpired(Exception):  # noqa: N818 - the ordinary end of a watch that fell behind
    """The API server no longer has the changes since a resourceVersion: list again."""


class ApiRefusal(Exception):  # noqa: N818 - an answer; what it means is the error that it causes
    """An answer of the API server that is not a success.

    Every error of a ClusterAccess that an answer led to has it as its ``__cause__``.

    Attributes:
        status: HTTP status.
        message: The server's own sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


def refusal_behind(error: BaseException) -> ApiRefusal | None:
    """The answer of the API server that led to an error; None when there was no answer."""
    return error.__cause__ if isinstance(error.__cause__, ApiRefusal) else None


@dataclass(frozen=True)
class Listing:
    """The objects of a list, and the state of the cluster that they were read at."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """A change of one object: ADDED, MODIFIED or DELETED."""

    type: str
    manifest: Manifest


class ListObjects(Protocol):
    """Reads the objects of a kind."""

    def __call__(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        labels: Labels | None = None,
        /,
        fields: Mapping[str, str] | None = None,
    ) -> list[Manifest]:
        """Objects of a namespace (None: of all) that match the labels, and the fields by their dotted paths."""
        ...


class ClusterAccess(Protocol):
    """The Kubernetes API; objects are plain manifests, and every method may be called from any thread.

    Every method raises EngineUnavailable when the API server does not answer, InvalidSpec with the server's words when it
    refuses an object, Conflict when the object is not in the expected state, PlatformError when a permission is lacking.
    Nothing is retried.
    """

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, or None; the namespace of a cluster-scoped object is empty."""
        ...

    @property
    def list(self) -> ListObjects:
        """Lists objects; what needs no more of the API than this takes the bare function."""
        ...

    def listing(self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None) -> Listing:
        """As `list`, with the resourceVersion that a watch continues from."""
        ...

    def watch(
        self, api_version: str, kind: str, labels: Labels | None, resource_version: str, seconds: int
    ) -> Iterator[WatchEvent]:
        """Changes of objects of all namespaces since a resourceVersion; ends after some seconds.

        An object that no longer matches the labels is DELETED.

        Raises:
            WatchExpired: The changes since then are no longer kept.
        """
        ...

    def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply, as owner of the fields in the manifest."""
        ...

    def create(self, manifest: Manifest, *, strict: bool = False) -> Manifest:
        """Creates an object; Conflict when the name is taken. ``strict`` refuses fields that the kind does not have.

        A manifest without a namespace is cluster-scoped. Reviews, which are answered and not stored, are created as well.
        """
        ...

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """Deletes the object with this uid, in the foreground; one that is gone already is no error."""
        ...

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """Writes status at the manifest's resourceVersion; Conflict when it has moved on, None when it is gone."""
        ...

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """Writes an Event about an object; the same event of the same state of the object is written once."""
        ...
