"""The read API under /api/v1, and the API trigger of trainings."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request

from homeostat.api.v1alpha1 import Monitor
from homeostat.cluster import ClusterAccess, Manifest
from homeostat.reconcile.stored import Unreadable, read
from homeostat.views.overview import overview
from homeostat.views.snapshot import Snapshot
from homeostat_services.access import Access, Caller, Forbidden, Guard, Refused, bearer_token
from homeostat_services.console import objects
from homeostat_services.console.objects import Plural
from homeostat_services.console.rights import listable
from homeostat_services.console.state import State
from homeostat_services.console.trigger import TrainingRequest, training_job
from homeostat_services.web import authenticated

COOKIE = "homeostat_token"


class NotYet(Refused):
    """There is nothing to answer with yet."""

    status = 404


class CannotBeRead(Refused):
    """The stored object is not valid in this release."""

    status = 409


async def reader(request: Request) -> Caller:
    """FastAPI dependency of reads: a bearer token, or the browser's cookie."""
    guard: Guard = request.app.state.guard
    return await guard.authenticate(bearer_token(request.headers.get("authorization")) or request.cookies.get(COOKIE))


# Writes take no cookie: another site could make a browser send it.
Reader = Annotated[Caller, Depends(reader)]
Writer = Annotated[Caller, Depends(authenticated)]


def api_routes(cluster: ClusterAccess, state: State, guard: Guard) -> APIRouter:
    """The routes under /api/v1."""
    routes = APIRouter(prefix="/api/v1")
    _add_objects(routes, cluster, guard)
    _add_overview(routes, state, guard)
    _add_trigger(routes, cluster, guard)
    return routes


def _add_objects(routes: APIRouter, cluster: ClusterAccess, guard: Guard) -> None:
    @routes.get("/namespaces/{namespace}/{plural}")
    async def several(namespace: str, plural: Plural, caller: Reader) -> Manifest:
        """The objects of a kind."""
        await guard.require(caller, Access("list", plural, namespace))
        return await asyncio.to_thread(objects.listing, cluster, plural, namespace)

    @routes.get("/namespaces/{namespace}/{plural}/{name}")
    async def one(namespace: str, plural: Plural, name: str, caller: Reader) -> Manifest:
        """One object."""
        await guard.require(caller, Access("get", plural, namespace, name=name))
        return await asyncio.to_thread(objects.get, cluster, plural, namespace, name)

    @routes.get("/namespaces/{namespace}/monitors/{name}/decision")
    async def decision(namespace: str, name: str, caller: Reader) -> dict[str, Any]:
        """Why the last decision of a Monitor was made: cause, action, reason, message, values, and the signals now."""
        await guard.require(caller, Access("get", "monitors", namespace, name=name))
        monitor = read(Monitor, await asyncio.to_thread(objects.get, cluster, "monitors", namespace, name))
        if isinstance(monitor, Unreadable):
            raise CannotBeRead(str(monitor))
        if monitor.status.last_decision is None:
            raise NotYet(f"Monitor {name!r} has made no decision yet; its first window has not ended")
        shown = monitor.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {field: shown.get(field) for field in ("lastDecision", "breachSince", "labels", "signals")}


def _add_overview(routes: APIRouter, state: State, guard: Guard) -> None:
    @routes.get("/overview")
    async def loop(namespace: Annotated[str, Query(max_length=63)], caller: Reader) -> dict[str, Any]:
        """The whole loop of a namespace, as the page shows it, without the kinds that the caller may not list."""
        allowed = await listable(guard, caller, namespace)
        if not allowed:
            raise Forbidden(caller, Access("list", "modeldeployments", namespace))
        shown = overview(state.snapshot or Snapshot(), namespace, allowed, state.windows)
        return asdict(shown)


def _add_trigger(routes: APIRouter, cluster: ClusterAccess, guard: Guard) -> None:
    @routes.post("/trainingjobs", status_code=201)
    async def train(
        request: TrainingRequest,
        caller: Writer,
        key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=256)] = None,
    ) -> Manifest:
        """Create a TrainingJob; with an Idempotency-Key, however often the request is repeated."""
        await guard.require(caller, Access("create", "trainingjobs", request.namespace))
        spec = request.spec
        if spec is None:
            source = request.source or ""
            await guard.require(caller, Access("get", "trainingjobs", request.namespace, name=source))
            spec = (await asyncio.to_thread(objects.get, cluster, "trainingjobs", request.namespace, source))["spec"]
        document = training_job(request, spec, caller, key or secrets.token_hex(16))
        return await asyncio.to_thread(objects.create_once, cluster, document, retried=key is not None)
