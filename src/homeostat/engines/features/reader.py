"""Lookup of online features; the predictor and the features service read through it."""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from homeostat.engines.features.layout import Metadata, Row, Value, metadata_key, named, row_key
from homeostat.reconcile.errors import EngineUnavailable, ObjectNotFound
from homeostat.settings import OnlineStoreSettings

TIMEOUT_SECONDS = 2.0
# A store that was restarted has closed every kept connection; the first request on each must not pay for it.
RETRY = Retry(ExponentialBackoff(cap=0.2, base=0.02), 3, supported_errors=(ConnectionLost,))

_metadata = msgspec.msgpack.Decoder(Metadata)
_row = msgspec.msgpack.Decoder(Row)


class FeatureReader:
    """Reads online features.

    Args:
        settings: The store.
        client: Replaces the client that the settings describe.
    """

    def __init__(self, settings: OnlineStoreSettings, client: Redis | None = None) -> None:
        self._url = settings.url.rpartition("@")[2]  # without the password
        self._client = client or Redis.from_url(
            settings.url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=RETRY
        )

    async def describe(self, namespace: str, feature_set: str) -> Metadata:
        """Schema of a FeatureSet, and through when it is materialised.

        Raises:
            ObjectNotFound: It was never materialised online.
            EngineUnavailable: The store does not answer.
        """
        return self._described(namespace, feature_set, (await self._get([metadata_key(namespace, feature_set)]))[0])

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Value] | None]:
        """Features of each entity by name, in the order of the keys; None for an entity that has no (readable) row.

        Raises:
            ObjectNotFound: The FeatureSet was never materialised online.
            EngineUnavailable: The store does not answer.
        """
        stored_keys = [metadata_key(namespace, feature_set), *(row_key(namespace, feature_set, key) for key in keys)]
        described, *rows = await self._get(stored_keys)
        metadata = self._described(namespace, feature_set, described)
        return [None if row is None else named(metadata, _row.decode(row)) for row in rows]

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _get(self, keys: list[str]) -> list[bytes | None]:
        try:
            found = await self._client.mget(keys)
        except (RedisError, OSError) as error:
            raise EngineUnavailable(
                f"the online store {self._url} does not answer ({error}); "
                "check that it runs and that HOMEOSTAT_ONLINE_STORE_URL is right"
            ) from error
        return [value if isinstance(value, bytes) else None for value in found]

    def _described(self, namespace: str, feature_set: str, stored: bytes | None) -> Metadata:
        if stored is None:
            raise ObjectNotFound(
                f"feature set {namespace}/{feature_set} has no online features; "
                "give it spec.online and wait until it is materialised"
            )
        return _metadata.decode(stored)
