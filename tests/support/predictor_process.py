"""A predictor in a process of its own; a spawned process can only import what has the same name there."""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import httpx

from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.prediction_log import PredictedBy, Prediction
from support import small_model
from tools.waiting import until

# Forked children would share the event loop of pytest.
SPAWN = multiprocessing.get_context("spawn")

ASKED = "asked"
"""Sent by the store when a request has reached it."""
ANSWER = "answer"
"""Sent by the test when the store may answer."""


class SlowStore:
    """An online store that reports each request and answers when the test says so."""

    def __init__(self, end: Connection) -> None:
        self._end = end

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        assert (namespace, feature_set) == ("churn", "customers")
        self._end.send(ASKED)
        assert await asyncio.to_thread(self._end.recv) == ANSWER
        return [small_model.ROWS[0] for _ in keys]


class Pipe:
    """A sink whose other end the test holds."""

    def __init__(self, end: Connection) -> None:
        self._end = end

    async def send(self, batch: list[Prediction], _models: Mapping[str, PredictedBy]) -> None:
        self._end.send([p.entity for p in batch])


def predictor(port: int, end: Connection, digest: str | None, features: str) -> None:
    objects, right = small_model.stored()
    settings = small_model.settings(digest or right, features=features)
    serve(lambda: assemble(settings, objects, SlowStore(end), Pipe(end)), "127.0.0.1", port)


@contextmanager
def running(features: str = "Request", digest: str | None = None) -> Iterator[tuple[str, Any, Connection]]:
    """A predictor's address, its process, and the other end of its sink and store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mine, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=predictor, args=(port, theirs, digest, features))
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{port}", process, mine
    finally:
        if process.is_alive():
            process.terminate()
        process.join(60)
        process.close()
        mine.close()


def is_ready(base: str) -> bool:
    """Whether the predictor answers, and is ready."""
    try:
        response = httpx.get(f"{base}/v2/health/ready", trust_env=False)
    except httpx.TransportError:
        return False
    assert response.json() == {"ready": True}
    return True


async def until_ready(base: str) -> None:
    """Wait for the predictor's start."""
    await asyncio.to_thread(until, "the predictor's start", lambda: is_ready(base), every=0.05)
