"""A store that restarts: lookups in flight wait for it, and none fails."""

import asyncio
from datetime import timedelta

import pytest
from redis import Redis

from contract.feast.conftest import Valkey
from homeostat.engines.features.reader import FeatureReader
from homeostat.engines.features.writer import FeatureWriter
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import OnlineStoreSettings
from tools.waiting import until_async

ROW = {"tenure": 7}
CALLERS = 16


@pytest.fixture
def written(valkey: Valkey) -> str:
    """The store's address; it holds one row."""
    with Redis(port=valkey.port) as client:
        writer = FeatureWriter(
            client, namespace="churn", feature_set="customers", schema="h1", features=["tenure"], types=["Int64"],
            ttl=timedelta(hours=1),
        )  # fmt: skip
        writer.write([("a", 0.0, [7])])
    return valkey.url


class Callers:
    """Several that look up the same row, one request after another, until they are stopped."""

    def __init__(self, reader: FeatureReader) -> None:
        self._reader = reader
        self.asked = self.answered = 0
        self._stopped = False

    async def run(self) -> None:
        await asyncio.gather(*(self._call() for _ in range(CALLERS)))

    async def _call(self) -> None:
        while not self._stopped:
            self.asked += 1
            assert await self._reader.lookup("churn", "customers", ["a"]) == [ROW]
            self.answered += 1

    def stop(self) -> None:
        self._stopped = True

    async def more(self, requests: int) -> None:
        aim = self.answered + requests
        await until_async(f"{requests} more answers", lambda: self.answered >= aim)


async def test_no_lookup_fails_while_the_store_is_killed_and_starts_again(valkey: Valkey, written: str) -> None:
    reader = FeatureReader(OnlineStoreSettings(url=written), patience=60)
    callers = Callers(reader)
    running = asyncio.create_task(callers.run())
    await callers.more(100)
    for _ in range(3):
        valkey.kill()
        # Every caller meets the store that is gone before it comes back.
        await until_async("lookups wait", lambda: callers.asked - callers.answered == CALLERS and reader.waiting)
        await asyncio.to_thread(valkey.start)
        await callers.more(100)
    callers.stop()
    await running
    assert callers.asked == callers.answered
    await reader.close()


async def test_a_store_that_stays_away_is_named_when_the_patience_is_over(valkey: Valkey, written: str) -> None:
    reader = FeatureReader(OnlineStoreSettings(url=written), patience=0.2)
    assert await reader.lookup("churn", "customers", ["a"]) == [ROW]
    valkey.kill()
    with pytest.raises(EngineUnavailable, match=f"127.0.0.1:{valkey.port}.*does not answer.*onnect"):
        await reader.lookup("churn", "customers", ["a"])
    await asyncio.to_thread(valkey.start)
    await until_async("the store is found again", lambda: not reader.waiting)
    assert await reader.lookup("churn", "customers", ["a"]) == [ROW]
    await reader.close()
