"""Objects in any S3, through the minio client."""

import io
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, assert_never
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from minio import Minio
from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider, Provider, StaticProvider
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.sse import Sse, SseKMS, SseS3

from homeostat.engines.objects import Listing, ObjectNotFound, StoredObject, Uris, split_uri
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.settings import AddressingStyle, Encryption, S3Settings

CONNECT_SECONDS = 3
READ_SECONDS = 30
_ABSENT = {"NoSuchKey", "NoSuchObject"}
_BUSY = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout"}
_REMEDIES = {
    "AccessDenied": "give the key rights on the bucket",
    "AuthorizationHeaderMalformed": "set HOMEOSTAT_S3_REGION to the region of the bucket; it is {region}",
    "ExpiredToken": "renew HOMEOSTAT_S3_SESSION_TOKEN and its keys",
    "InvalidAccessKeyId": "check HOMEOSTAT_S3_ACCESS_KEY",
    "InvalidToken": "check HOMEOSTAT_S3_SESSION_TOKEN",
    "NoSuchBucket": "create the bucket, or correct the URI or HOMEOSTAT_S3_BUCKET",
    "PermanentRedirect": "check HOMEOSTAT_S3_ENDPOINT, HOMEOSTAT_S3_REGION, which is {region}, and HOMEOSTAT_S3_ADDRESSING_STYLE",
    "SignatureDoesNotMatch": "check HOMEOSTAT_S3_SECRET_KEY and HOMEOSTAT_S3_REGION, which is {region}",
}
_OTHER_REMEDY = "check HOMEOSTAT_S3_ACCESS_KEY, HOMEOSTAT_S3_SECRET_KEY and the rights of that key"


class S3Objects:
    """An object store that speaks S3."""

    def __init__(self, settings: S3Settings) -> None:
        url = urlsplit(settings.endpoint)
        self._endpoint, self._region = settings.endpoint, settings.region
        self._pool = _pool(settings)
        self._sse = _encryption(settings)
        self._client = Minio(
            url.netloc,
            credentials=_credentials(settings),
            secure=url.scheme == "https",
            region=settings.region,  # spares a request for the bucket's region
            http_client=self._pool,
        )
        match settings.addressing_style:
            case AddressingStyle.PATH:
                self._client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
            case AddressingStyle.VIRTUAL_HOST:
                self._client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
            case AddressingStyle.AUTO:
                pass
            case _:
                assert_never(settings.addressing_style)

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
            self._client.put_object(bucket, key, io.BytesIO(content), len(content), sse=self._sse)

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
            self._client.fput_object(bucket, key, str(path), sse=self._sse)

    def list(self, prefix_uri: str) -> Uris:
        """See ObjectStore."""
        return [found.uri for found in self.listing(prefix_uri)]

    def listing(self, prefix_uri: str) -> Listing:
        """See ObjectStore."""
        bucket, prefix = split_uri(prefix_uri)
        with self._translated(prefix_uri):
            found = self._client.list_objects(bucket, prefix=prefix, recursive=True)
            return sorted(
                StoredObject(f"s3://{bucket}/{item.object_name}", item.size or 0, item.etag or "")
                for item in found
                if not item.is_dir
            )

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
            raise self._refused(uri, error) from error
        except urllib3.exceptions.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise EngineUnavailable(
                    f"the certificate of the object store {self._endpoint} is not trusted ({error}); set "
                    "HOMEOSTAT_S3_CA_BUNDLE to the certificates that sign it"
                ) from error
            raise self._unavailable(str(error)) from error
        except (ServerError, InvalidResponseError) as error:
            raise self._unavailable(str(error)) from error
        except (MinioException, ValueError, OSError) as error:  # what the client raises without credentials
            raise PlatformError(
                f"the object store {self._endpoint} was not asked for {uri}: {error}; set HOMEOSTAT_S3_ACCESS_KEY and "
                "HOMEOSTAT_S3_SECRET_KEY, or give the pod an identity"
            ) from error

    def _refused(self, uri: str, error: S3Error) -> PlatformError:
        code, message = str(error.code), str(error.message)
        # Servers disagree on the code of a wrong region, but all name it.
        wrong_region = "region" in message.lower()
        remedy = _REMEDIES.get("AuthorizationHeaderMalformed" if wrong_region else code, _OTHER_REMEDY)
        return PlatformError(
            f"the object store {self._endpoint} refused {uri}: {code}: {message}; {remedy.format(region=self._region)}"
        )

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"the object store {self._endpoint} does not answer ({why}); check that it runs and that HOMEOSTAT_S3_ENDPOINT is right"
        )


def _pool(settings: S3Settings) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "maxsize": 8,  # the operators' workers ask at the same time
        "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        "retries": urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    }
    if settings.ca_bundle:
        options["ssl_context"] = ssl.create_default_context(cadata=settings.ca_bundle)
    return _connections(settings.endpoint, options)


def _connections(address: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """Connections to an address, through the proxy of the environment where it asks for one."""
    url = urlsplit(address)
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(url.hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _credentials(settings: S3Settings) -> Provider:
    if settings.access_key:
        token = settings.session_token.get_secret_value() or None
        return StaticProvider(settings.access_key, settings.secret_key.get_secret_value(), token)
    return ChainedProvider([EnvAWSProvider(), _identity(settings.region)])


def _identity(region: str) -> Provider:
    """Keys for the identity of the pod: from a token service for a web identity token, else from the node."""
    # With the client of its own it would wait five minutes for an instance's metadata where there is none.
    impatient: dict[str, Any] = {"timeout": urllib3.Timeout(connect=1, read=5), "retries": urllib3.Retry(total=1)}
    if not os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return IamAwsProvider(http_client=urllib3.PoolManager(**impatient), region=region)  # no proxy reaches the node
    own = os.environ.get("AWS_ENDPOINT_URL_STS") or None
    client = _connections(own or "https://sts.amazonaws.com", impatient)
    return IamAwsProvider(http_client=client, region=region, custom_endpoint=own)


def _encryption(settings: S3Settings) -> Sse | None:
    match settings.encryption:
        case Encryption.NONE:
            return None
        case Encryption.S3:
            return SseS3()
        case Encryption.KMS:
            return SseKMS(settings.kms_key, {})
        case _:
            assert_never(settings.encryption)
