"""Objects in memory."""

import hashlib
from pathlib import Path

from homeostat.engines.objects import Listing, ObjectNotFound, StoredObject, Uris, split_uri


class MemoryObjects:
    """An object store in memory; ``content`` maps each URI to its bytes."""

    def __init__(self, content: dict[str, bytes] | None = None) -> None:
        self.content = dict(content or {})

    def read(self, uri: str) -> bytes:
        """See ObjectStore."""
        split_uri(uri)
        try:
            return self.content[uri]
        except KeyError:
            raise ObjectNotFound(
                f"{uri} does not exist; check the URI, and that the job that writes it has run"
            ) from None

    def write(self, uri: str, content: bytes) -> None:
        """See ObjectStore."""
        split_uri(uri)
        self.content[uri] = content

    def exists(self, uri: str) -> bool:
        """See ObjectStore."""
        split_uri(uri)
        return uri in self.content

    def download(self, uri: str, path: Path) -> None:
        """See ObjectStore."""
        content = self.read(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def upload(self, path: Path, uri: str) -> None:
        """See ObjectStore."""
        self.write(uri, path.read_bytes())

    def list(self, prefix_uri: str) -> Uris:
        """See ObjectStore."""
        split_uri(prefix_uri)
        return sorted(uri for uri in self.content if uri.startswith(prefix_uri))

    def listing(self, prefix_uri: str) -> Listing:
        """See ObjectStore."""
        found = ((uri, self.content[uri]) for uri in self.list(prefix_uri))
        return [StoredObject(uri, len(content), hashlib.sha256(content).hexdigest()) for uri, content in found]
