"""How bodies are received: bounded one by one and together."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from homeostat_services.predictor.bodies import BUDGET_BYTES, MAX_BODY_BYTES, SMALL_BYTES, BodyReader
from homeostat_services.predictor.errors import InvalidRequest

CHUNK = 64 * 1024


class Arriving:
    """A body that arrives when the test lets it."""

    def __init__(self, length: int, *, at_once: bool = True) -> None:
        self.length, self.received = length, 0
        self.arrived = asyncio.Event()
        if at_once:
            self.arrived.set()

    async def __call__(self) -> bytes:
        await self.arrived.wait()
        return b"x" * self.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self.arrived.wait()
        while self.received < self.length:
            part = min(CHUNK, self.length - self.received)
            self.received += part
            yield b"x" * part


async def status(reader: BodyReader, body: Arriving, *, announced: bool = True) -> int:
    try:
        return 200 if len(await reader.read(str(body.length) if announced else None, body)) == body.length else 0
    except InvalidRequest as error:
        return error.status


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("length", "expected"), [(0, 200), (MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
async def test_a_body_has_a_greatest_length_announced_or_not(length: int, expected: int, announced: bool) -> None:
    assert await status(BodyReader(), Arriving(length), announced=announced) == expected


async def test_a_refused_body_is_received_to_its_end_unless_it_has_none() -> None:
    short, endless = Arriving(2 * MAX_BODY_BYTES), Arriving(10**12)
    assert await status(BodyReader(), short) == await status(BodyReader(), endless) == 413
    assert short.received == short.length
    assert endless.received < 10 * MAX_BODY_BYTES


@pytest.mark.parametrize("announced", [True, False])
async def test_beyond_the_budget_a_large_body_is_refused_and_a_small_one_is_not(announced: bool) -> None:
    reader = BodyReader()
    slow = [Arriving(MAX_BODY_BYTES, at_once=False) for _ in range(BUDGET_BYTES // MAX_BODY_BYTES)]
    reading = [asyncio.create_task(status(reader, body)) for body in slow]
    await asyncio.sleep(0)
    assert await status(reader, Arriving(SMALL_BYTES + CHUNK), announced=announced) == 429
    assert await status(reader, Arriving(SMALL_BYTES), announced=announced) == 200
    for body in slow:
        body.arrived.set()
    assert await asyncio.gather(*reading) == [200] * len(slow)
    assert await status(reader, Arriving(MAX_BODY_BYTES), announced=announced) == 200


async def test_a_client_that_leaves_gives_its_share_of_the_budget_back() -> None:
    reader = BodyReader(budget=MAX_BODY_BYTES)
    gone = asyncio.create_task(status(reader, Arriving(MAX_BODY_BYTES, at_once=False)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    assert await status(reader, Arriving(MAX_BODY_BYTES)) == 200
