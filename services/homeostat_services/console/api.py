"""The read API under /api/v1, and the API trigger of trainings."""

import asyncio
import secrets
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request

from homeostat.api.v1alpha1 import Monitor
from homeostat_services.access import Access, Caller, Forbidden, Guard, Refused, bearer_token
from homeostat_services.console.cluster import Cluster, ClusterRefused, Document, Snapshot
from homeostat_services.console.rights import listable
from homeostat_services.console.state import State
from homeostat_services.console.trigger import TrainingRequest, is_same_request, training_job
from homeostat_services.console.view import overview
from homeostat_services.web import authenticated

COOKIE = "homeostat_token"


class Plural(StrEnum):
    """The kinds, as they are spelt in paths."""

    FEATURE_SETS = "featuresets"
    TRAINING_JOBS = "trainingjobs"
    MODEL_DEPLOYMENTS = "modeldeployments"
    MONITORS = "monitors"


class Conflict(Refused):
    """The name or key is taken by something else."""

    status = 409


class NotYet(Refused):
    """There is nothing to answer with yet."""

    status = 404


async def reader(request: Request) -> Caller:
    """FastAPI dependency of reads: a bearer token, or the browser's cookie."""
    guard: Guard = request.app.state.guard
    return await guard.caller(bearer_token(request.headers.get("authorization")) or request.cookies.get(COOKIE))


# Writes take no cookie: another site could make a browser send it.
Reader = Annotated[Caller, Depends(reader)]
Writer = Annotated[Caller, Depends(authenticated)]


async def require(guard: Guard, caller: Caller, access: Access) -> None:
    """Refuse a caller without the right."""
    if not await guard.may(caller, access):
        raise Forbidden(caller, access)


def api_routes(cluster: Cluster, state: State, guard: Guard) -> APIRouter:
    """The routes under /api/v1."""
    routes = APIRouter(prefix="/api/v1")

    @routes.get("/namespaces/{namespace}/{plural}")
    async def objects(namespace: str, plural: Plural, caller: Reader) -> Document:
        """The objects of a kind."""
        await require(guard, caller, Access("list", plural, namespace))
        return await asyncio.to_thread(cluster.listing, plural, namespace)

    @routes.get("/namespaces/{namespace}/{plural}/{name}")
    async def one(namespace: str, plural: Plural, name: str, caller: Reader) -> Document:
        """One object."""
        await require(guard, caller, Access("get", plural, namespace, name=name))
        return await asyncio.to_thread(cluster.get, plural, namespace, name)

    @routes.get("/namespaces/{namespace}/monitors/{name}/decision")
    async def decision(namespace: str, name: str, caller: Reader) -> dict[str, Any]:
        """Why the last decision of a Monitor was made: cause, action, reason, message, values, and the signals now."""
        await require(guard, caller, Access("get", "monitors", namespace, name=name))
        monitor = Monitor.model_validate(await asyncio.to_thread(cluster.get, "monitors", namespace, name))
        if monitor.status.last_decision is None:
            raise NotYet(f"Monitor {name!r} has not decided anything yet; its first window is still open")
        shown = monitor.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {field: shown.get(field) for field in ("lastDecision", "breachSince", "labels", "signals")}

    @routes.get("/overview")
    async def loop(namespace: Annotated[str, Query(max_length=63)], caller: Reader) -> dict[str, Any]:
        """The whole loop of a namespace, as the page shows it, without the kinds that the caller may not list."""
        allowed = await listable(guard, caller, namespace)
        if not allowed:
            raise Forbidden(caller, Access("list", "modeldeployments", namespace))
        shown = overview(state.snapshot or Snapshot(), namespace, allowed, state.windows)
        return asdict(shown)

    @routes.post("/trainingjobs", status_code=201)
    async def train(
        wanted: TrainingRequest,
        caller: Writer,
        key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=256)] = None,
    ) -> Document:
        """Create a TrainingJob; with an Idempotency-Key, however often the request is repeated."""
        await require(guard, caller, Access("create", "trainingjobs", wanted.namespace))
        spec = wanted.spec
        if spec is None:
            await require(guard, caller, Access("get", "trainingjobs", wanted.namespace, name=wanted.source or ""))
            spec = (await asyncio.to_thread(cluster.get, "trainingjobs", wanted.namespace, wanted.source or ""))["spec"]
        document = training_job(wanted, spec, caller, key or secrets.token_hex(16))
        return await asyncio.to_thread(create_once, cluster, document, retried=key is not None)

    return routes


def create_once(cluster: Cluster, document: Document, *, retried: bool) -> Document:
    """The object, created now or by an earlier try of the same request."""
    namespace, name = document["metadata"]["namespace"], document["metadata"]["name"]
    try:
        return cluster.create("trainingjobs", namespace, document)
    except ClusterRefused as error:
        if error.status != 409 or not retried:
            raise
    existing = cluster.get("trainingjobs", namespace, name)
    if not is_same_request(existing, document):
        raise Conflict(
            f"TrainingJob {name!r} exists and was asked for in other words; use a new Idempotency-Key or another name"
        )
    return existing
