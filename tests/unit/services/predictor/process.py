"""A predictor in a process of its own; a spawned process can only import what has the same name there."""

import asyncio
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.prediction_log import Prediction
from support import small_model

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

    async def send(self, batch: list[Prediction]) -> None:
        self._end.send([p.entity for p in batch])


def predictor(port: int, end: Connection, digest: str | None, features: str) -> None:
    objects, right = small_model.stored()
    settings = small_model.settings(digest or right, features=features)
    serve(lambda: assemble(settings, objects, SlowStore(end), Pipe(end)), "127.0.0.1", port)
