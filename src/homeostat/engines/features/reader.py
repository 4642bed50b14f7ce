"""Lookup of online features; the predictor and the features service read through it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut

from homeostat.engines.features.layout import Metadata, Row, Value, metadata_key, named, row_key
from homeostat.reconcile.errors import EngineUnavailable, ObjectNotFound
from homeostat.settings import OnlineStoreSettings

TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS = 2.0, 1.0
PATIENCE_SECONDS = 4.0
"""How long lookups wait for a store that restarts, from the moment at which it was lost. The gateway gives an attempt of a
request 5 seconds: after those another pod would do the same work again."""
PAUSE_SECONDS = 0.1
"""Between two questions whether the store is back."""
# A store that was restarted has closed every kept connection; the first request on each must not pay for it.
RETRY = Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,))

log = structlog.get_logger()


@dataclass(frozen=True)
class _Outage:
    """A store that was lost.

    Attributes:
        fault: How that showed.
        deadline: Until when lookups wait, in the event loop's time.
        over: Ends when the store answers again.
    """

    fault: Exception
    deadline: float
    over: "asyncio.Task[None]"


_metadata = msgspec.msgpack.Decoder(Metadata)
_row = msgspec.msgpack.Decoder(Row)


class FeatureReader:
    """Reads online features.

    A lookup that meets a lost connection or a timeout waits until the store answers again. One task asks whether it does,
    for all of them: a store that comes back is not met by the connections of every waiting lookup, and a store that stays
    away is answered for at once.

    Args:
        settings: The store.
        client: Replaces the client that the settings describe.
        patience: Seconds from the loss of the store during which lookups wait for it.
    """

    def __init__(
        self, settings: OnlineStoreSettings, client: Redis | None = None, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._url = settings.url.rpartition("@")[2]  # without the password
        self._client = client or Redis.from_url(
            settings.url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=CONNECT_TIMEOUT_SECONDS, retry=RETRY
        )
        self._patience = patience
        self._outage: _Outage | None = None

    @property
    def waiting(self) -> bool:
        """Whether the store is lost and not back yet."""
        return self._outage is not None

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
        if self._outage is not None:
            self._outage.over.cancel()
        await self._client.aclose()

    async def _get(self, keys: list[str]) -> list[bytes | None]:
        while True:
            if self._outage is not None:
                await self._until_back(self._outage)
            try:
                found = await self._client.mget(keys)
            except (RedisError, OSError) as error:
                if not _is_outage(error):
                    raise self._unavailable(error) from error
                self._lost(error)
            else:
                return [value if isinstance(value, bytes) else None for value in found]

    def _lost(self, fault: Exception) -> None:
        if self._outage is None:
            log.warning("the online store does not answer; lookups wait for it", store=self._url, error=str(fault))
            loop = asyncio.get_running_loop()
            self._outage = _Outage(fault, loop.time() + self._patience, loop.create_task(self._ask_until_back()))

    async def _until_back(self, outage: "_Outage") -> None:
        try:
            async with asyncio.timeout_at(outage.deadline):
                await asyncio.shield(outage.over)
        except TimeoutError:
            raise self._unavailable(outage.fault) from outage.fault

    async def _ask_until_back(self) -> None:
        try:
            while not await self._answers():
                pass
            log.info("the online store answers again", store=self._url)
        finally:
            self._outage = None

    async def _answers(self) -> bool:
        """Whether the store answers, if only with a refusal, which the next lookup reports."""
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            return not _is_outage(error)
        return True

    def _unavailable(self, error: Exception) -> EngineUnavailable:
        return EngineUnavailable(
            f"the online store {self._url} does not answer ({error}); "
            "check that it runs and that HOMEOSTAT_ONLINE_STORE_URL is right"
        )

    def _described(self, namespace: str, feature_set: str, stored: bytes | None) -> Metadata:
        if stored is None:
            raise ObjectNotFound(
                f"feature set {namespace}/{feature_set} has no online features; "
                "give it spec.online and wait until it is materialised"
            )
        return _metadata.decode(stored)


def _is_outage(error: Exception) -> bool:
    """Whether the store may answer the same question soon; the client derives refusals of a password from lost connections."""
    refused = isinstance(error, AuthenticationError | AuthorizationError)
    return isinstance(error, ConnectionLost | TimedOut | OSError) and not refused
