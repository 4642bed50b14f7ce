"""Content-addressed folders of files: models and datasets.

``manifest.json`` names every file with its digest and is written last; the digest of the bundle is the manifest's own.
"""

import hashlib
import json

from homeostat.engines.objects import ObjectNotFound, ObjectStore
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import StoredModel

MANIFEST = "manifest.json"


def digest_of(content: bytes) -> str:
    """``sha256:<hex>`` of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(value: object) -> bytes:
    """JSON with one spelling, so that equal content has an equal digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def folder(prefix: str, digest: str) -> str:
    """Folder of content under a prefix, by its digest."""
    return f"{prefix.rstrip('/')}/{digest.removeprefix('sha256:')}"


def store(objects: ObjectStore, prefix: str, files: dict[str, bytes]) -> StoredModel:
    """Writes a bundle; one that is there already is left as it is."""
    manifest = canonical({"files": {name: digest_of(content) for name, content in files.items()}})
    digest = digest_of(manifest)
    uri = folder(prefix, digest)
    if not objects.exists(f"{uri}/{MANIFEST}"):
        for name, content in files.items():
            objects.write(f"{uri}/{name}", content)
        objects.write(f"{uri}/{MANIFEST}", manifest)
    return StoredModel(uri=uri, digest=digest)


def fetch(objects: ObjectStore, stored: StoredModel, names: list[str]) -> dict[str, bytes]:
    """Files of a bundle, each checked against its digest.

    Raises:
        InvalidData: The bundle is not there or not what was stored under that digest.
    """
    uri = stored.uri.rstrip("/")
    manifest = _read(objects, f"{uri}/{MANIFEST}")
    _check(f"{uri}/{MANIFEST}", manifest, stored.digest)
    digests = json.loads(manifest)["files"]
    files = {}
    for name in names:
        if name not in digests:
            raise InvalidData(f"{uri} has no file {name}; it is not a bundle of this kind, train again")
        files[name] = _read(objects, f"{uri}/{name}")
        _check(f"{uri}/{name}", files[name], digests[name])
    return files


def _read(objects: ObjectStore, uri: str) -> bytes:
    try:
        return objects.read(uri)
    except ObjectNotFound as error:
        raise InvalidData(f"{uri} is gone; restore it or train again") from error


def _check(uri: str, content: bytes, digest: str) -> None:
    found = digest_of(content)
    if found != digest:
        raise InvalidData(f"{uri} has digest {found}, recorded is {digest}: it was changed; restore it or train again")
