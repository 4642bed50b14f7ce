"""The predictor's HTTP interface."""

import asyncio
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from homeostat.api.v1alpha1.modeldeployment import FeatureMode
from homeostat.artifacts.signature import Datatype
from homeostat_services.predictor import seldon
from homeostat_services.predictor.asgi_bridge import respond
from homeostat_services.predictor.bodies import BodyReader
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.prediction_log import PredictionLog
from homeostat_services.predictor.protocol import (
    ACCEPTED,
    InferRequest,
    InferResponse,
    Refusal,
)
from homeostat_services.predictor.service import Predictor
from homeostat_services.request_origin import origin_of

JSON = "application/json"
_HEADERS = [("content-type", JSON)]


def web(predictor: Predictor) -> FastAPI:
    """Health, metadata, metrics and the OpenAPI document; it answers inference too, at FastAPI's pace."""
    app = FastAPI(title="Homeostat predictor", version=predictor.settings.version, docs_url=None, redoc_url=None)
    registry = CollectorRegistry()
    registry.register(predictor.counters)

    @app.exception_handler(InvalidRequest)
    async def refused(_request: Request, error: InvalidRequest) -> Response:
        return JSONResponse({"error": str(error)}, error.status)

    @app.post("/v2/models/{name}/infer", openapi_extra=_v2_document(), operation_id="infer")
    async def infer(name: str, request: Request) -> Response:
        """Predict; one value per row."""
        status, content = await predictor.answer(name, await request.body(), origin_of(request.headers))
        return Response(content, status, media_type=JSON)

    _add_seldon(app, predictor)

    @app.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """Whether the process answers."""
        return {"live": True}

    @app.get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        """Whether predictions can be asked for: the model was loaded and checked before this port was opened."""
        return {"ready": True}

    @app.get("/v2/models/{name}")
    async def metadata(name: str) -> dict[str, Any]:
        """The model's inputs and output, as a caller of this deployment gives and gets them."""
        predictor.check_name(name)
        return _metadata(predictor)

    @app.get("/v2/models/{name}/ready")
    async def model_ready(name: str) -> dict[str, Any]:
        """Whether predictions of this model can be asked for."""
        predictor.check_name(name)
        return {"name": name, "ready": True}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _add_seldon(app: FastAPI, predictor: Predictor) -> None:
    """Seldon's v1 routes."""

    async def predict(request: Request) -> Response:
        """Predict; one row of the answer per row."""
        status, content = await predictor.answer_seldon(await request.body(), origin_of(request.headers))
        return Response(content, status, media_type=JSON)

    async def feedback() -> Response:
        """Refused: outcomes go to the observer."""
        return Response(msgspec.json.encode(seldon.failure(seldon.NO_FEEDBACK, 501)), 501, media_type=JSON)

    document = _document(
        seldon.SeldonMessage,
        seldon.SeldonMessage,
        seldon.Failure,
        "Rows by data.names and data.ndarray, data.names and data.tensor (numbers only), or jsonData (objects).",
    )
    of = (predictor.settings.namespace, predictor.settings.deployment)
    for path in seldon.paths(seldon.PREDICT, *of):
        shown = path in seldon.PREDICT
        app.add_api_route(path, predict, methods=["POST"], openapi_extra=document, include_in_schema=shown)
    for path in seldon.paths(seldon.FEEDBACK, *of):
        app.add_api_route(path, feedback, methods=["POST"], include_in_schema=False)


def _metadata(predictor: Predictor) -> dict[str, Any]:
    settings, signature = predictor.settings, predictor.model.signature
    key = signature.entity_type or Datatype.BYTES
    entity = {"name": predictor.entity_field, "datatype": key, "shape": [-1]}
    features = [{"name": i.name, "datatype": i.datatype, "shape": [-1]} for i in signature.inputs]
    return {
        "name": settings.deployment,
        "versions": [settings.version],
        "platform": "onnxruntime_onnx",
        "inputs": [entity] if settings.features is FeatureMode.LOOKUP else [entity, *features],
        "outputs": [{"name": signature.output.name, "datatype": "FP64", "shape": [-1]}],
        "parameters": {"model": signature.model, "digest": settings.model_digest, "features": settings.features},
    }


def _v2_document() -> dict[str, Any]:
    numbers = "; ".join(f"{ours}: {', '.join(theirs)}" for ours, theirs in ACCEPTED.items())
    return _document(InferRequest, InferResponse, Refusal, f"Datatypes by the model's input: {numbers}.")


def _document(request: type, response: type, refusal: type, description: str) -> dict[str, Any]:
    """The wire types of inference for the OpenAPI document; they are msgspec's, which FastAPI does not know."""
    template = "#/components/schemas/{name}"
    (body, answered, refused), components = msgspec.json.schema_components(
        (request, response, refusal), ref_template=template
    )

    def whole(schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {JSON: {"schema": _inlined(schema, components)}}}

    return {
        "requestBody": {"required": True, "description": description, **whole(body)},
        "responses": {
            "200": {"description": "Predictions.", **whole(answered)},
            "400": {
                "description": "A mistake in the request; the text names field, value and remedy.",
                **whole(refused),
            },
            "404": {"description": "Another model, or an entity that is not known.", **whole(refused)},
            "503": {"description": "The online store does not answer.", **whole(refused)},
        },
    }


def _inlined(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with its references replaced, so that the route's document stands alone; none of them is recursive."""
    match schema:
        case {"$ref": str(reference)}:
            return _inlined(components[reference.rpartition("/")[2]], components)
        case dict():
            return {key: _inlined(value, components) for key, value in schema.items()}
        case list():
            return [_inlined(value, components) for value in schema]
        case _:
            return schema


class Application:
    """The RSGI application that Granian runs: inference here, everything else through FastAPI.

    Args:
        log: The prediction log; runs as long as the application.
        close: Called once at the end.
    """

    def __init__(self, predictor: Predictor, log: PredictionLog) -> None:
        self._predictor, self._log = predictor, log
        self._web = web(predictor)
        self._name = predictor.settings.deployment
        self._hot = f"/v2/models/{self._name}/infer"
        self._seldon = frozenset(seldon.paths(seldon.PREDICT, predictor.settings.namespace, self._name))
        self._bodies = BodyReader()
        self._sending: asyncio.Task[None] | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sending = loop.create_task(self._log.run())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Granian calls this after the last request has been answered.
        loop.run_until_complete(self._finish())

    async def _finish(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        await self._log.flush()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        try:
            body = await self._bodies.read(scope.headers.get("content-length"), protocol)
        except InvalidRequest as error:
            text = str(error)
            refusal = seldon.failure(text, error.status) if scope.path in self._seldon else Refusal(text)
            self._predictor.counters.request(error.status, 0.0)
            protocol.response_bytes(error.status, _HEADERS, msgspec.json.encode(refusal))
            return
        if scope.path == self._hot and scope.method == "POST":
            status, content = await self._predictor.answer(self._name, body, origin_of(scope.headers))
            protocol.response_bytes(status, _HEADERS, content)
        elif scope.path in self._seldon and scope.method == "POST":
            status, content = await self._predictor.answer_seldon(body, origin_of(scope.headers))
            protocol.response_bytes(status, _HEADERS, content)
        else:
            await respond(self._web, scope, protocol, body)
