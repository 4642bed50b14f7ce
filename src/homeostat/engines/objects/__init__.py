"""Objects: immutable files by URI, ``s3://bucket/key``."""

from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple, Protocol

from homeostat.reconcile.errors import InvalidSpec, ObjectNotFound

__all__ = ["Listing", "ObjectNotFound", "ObjectStore", "StoredObject", "Uris", "split_uri"]


class StoredObject(NamedTuple):
    """What a listing shows of an object."""

    uri: str
    size: int
    """Bytes."""
    etag: str
    """Changes with the content."""


Uris = list[str]
Listing = list[StoredObject]


class ObjectStore(Hashable, Protocol):
    """An object store.

    Every method raises EngineUnavailable when the store does not answer, and PlatformError when it refuses.
    """

    def read(self, uri: str) -> bytes:
        """Content of an object; ObjectNotFound when there is none."""
        ...

    def write(self, uri: str, content: bytes) -> None:
        """Puts an object, as a whole or not at all."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is an object."""
        ...

    def download(self, uri: str, path: Path) -> None:
        """Copies an object to a file, as a whole or not at all; ObjectNotFound when there is none."""
        ...

    def upload(self, path: Path, uri: str) -> None:
        """Copies a file to an object, as a whole or not at all."""
        ...

    def list(self, prefix_uri: str) -> Uris:
        """URIs of all objects whose URI begins with the prefix, sorted."""
        ...

    def listing(self, prefix_uri: str) -> Listing:
        """The same objects in the same order, with what tells whether they have changed."""
        ...


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; a prefix may have an empty key.

    Raises:
        InvalidSpec: The URI has another form.
    """
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not slash:
        raise InvalidSpec(f"uri {uri!r} does not name an object; write s3://bucket/key")
    return bucket, key
