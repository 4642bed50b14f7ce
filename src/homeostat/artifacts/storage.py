"""Bundles in an object store."""

from collections.abc import Sequence
from typing import Protocol

from homeostat.artifacts.bundle import (
    MANIFEST,
    BundleManifest,
    BundleRef,
    digest_of,
    folder,
    manifest_of,
    parse,
    verify,
)
from homeostat.reconcile.errors import InvalidData, ObjectNotFound


class Objects(Protocol):
    """What bundles need of an object store; `homeostat.engines.objects.ObjectStore` has it."""

    def read(self, uri: str) -> bytes:
        """Content of an object; ObjectNotFound when there is none."""
        ...

    def write(self, uri: str, content: bytes) -> None:
        """Put an object, as a whole or not at all."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is an object."""
        ...


def store(objects: Objects, prefix: str, files: dict[str, bytes]) -> BundleRef:
    """Write a bundle; one that is there already is left as it is."""
    manifest = manifest_of(files)
    digest = digest_of(manifest)
    uri = folder(prefix, digest)
    if not objects.exists(f"{uri}/{MANIFEST}"):
        for name, content in files.items():
            objects.write(f"{uri}/{name}", content)
        objects.write(f"{uri}/{MANIFEST}", manifest)
    return BundleRef(uri=uri, digest=digest)


def fetch(objects: Objects, bundle: BundleRef, names: Sequence[str]) -> dict[str, bytes]:
    """Files of a bundle, each verified against its digest.

    Raises:
        InvalidData: The bundle or one of the files is gone, or is not what was stored under that digest.
        EngineUnavailable: The object store does not answer.
    """
    uri = bundle.uri.rstrip("/")
    manifest = _read(objects, f"{uri}/{MANIFEST}")
    verify(f"{uri}/{MANIFEST}", manifest, bundle.digest)
    digests = parse(BundleManifest, manifest, f"{uri}/{MANIFEST}").files
    files = {}
    for name in names:
        if name not in digests:
            raise InvalidData(f"{uri}/{MANIFEST} names no {name}: it is not a bundle of this kind; train again")
        files[name] = _read(objects, f"{uri}/{name}")
        verify(f"{uri}/{name}", files[name], digests[name])
    return files


def _read(objects: Objects, uri: str) -> bytes:
    try:
        return objects.read(uri)
    except ObjectNotFound as error:
        raise InvalidData(f"{uri} is gone; restore it or train again") from error
