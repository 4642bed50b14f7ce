"""What the FastAPI services share: refusals as JSON, bounded bodies, health, metrics, and how they are run."""

from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homeostat.conventions import HTTP_PORT
from homeostat_services.access import Caller, Guard, Refused, bearer_token
from homeostat_services.shortened import shortened

RETRY_AFTER_SECONDS = 5


def refusal(status: int, text: str) -> JSONResponse:
    """An error as every service of the platform gives it: ``{"error": "what, and what to do"}``."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER_SECONDS)}}.get(status)
    return JSONResponse({"error": text}, status, headers)


def explain_validation(errors: Any) -> str:
    """Field, value and remedy of each of the first five mistakes in a request."""
    sentences = []
    for error in list(errors)[:5]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"][1:]).lstrip(".")
        given = "" if error["type"] == "missing" else f" is {shortened(error.get('input'))}"
        remedy = error["msg"].removeprefix("Value error, ")
        sentences.append(f"{place or error['loc'][0]}{given}: {remedy[:1].lower()}{remedy[1:]}")
    return "; ".join(sentences) + " (the fields are described at /openapi.json)"


class BoundedBody:
    """ASGI middleware that answers 413 to a body longer than `limit` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit
        self._text = f"the body is longer than {limit} bytes; send fewer items at a time"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            await refusal(413, self._text)(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._text)
            return message

        await self._app(scope, bounded, send)


def prepare(app: FastAPI, registry: CollectorRegistry, ready: Callable[[], str | None], body_limit: int) -> None:
    """Add refusals, the bound on bodies, `/healthz`, `/readyz` and `/metrics`.

    Args:
        app: The application, before any of its own routes.
        registry: What `/metrics` shows.
        ready: Why the service cannot serve now; None when it can.
        body_limit: Longest request body, in bytes.
    """
    app.add_middleware(BoundedBody, limit=body_limit)

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return refusal(error.status, str(error))

    @app.exception_handler(HTTPException)
    async def not_served(_request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def mistaken(_request: Request, error: RequestValidationError) -> Response:
        return refusal(422, explain_validation(error.errors()))

    @app.get("/healthz", include_in_schema=False)
    async def live() -> PlainTextResponse:
        """Whether the process answers."""
        return PlainTextResponse("ok")

    @app.get("/readyz", include_in_schema=False)
    async def is_ready() -> PlainTextResponse:
        """Whether it can work; 503 with the reason if not."""
        reason = ready()
        return PlainTextResponse(reason or "ok", 503 if reason else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Metrics in the Prometheus text format (metrics.md)."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def authenticated(request: Request) -> Caller:
    """FastAPI dependency: the caller of a bearer token; `app.state.guard` is the `Guard`.

    Raises:
        Refused: No valid token, or no answer of the API server.
    """
    guard: Guard = request.app.state.guard
    return await guard.authenticate(bearer_token(request.headers.get("authorization")))


def serve(app: FastAPI, port: int = HTTP_PORT, drain_seconds: int = 10) -> None:
    """Run until SIGTERM, then finish the requests at hand within `drain_seconds`."""
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104 - a pod is reached by its address
        port=port,
        access_log=False,
        log_config=None,  # the process has one log, and uvicorn writes to it
        log_level="warning",
        timeout_graceful_shutdown=drain_seconds,
        server_header=False,
    )
