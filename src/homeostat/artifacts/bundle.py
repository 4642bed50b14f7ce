"""Bundles: folders of files, named by the digest of their content.

``manifest.json`` lists every file with its digest and is written last; the digest of the bundle is that of the manifest.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from homeostat.documents import TolerantDocument
from homeostat.reconcile.errors import InvalidData

MANIFEST = "manifest.json"

T = TypeVar("T")


class BundleRef(TolerantDocument):
    """A bundle by its folder and its digest."""

    uri: str
    digest: str


class BundleManifest(TolerantDocument):
    """Content of ``manifest.json``."""

    files: dict[str, str]
    """Digest of each file by its name."""


def digest_of(content: bytes | Path) -> str:
    """``sha256:<hex>`` of bytes, or of those of a file."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(value: object) -> bytes:
    """JSON with one spelling, so that equal content has an equal digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def folder(prefix: str, digest: str) -> str:
    """Folder of content under a prefix, by its digest."""
    return f"{prefix.rstrip('/')}/{digest.removeprefix('sha256:')}"


def manifest_of(files: Mapping[str, bytes | Path]) -> bytes:
    """``manifest.json`` of these files."""
    return canonical({"files": {name: digest_of(content) for name, content in files.items()}})


def verify(where: str, content: bytes | Path, digest: str) -> None:
    """Compare content with its recorded digest.

    Raises:
        InvalidData: They differ.
    """
    found = digest_of(content)
    if found != digest:
        raise InvalidData(
            f"{where} has digest {found}, but {digest} is expected: it was changed; restore it or train again"
        )


def parse(kind: type[T], content: bytes, where: str) -> T:
    """A JSON file of a bundle as its type.

    Args:
        kind: A pydantic model, or any type that pydantic can validate.
        content: The file.
        where: Name of the file, for messages.

    Raises:
        InvalidData: The file lacks a field or has a wrong one; the text names file and field.
    """
    try:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_validate_json(content)
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise InvalidData(f"{where}: {place}: {first['msg']}; train the model again") from error
