"""A client's way to an RSGI application without a server."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx


class Exchange:
    """One request and its response, as an RSGI application sees them."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.response: httpx.Response | None = None

    async def __call__(self) -> bytes:
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 65536):
            yield self._body[start : start + 65536]

    def response_bytes(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.response = httpx.Response(status, headers=headers, content=content)


class RsgiTransport(httpx.AsyncBaseTransport):
    """Sends requests to an RSGI application."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        exchange = Exchange(await request.aread())
        scope = SimpleNamespace(
            method=request.method,
            path=request.url.raw_path.decode().partition("?")[0],
            query_string=request.url.query.decode(),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        await self._application.__rsgi__(scope, exchange)
        assert exchange.response is not None
        return exchange.response
