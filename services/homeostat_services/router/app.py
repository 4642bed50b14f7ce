"""The router's HTTP interface."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import BaseModel, ConfigDict, Field

from homeostat import telemetry
from homeostat_services.router import targets, xds
from homeostat_services.router.state import State, TrafficStore
from homeostat_services.web import prepare, refusal

HOLD_SECONDS = 3.0
"""How long a poll is held without news. After a replacement of the router Envoy stays on its old poll until it ends."""
BODY_LIMIT = 1024 * 1024
LOADING = "the state of the cluster is not loaded yet; try again in a moment"

Source = Callable[[TrafficStore], AbstractAsyncContextManager[None]]


class DiscoveryRequest(BaseModel):
    """What the router reads of Envoy's DiscoveryRequest."""

    model_config = ConfigDict(extra="ignore")

    version_info: str = Field("", description="The version that Envoy has; empty at first.")


class Router:
    """Answers polls as soon as there is news."""

    def __init__(self, store: TrafficStore, registry: CollectorRegistry, hold_seconds: float) -> None:
        self._store, self._hold = store, hold_seconds
        self._answers = Counter(*telemetry.ROUTER_RESPONSES.declaration, registry=registry)
        Gauge(*telemetry.ROUTER_DEPLOYMENTS.declaration, registry=registry).set_function(
            lambda: len(store.state.deployments or {})
        )

    async def poll(self, resource: str, render: Callable[[State], xds.Answer], acknowledged: str) -> Response:
        """The answer for one resource; held while Envoy knows the newest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._hold):
                while not self._news(render, acknowledged):
                    await self._store.changed()
        response = self._respond(render, acknowledged)
        self._answers.labels(resource, str(response.status_code)).inc()
        return response

    def _news(self, render: Callable[[State], xds.Answer], acknowledged: str) -> bool:
        state = self._store.state
        return state.loaded and render(state).version != acknowledged

    def _respond(self, render: Callable[[State], xds.Answer], acknowledged: str) -> Response:
        state = self._store.state
        if not state.loaded:
            return refusal(503, LOADING)
        answer = render(state)
        return Response(status_code=304) if answer.version == acknowledged else JSONResponse(answer.body())


def create(source: Source, release_namespace: str, hold_seconds: float = HOLD_SECONDS) -> FastAPI:
    """The application.

    Args:
        source: Fills the store while the application runs.
        release_namespace: Where the platform's own pods are.
        hold_seconds: How long a poll is held without news.
    """
    store, registry = TrafficStore(), CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with source(store):
            yield

    app = FastAPI(title="Homeostat router", lifespan=lifespan, docs_url=None, redoc_url=None)
    prepare(app, registry, lambda: None if store.state.loaded else LOADING, BODY_LIMIT)
    router = Router(store, registry, hold_seconds)

    @app.post("/v3/discovery:clusters")
    async def clusters(request: DiscoveryRequest) -> Response:
        """Envoy's clusters: one per version of each ModelDeployment. 304 when there is no news."""
        return await router.poll("clusters", xds.clusters, request.version_info)

    @app.post("/v3/discovery:routes")
    async def routes(request: DiscoveryRequest) -> Response:
        """Envoy's routes: the weights of each ModelDeployment. 304 when there is no news."""
        return await router.poll("routes", xds.routes, request.version_info)

    @app.get("/prometheus/targets")
    async def prometheus_targets() -> list[dict[str, Any]]:
        """Targets for Prometheus' `http_sd_configs`."""
        return targets.render(store.state, release_namespace)

    return app
