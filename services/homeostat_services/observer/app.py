"""The observer's HTTP interface: every route but health and metrics asks the API server who calls and if they may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import AwareDatetime

from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.outcomes import LabelGain
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.signals.shadow import ShadowComparison
from homeostat.tasks import AnyCohort
from homeostat_services.access import Access, Caller, Guard, Refused
from homeostat_services.observer.export import Exporter
from homeostat_services.observer.label_gain import label_gain
from homeostat_services.observer.messages import (
    Business,
    BusinessAnswer,
    ExportAnswer,
    Namespace,
    Outcomes,
    OutcomesAnswer,
    Predictions,
    PredictionsAnswer,
)
from homeostat_services.observer.metrics import Metrics
from homeostat_services.observer.predicted import UnusableValueError
from homeostat_services.observer.retention import Retention
from homeostat_services.observer.settings import ObserverServiceSettings
from homeostat_services.observer.store import Store, TooManyNamesError
from homeostat_services.observer.times import ImpossibleTimeError
from homeostat_services.web import authenticated, prepare, refusal

BODY_LIMIT = 16 * 1024 * 1024
PRUNE_SECONDS = 3600.0

log = structlog.get_logger()

Authenticated = Annotated[Caller, Depends(authenticated)]
Deployment = Annotated[str, Query(max_length=52)]


class Unprocessable(Refused):
    """A well-formed request that asks for what cannot be."""

    status = 422


def create_app(store: Store, exporter: Exporter, guard: Guard, settings: ObserverServiceSettings) -> FastAPI:
    """The application; its lifespan runs the export and deletes what is older than the retention."""
    metrics = Metrics()
    metrics.show_business(store.newest_business())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        work = asyncio.create_task(_export_and_prune(exporter, Retention(store), metrics, settings))
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    app = FastAPI(
        title="Homeostat observer",
        description=__doc__,
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.guard = guard

    @app.exception_handler(ImpossibleTimeError)
    @app.exception_handler(UnusableValueError)
    async def unusable(_request: Request, error: ValueError) -> Response:
        return refusal(422, str(error))

    prepare(app, metrics.registry, lambda: None, BODY_LIMIT)
    _add_writes(app, store, guard, metrics)
    _add_reads(app, store, exporter, guard)
    return app


async def _export_and_prune(
    exporter: Exporter, retention: Retention, metrics: Metrics, settings: ObserverServiceSettings
) -> None:
    clock = asyncio.get_running_loop()
    prune_at = clock.time()
    while True:
        try:
            metrics.export_parts.inc(await asyncio.to_thread(exporter.run))
            if clock.time() >= prune_at:
                await asyncio.to_thread(retention.delete_older_than, settings.retention)
                prune_at = clock.time() + PRUNE_SECONDS
        except EngineUnavailable as error:
            metrics.export_failures.inc()
            log.warning("export waits for the object store", error=str(error))
        except Exception:
            # A bug in the export must not stop the next one, nor the service that records outcomes.
            metrics.export_failures.inc()
            log.exception("export failed")
        metrics.export_lag.set(await asyncio.to_thread(exporter.lag_seconds))
        await asyncio.sleep(settings.export_seconds)


async def _require(guard: Guard, caller: Caller, verb: str, subresource: str, about: tuple[str, str]) -> None:
    await guard.require(caller, Access(verb, "modeldeployments", about[0], subresource, about[1]))


def _add_writes(app: FastAPI, store: Store, guard: Guard, metrics: Metrics) -> None:
    @app.post("/v1/predictions", response_model_exclude_defaults=True)
    async def predictions(batch: Predictions, caller: Authenticated) -> PredictionsAnswer:
        """Record predictions; sending a batch again changes nothing."""
        await _require(guard, caller, "create", "predictions", (batch.namespace, batch.deployment))
        answer = await asyncio.to_thread(
            store.add_predictions, batch.namespace, batch.deployment, batch.predictions, batch.models
        )
        metrics.count(batch.namespace, batch.deployment, answer)
        return answer

    @app.post("/v1/outcomes", response_model_exclude_none=True)
    async def outcomes(batch: Outcomes, caller: Authenticated) -> OutcomesAnswer:
        """Record what really happened; sending a batch again changes nothing."""
        await _require(guard, caller, "create", "outcomes", (batch.namespace, batch.deployment))
        answer = await asyncio.to_thread(store.add_outcomes, batch.namespace, batch.deployment, batch.outcomes)
        metrics.count(batch.namespace, batch.deployment, answer)
        return answer

    @app.post("/v1/business")
    async def business(batch: Business, caller: Authenticated) -> BusinessAnswer:
        """Record business numbers; the newest of each name is exported as a gauge."""
        await _require(guard, caller, "create", "business", (batch.namespace, batch.deployment))
        try:
            answer = await asyncio.to_thread(store.add_business, batch.namespace, batch.deployment, batch.values)
        except TooManyNamesError as error:
            raise Unprocessable(str(error)) from error
        metrics.show_business(await asyncio.to_thread(store.newest_business))
        return answer


def _add_reads(app: FastAPI, store: Store, exporter: Exporter, guard: Guard) -> None:
    @app.get("/v1/cohorts")
    async def cohorts(
        caller: Authenticated,
        namespace: Namespace,
        deployment: Deployment,
        version: str,
        start: Annotated[AwareDatetime, Query(alias="from")],
        end: Annotated[AwareDatetime, Query(alias="to")],
    ) -> AnyCohort:
        """Predictions made after `from`, up to and including `to`, with the outcomes known of them."""
        await _require(guard, caller, "get", "cohorts", (namespace, deployment))
        return await asyncio.to_thread(store.cohort, namespace, deployment, version, start, end)

    @app.get("/v1/shadow")
    async def shadow(
        caller: Authenticated, namespace: Namespace, deployment: Deployment, version: str, since: AwareDatetime
    ) -> ShadowComparison:
        """A version's predictions on mirrored requests after `since`, compared with those returned to callers."""
        await _require(guard, caller, "get", "cohorts", (namespace, deployment))
        return await asyncio.to_thread(store.shadow, namespace, deployment, version, since)

    @app.get("/v1/labels")
    async def labels(
        caller: Authenticated,
        namespace: Namespace,
        deployment: Deployment,
        since: AwareDatetime,
        model: Annotated[str, Query(max_length=128)],
        percent: Annotated[int, Query(alias="holdoutPercent", ge=0, le=100)],
        latest: Annotated[int, Query(alias="holdoutLatest", ge=0)] = 0,
    ) -> LabelGain:
        """What outcomes of predictions made at or after `since` add to a training of a model with that holdout."""
        await _require(guard, caller, "get", "cohorts", (namespace, deployment))
        holdout = Holdout(latest_seconds=latest, refit=False) if latest else Holdout(percent=percent)
        return await asyncio.to_thread(label_gain, store.engine, (namespace, deployment), since, model, holdout)

    @app.get("/v1/outcomes/export")
    async def export(caller: Authenticated, namespace: Namespace, deployment: Deployment) -> ExportAnswer:
        """How far the export to the object store is."""
        await _require(guard, caller, "get", "outcomes", (namespace, deployment))
        return await asyncio.to_thread(exporter.status, namespace, deployment)
