"""Puts the console together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Gauge

from homeostat import telemetry
from homeostat.cluster import ClusterAccess
from homeostat_services.access import Guard
from homeostat_services.console.api import api_routes
from homeostat_services.console.pages import STATIC, page_routes
from homeostat_services.console.state import State
from homeostat_services.web import prepare

BODY_LIMIT = 1024 * 1024

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def create_app(cluster: ClusterAccess, guard: Guard) -> FastAPI:
    """The application; its lifespan keeps looking at the cluster."""
    state = State(cluster)
    registry = CollectorRegistry()
    Gauge(*telemetry.CONSOLE_WATCHERS.declaration, registry=registry).set_function(lambda: state.watchers)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        refresh = asyncio.create_task(state.run())
        yield
        refresh.cancel()
        with suppress(asyncio.CancelledError):
            await refresh

    app = FastAPI(
        title="Homeostat console",
        description="Shows the loop and accepts training requests (the API trigger). Every request acts within the caller's rights.",
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.guard = guard
    app.state.loop = state

    @app.middleware("http")
    async def protect(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        for name, value in HEADERS.items():
            response.headers[name] = value
        # Pages are of one caller and one moment; static files are checked again, so that an upgrade shows at once.
        response.headers["Cache-Control"] = "no-cache" if request.url.path.startswith("/static/") else "no-store"
        return response

    prepare(app, registry, lambda: None if state.snapshot else state.outage, BODY_LIMIT)
    app.include_router(api_routes(cluster, state, guard))
    app.include_router(page_routes(state, guard))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
