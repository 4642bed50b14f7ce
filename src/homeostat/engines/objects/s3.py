"""Objects in any S3, through the minio client."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from homeostat.engines.objects import ObjectNotFound, Uris, split_uri
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.settings import S3Settings

CONNECT_SECONDS = 3
READ_SECONDS = 30
_ABSENT = {"NoSuchKey", "NoSuchObject", "NoSuchBucket"}
_BUSY = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"}


class S3Objects:
    """An object store that speaks S3."""

    def __init__(self, settings: S3Settings) -> None:
        url = urlsplit(settings.endpoint)
        self._endpoint = settings.endpoint
        self._pool = urllib3.PoolManager(
            maxsize=8,  # the operators' workers ask at the same time
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._client = Minio(
            url.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            secure=url.scheme == "https",
            region="us-east-1",  # spares a request for the bucket's region; servers other than AWS ignore it
            http_client=self._pool,
        )

    def read(self, uri: str) -> bytes:
        """See ObjectStore."""
        bucket, key = split_uri(uri)
        with self._translated(uri):
            response = self._client.get_object(bucket, key)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def write(self, uri: str, content: bytes) -> None:
        """See ObjectStore."""
        bucket, key = split_uri(uri)
        with self._translated(uri):
            self._client.put_object(bucket, key, io.BytesIO(content), len(content))

    def exists(self, uri: str) -> bool:
        """See ObjectStore."""
        bucket, key = split_uri(uri)
        try:
            with self._translated(uri):
                self._client.stat_object(bucket, key)
        except ObjectNotFound:
            return False
        return True

    def download(self, uri: str, path: Path) -> None:
        """See ObjectStore."""
        bucket, key = split_uri(uri)
        with self._translated(uri):
            self._client.fget_object(bucket, key, str(path))

    def upload(self, path: Path, uri: str) -> None:
        """See ObjectStore."""
        bucket, key = split_uri(uri)
        with self._translated(uri):
            self._client.fput_object(bucket, key, str(path))

    def list(self, prefix_uri: str) -> Uris:
        """See ObjectStore."""
        bucket, prefix = split_uri(prefix_uri)
        with self._translated(prefix_uri):
            found = self._client.list_objects(bucket, prefix=prefix, recursive=True)
            return sorted(f"s3://{bucket}/{item.object_name}" for item in found if not item.is_dir)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    @contextmanager
    def _translated(self, uri: str) -> Iterator[None]:
        """Turns the client's errors into ours."""
        try:
            yield
        except S3Error as error:
            if error.code in _ABSENT:
                raise ObjectNotFound(
                    f"{uri} does not exist; check the URI, and that the job that writes it has run"
                ) from error
            if error.code in _BUSY:
                raise self._unavailable(f"{error.code}: {error.message}") from error
            raise PlatformError(
                f"the object store {self._endpoint} refused {uri}: {error.code}: {error.message}; "
                "check HOMEOSTAT_S3_ACCESS_KEY, HOMEOSTAT_S3_SECRET_KEY and the rights of that key"
            ) from error
        except (urllib3.exceptions.HTTPError, ServerError, InvalidResponseError) as error:
            raise self._unavailable(str(error)) from error

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"the object store {self._endpoint} does not answer ({why}); check that it runs and that HOMEOSTAT_S3_ENDPOINT is right"
        )
