"""The object store as runs use it: a brief outage is waited out, so that it does not cost an attempt."""

from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from homeostat.engines.objects import Listing, ObjectStore, Uris
from homeostat.engines.objects.s3 import S3Objects
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import S3Settings, load

PATIENCE_SECONDS = 60


class PatientObjects:
    """An object store that is asked again while it does not answer.

    Args:
        objects: The store itself; everything that runs write is written whole, so that writing again is harmless.
        patience: Seconds after which EngineUnavailable is passed on.
    """

    def __init__(self, objects: ObjectStore, patience: float = PATIENCE_SECONDS) -> None:
        self._objects = objects
        self._retrying = Retrying(
            retry=retry_if_exception_type(EngineUnavailable),
            wait=wait_exponential(multiplier=0.5, max=5),
            stop=stop_after_delay(patience),
            reraise=True,
        )

    def read(self, uri: str) -> bytes:
        """See ObjectStore."""
        return self._retrying(self._objects.read, uri)

    def write(self, uri: str, content: bytes) -> None:
        """See ObjectStore."""
        self._retrying(self._objects.write, uri, content)

    def exists(self, uri: str) -> bool:
        """See ObjectStore."""
        return self._retrying(self._objects.exists, uri)

    def download(self, uri: str, path: Path) -> None:
        """See ObjectStore."""
        self._retrying(self._objects.download, uri, path)

    def upload(self, path: Path, uri: str) -> None:
        """See ObjectStore."""
        self._retrying(self._objects.upload, path, uri)

    def list(self, prefix_uri: str) -> Uris:
        """See ObjectStore."""
        return self._retrying(self._objects.list, prefix_uri)

    def listing(self, prefix_uri: str) -> Listing:
        """See ObjectStore."""
        return self._retrying(self._objects.listing, prefix_uri)


def from_environment() -> ObjectStore:
    """The platform's object store."""
    return PatientObjects(S3Objects(load(S3Settings)))
