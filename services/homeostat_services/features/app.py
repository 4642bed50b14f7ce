"""The HTTP interface of the features service; a lookup needs the right to get the FeatureSet."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field, StringConstraints

from homeostat import telemetry
from homeostat.api.common import NAME_PATTERN, FieldName, ResourceName
from homeostat.api.v1alpha1.featureset import EntityType
from homeostat.documents import StrictDocument
from homeostat.engines.features.layout import Metadata, Value
from homeostat.engines.features.reader import FeatureReader
from homeostat.reconcile.errors import EngineUnavailable, ObjectNotFound
from homeostat.values import is_integer_id
from homeostat_services.access import Access, Caller, Guard, Refused
from homeostat_services.shortened import shortened
from homeostat_services.web import authenticated, prepare, refusal

BODY_LIMIT = 1024 * 1024


class Lookup(StrictDocument):
    """Which features of whom."""

    namespace: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
    feature_set: ResourceName
    entities: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=256)]], Field(min_length=1, max_length=1000)
    ]
    features: Annotated[list[FieldName] | None, Field(description="Absent: all of them.", max_length=256)] = None


class EntityRow(StrictDocument):
    """What is known of one entity."""

    entity: str
    found: Annotated[bool, Field(description="Whether the store holds a row that is not older than the online ttl.")]
    values: Annotated[dict[str, Value], Field(description="By feature; empty when nothing was found.")]


class LookupAnswer(StrictDocument):
    """Rows in the order of the entities asked for."""

    through: Annotated[float | None, Field(description="Source data up to this time (Unix seconds) are in the store.")]
    age_seconds: Annotated[float | None, Field(description="Seconds since that time.")]
    rows: list[EntityRow]


class UnknownFeature(Refused):
    """A feature that the FeatureSet does not have."""

    status = 422


class WrongEntity(Refused):
    """An entity id that the key of the FeatureSet cannot have."""

    status = 422


def create_app(reader: FeatureReader, guard: Guard, clock: Callable[[], float] = time.time) -> FastAPI:
    """The application; it closes the reader when it ends."""
    registry = CollectorRegistry()
    rows = Counter(*telemetry.FEATURE_ROWS.declaration, registry=registry)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await reader.close()

    app = FastAPI(
        title="Homeostat features",
        description=__doc__,
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.guard = guard
    prepare(app, registry, lambda: None, BODY_LIMIT)
    _add_refusals(app)
    _add_lookup(app, reader, guard, rows, clock)
    return app


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(EngineUnavailable)
    async def store_down(_request: Request, error: EngineUnavailable) -> JSONResponse:
        return refusal(503, str(error))

    @app.exception_handler(ObjectNotFound)
    async def never_materialised(_request: Request, error: ObjectNotFound) -> JSONResponse:
        return refusal(404, str(error))


def _add_lookup(app: FastAPI, reader: FeatureReader, guard: Guard, rows: Counter, clock: Callable[[], float]) -> None:
    @app.post("/v1/features/lookup")
    async def lookup(request: Lookup, caller: Annotated[Caller, Depends(authenticated)]) -> LookupAnswer:
        """Online features of entities."""
        await guard.require(caller, Access("get", "featuresets", request.namespace, name=request.feature_set))
        described = await reader.describe(request.namespace, request.feature_set)
        names = described.features if request.features is None else request.features
        if unknown := sorted(set(names) - set(described.features)):
            raise UnknownFeature(
                f"features: {unknown} are not in feature set {request.feature_set!r}; "
                f"it has {', '.join(described.features)}"
            )
        _check_entities(request.entities, described)
        stored = await reader.lookup(request.namespace, request.feature_set, request.entities)
        present = sum(row is not None for row in stored)
        rows.labels(request.namespace, request.feature_set, "true").inc(present)
        rows.labels(request.namespace, request.feature_set, "false").inc(len(stored) - present)
        return LookupAnswer(
            through=described.through,
            age_seconds=None if described.through is None else max(0.0, clock() - described.through),
            rows=[
                EntityRow(
                    entity=entity, found=row is not None, values={name: row.get(name) for name in names} if row else {}
                )
                for entity, row in zip(request.entities, stored, strict=True)
            ],
        )


def _check_entities(entities: Sequence[str], described: Metadata) -> None:
    """Refuses ids that are no keys, which would look like entities without features.

    Raises:
        WrongEntity: For the first one.
    """
    if described.entity_type != EntityType.INT64:
        return
    for position, entity in enumerate(entities):
        if not is_integer_id(entity):
            raise WrongEntity(
                f"entities[{position}] is {shortened(entity)}; an entity id is an integer of at most 64 bits without leading "
                "zeros, since the key of this entity is an Int64"
            )
