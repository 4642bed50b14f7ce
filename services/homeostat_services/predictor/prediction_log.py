"""The prediction log: off the request path, bounded, in batches to the observer."""

import asyncio
import zlib
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec
import structlog
import urllib3

from homeostat_services.predictor.counters import Counters

BATCH = 500
INTERVAL_SECONDS = 0.5
CAPACITY = 20_000
RETRY_SECONDS = 2.0
FLUSH_SECONDS = 5.0
TIMEOUT_SECONDS = 5.0
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")

_log = structlog.get_logger()


class Prediction(msgspec.Struct, omit_defaults=True, gc=False):
    """One row that was answered, with a score or the probabilities of classes; `mirrored`: for nobody, the request was a copy."""

    id: str
    version: str
    entity: str
    time: float
    score: float | None = None
    mirrored: bool = False
    probabilities: list[float] | None = None


class PredictedBy(msgspec.Struct, omit_defaults=True):
    """What the observer has to know of a model to read its predictions: the task, with its classes or units."""

    task: str
    classes: list[str] | None = None
    units: dict[str, float] | None = None


class DeliveryError(Exception):
    """A batch that did not arrive.

    Attributes:
        retryable: Sending it once more can help.
        split: Something in it cannot be accepted; the rest can, if it is sent without that.
    """

    def __init__(self, message: str, *, retryable: bool, split: bool = False) -> None:
        super().__init__(message)
        self.retryable, self.split = retryable, split


class Sink(Protocol):
    """Where batches go; a batch may be sent again: the receiver recognizes predictions by their ids."""

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        """Deliver a batch; `models` has those of its versions that are not binary. Raises DeliveryError."""
        ...


class ObserverSink:
    """The observer's `POST /v1/predictions`, with the pod's own token."""

    def __init__(self, url: str, namespace: str, deployment: str, token: Path = TOKEN) -> None:
        self._url = f"{url.rstrip('/')}/v1/predictions"
        self._about = {"namespace": namespace, "deployment": deployment}
        self._token = token
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=TIMEOUT_SECONDS), retries=False)

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        """See Sink."""
        about = {**self._about, "models": models} if models else self._about
        # The client of the object store, in a thread: a client for event loops would be imported for this alone.
        await asyncio.to_thread(self._post, msgspec.json.encode({**about, "predictions": batch}))

    def _post(self, body: bytes) -> None:
        # The kubelet renews the token's file; a copy kept here would expire.
        token = self._token.read_text().strip() if self._token.exists() else ""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise DeliveryError(f"{self._url} does not answer ({type(error).__name__})", retryable=True) from error
        if response.status >= 400:
            refused = response.status in (400, 404, 413, 422)
            message = f"{self._url}: {response.status} {response.data.decode(errors='replace')[:200]}"
            raise DeliveryError(message, retryable=not refused, split=response.status == 422)


def sampled(prediction_id: str, percent: int) -> bool:
    """Whether a prediction belongs to the logged share; the same answer for the same id, everywhere."""
    return zlib.crc32(prediction_id.encode()) % 100 < percent


class PredictionLog:
    """A bounded queue in front of a sink; the oldest give way when it is full, and are counted.

    Args:
        models: By version, the models whose predictions are put here, but for binary ones.
    """

    def __init__(
        self,
        sink: Sink,
        counters: Counters,
        models: Mapping[str, PredictedBy] = MappingProxyType({}),
        capacity: int = CAPACITY,
    ) -> None:
        self._sink, self._counters, self._models = sink, counters, models
        self._queue: deque[Prediction] = deque()
        self._capacity = capacity
        self._news = asyncio.Event()

    def put(self, predictions: list[Prediction]) -> None:
        """Take predictions; never waits."""
        queue, before = self._queue, len(self._queue)
        queue.extend(predictions)
        if len(queue) > self._capacity:
            self._counters.dropped += len(queue) - self._capacity
            while len(queue) > self._capacity:
                queue.popleft()
        if before == 0 or before < BATCH <= len(queue):
            self._news.set()

    async def run(self) -> None:
        """Send batches for ever: a full one at once, a smaller one after half a second."""
        while True:
            self._news.clear()
            if not self._queue:
                await self._news.wait()
                self._news.clear()
            if len(self._queue) < BATCH:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), INTERVAL_SECONDS)
            # One at a time: what arrived while it was sent waits to be a batch, or each would be followed by a tiny one.
            if not await self._send():
                await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> None:
        """Send what is left, as far as that is possible within five seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while self._queue and await self._send():
                    pass
        if self._queue:
            _log.warning("predictions were not logged", count=len(self._queue))

    async def _send(self) -> bool:
        """Send one batch; False if it, or a part of it, has to be sent again."""
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        try:
            left = await self._deliver(batch)
        except asyncio.CancelledError:  # the end of the process, whose flush sends these first
            self._queue.extendleft(reversed(batch))
            raise
        kept = left[max(0, len(left) + len(self._queue) - self._capacity) :]
        self._counters.dropped += len(left) - len(kept)
        self._queue.extendleft(reversed(kept))
        return not left

    async def _deliver(self, batch: list[Prediction]) -> list[Prediction]:
        """Send a batch; what has to be sent again. One prediction that is refused takes no other with it."""
        try:
            await self._sink.send(batch, self._models)
        except DeliveryError as error:
            _log.warning(
                "a batch of predictions did not arrive", error=str(error), count=len(batch), retryable=error.retryable
            )
            if error.retryable:
                return batch
            if not error.split or len(batch) == 1:
                self._counters.dropped += len(batch)
                return []
            half = len(batch) // 2
            return await self._deliver(batch[:half]) + await self._deliver(batch[half:])
        return []
