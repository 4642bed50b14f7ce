"""Bundles in an object store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
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

    def download(self, uri: str, path: Path) -> None:
        """Copy an object to a file; ObjectNotFound when there is none."""
        ...

    def upload(self, path: Path, uri: str) -> None:
        """Copy a file to an object, as a whole or not at all."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is an object."""
        ...


def store(objects: Objects, prefix: str, files: Mapping[str, bytes | Path]) -> BundleRef:
    """Write a bundle; one that is there already is left as it is.

    Args:
        objects: Where to.
        prefix: Folder of the bundle's folder.
        files: Content of each file, or a local file that has it.
    """
    manifest = manifest_of(files)
    digest = digest_of(manifest)
    uri = folder(prefix, digest)
    if not objects.exists(f"{uri}/{MANIFEST}"):
        for name, content in files.items():
            if isinstance(content, Path):
                objects.upload(content, f"{uri}/{name}")
            else:
                objects.write(f"{uri}/{name}", content)
        objects.write(f"{uri}/{MANIFEST}", manifest)
    return BundleRef(uri=uri, digest=digest)


def fetch(objects: Objects, bundle: BundleRef, names: Sequence[str]) -> dict[str, bytes]:
    """Files of a bundle, each verified against its digest.

    Raises:
        InvalidData: The bundle or one of the files is gone, or is not what was stored under that digest.
        EngineUnavailable: The object store does not answer.
    """
    files = {}
    for name, (uri, digest) in _digests(objects, bundle, names).items():
        with _there(uri):
            files[name] = objects.read(uri)
        verify(uri, files[name], digest)
    return files


def fetch_file(objects: Objects, bundle: BundleRef, name: str, path: Path) -> None:
    """Copies one file of a bundle to a local one, verified against its digest; for files that memory may not hold.

    Raises:
        InvalidData, EngineUnavailable: As `fetch`.
    """
    ((uri, digest),) = _digests(objects, bundle, [name]).values()
    with _there(uri):
        objects.download(uri, path)
    verify(uri, path, digest)


def _digests(objects: Objects, bundle: BundleRef, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Place and digest of files of a bundle."""
    folder_uri = bundle.uri.rstrip("/")
    where = f"{folder_uri}/{MANIFEST}"
    with _there(where):
        manifest = objects.read(where)
    verify(where, manifest, bundle.digest)
    digests = parse(BundleManifest, manifest, where).files
    for name in names:
        if name not in digests:
            raise InvalidData(f"{where} names no {name}: it is not a bundle of this kind; train again")
    return {name: (f"{folder_uri}/{name}", digests[name]) for name in names}


@contextmanager
def _there(uri: str) -> Iterator[None]:
    try:
        yield
    except ObjectNotFound as error:
        raise InvalidData(f"{uri} is gone; restore it or train again") from error
