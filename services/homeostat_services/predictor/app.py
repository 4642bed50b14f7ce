"""The predictor's HTTP interface, an RSGI application: inference first, everything else after it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import structlog

from homeostat.artifacts.signature import Datatype
from homeostat.enums import FeatureMode
from homeostat.reconcile.errors import PlatformError
from homeostat_services.predictor import encodings, openapi, seldon
from homeostat_services.predictor.bodies import BodyReader
from homeostat_services.predictor.endpoints import (
    JSON,
    Endpoint,
    Headers,
    SeldonEndpoint,
    V2Endpoint,
    encode,
)
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.exposition import CONTENT_TYPE, Exposition
from homeostat_services.predictor.prediction_log import PredictionLog
from homeostat_services.predictor.routes import ROUTES
from homeostat_services.predictor.service import Predictor
from homeostat_services.request_origin import Origin, origin_of

SERVER = {"name": "homeostat", "extensions": ["binary_tensor_data"]}
RETRY_AFTER: Headers = [*JSON, ("retry-after", "1")]

_log = structlog.get_logger()


class Application:
    """The RSGI application that Granian runs.

    Args:
        log: The prediction log; runs as long as the application.
    """

    def __init__(self, predictor: Predictor, log: PredictionLog) -> None:
        self._predictor, self._log = predictor, log
        self._bodies = BodyReader()
        self._exposition = Exposition(predictor.counters)
        self._v2, self._seldon = V2Endpoint(predictor), SeldonEndpoint(predictor)
        self._inference = self._endpoints()
        settings = predictor.settings
        self._feedback = frozenset(seldon.paths(seldon.FEEDBACK, settings.namespace, settings.deployment))
        self._sending: asyncio.Task[None] | None = None

    def _endpoints(self) -> dict[str, Endpoint]:
        settings = self._predictor.settings
        model, of = f"/v2/models/{settings.deployment}", (settings.namespace, settings.deployment)
        return {
            f"{model}/infer": self._v2,
            f"{model}/versions/{settings.version}/infer": self._v2,
            **dict.fromkeys(seldon.paths(seldon.PREDICT, *of), self._seldon),
        }

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
        endpoint = self._endpoint(scope.path) if scope.method == "POST" else None
        if endpoint is not None:
            status, headers, content = await self._answered(endpoint, scope.path, scope.headers, protocol)
        else:
            status, headers, content = await self._rest(scope.method, scope.path)
        if len(content) >= encodings.WORTHWHILE_BYTES:
            headers, content = _encoded(headers, content, scope.headers.get("accept-encoding"))
        protocol.response_bytes(status, headers, content if scope.method != "HEAD" else b"")

    def _endpoint(self, path: str) -> Endpoint | None:
        if found := self._inference.get(path):
            return found
        return self._v2 if any(_matches(route.path, path) for route in ROUTES if route.protocol == "v2") else None

    async def _answered(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str], protocol: Any
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body of the answer to a request for predictions, which is counted; never raises."""
        started, origin = time.perf_counter(), Origin()
        status, given = 500, JSON
        try:
            origin = origin_of(headers)
            body = await self._bodies.read(headers.get("content-length"), protocol)
            started = time.perf_counter()
            if path not in self._inference:
                self._check_model(path)
            if encoding := headers.get("content-encoding"):
                body = encodings.decompressed(body, encoding)
            given, content = await endpoint.answer(body, headers, origin)
            status = 200
        except InvalidRequest as error:
            status, content = error.status, endpoint.refusal(str(error), error.status)
        except RecursionError:
            # An answer repeats the tags of its request, and is one level deeper.
            status, content = 400, endpoint.refusal("body: it is nested too deeply; send fewer levels", 400)
        except PlatformError as error:
            _log.warning("features are not available", error=str(error))
            status, content = 503, endpoint.refusal(str(error), 503)
        except Exception:  # noqa: BLE001 - a caller gets an answer, whatever broke
            _log.exception("a request failed")
            content = endpoint.refusal("the prediction failed; the predictor's log says why", 500)
        self._predictor.counters.request(status, time.perf_counter() - started, mirrored=origin.mirrored)
        return status, RETRY_AFTER if status in (429, 503) else given, content

    async def _rest(self, method: str, path: str) -> tuple[int, Headers, bytes]:
        """Status, headers and body of every other answer."""
        if path in self._feedback and method == "POST":
            return 501, JSON, self._seldon.refusal(seldon.NO_FEEDBACK, 501)
        try:
            if method not in ("GET", "HEAD"):
                raise _not_served(method, path)
            if path == "/metrics":
                return 200, [("content-type", CONTENT_TYPE)], await self._exposition.text()
            return 200, JSON, encode(self._document(path))
        except InvalidRequest as error:
            headers = [*JSON, ("allow", _allowed(path))] if error.status == 405 else JSON
            return error.status, headers, self._form(path).refusal(str(error), error.status)

    def _form(self, path: str) -> Endpoint:
        return self._seldon if path in self._feedback else self._inference.get(path, self._v2)

    def _document(self, path: str) -> object:
        match path.rstrip("/").split("/")[1:]:
            case ["v2"]:
                return {**SERVER, "version": self._predictor.settings.version}
            case ["v2", "health", "live"]:
                return {"live": True}
            case ["v2", "health", "ready"]:
                return {"ready": True}
            case ["v2", "models", _] | ["v2", "models", _, "versions", _]:
                self._check_model(path)
                return self._metadata()
            case ["v2", "models", _, "ready"] | ["v2", "models", _, "versions", _, "ready"]:
                self._check_model(path)
                return {"name": self._predictor.settings.deployment, "ready": True}
            case ["openapi.json"]:
                return openapi.document(self._predictor.settings.version)
            case _:
                raise _not_served("GET", path)

    def _check_model(self, path: str) -> None:
        """Refuse a path below /v2/models that names another model or version."""
        settings, parts = self._predictor.settings, [unquote(part) for part in path.split("/")[3:]]
        if parts[0] != settings.deployment:
            raise InvalidRequest(
                f"model {parts[0][:60]!r} is not served here; use /v2/models/{settings.deployment}", 404
            )
        if parts[1:2] == ["versions"] and parts[2] != settings.version:
            raise InvalidRequest(
                f"version {parts[2][:60]!r} of model {settings.deployment!r} is not served here; "
                f"use /v2/models/{settings.deployment}, or version {settings.version!r}",
                404,
            )

    def _metadata(self) -> dict[str, Any]:
        predictor = self._predictor
        settings, signature = predictor.settings, predictor.model.signature
        key = signature.entity_type or Datatype.BYTES
        keys = {predictor.entity_field: key}
        if settings.features is FeatureMode.LOOKUP:
            keys |= {each.name: each.datatype for each in signature.others}
        sent = signature.sent if settings.features is FeatureMode.LOOKUP else signature.datatypes
        inputs = [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in (keys | sent).items()]
        return {
            "name": settings.deployment,
            "versions": [settings.version],
            "platform": "onnxruntime_onnx",
            "inputs": inputs,
            "outputs": predictor.model.outputs.described(),
            "parameters": {
                "model": signature.model,
                "digest": settings.model_digest,
                "features": settings.features,
                "task": signature.task,
                **({"classes": signature.classes} if signature.classes else {}),
            },
        }


def _encoded(headers: Headers, content: bytes, accepted: str | None) -> tuple[Headers, bytes]:
    encoding = encodings.accepted(accepted)
    if encoding is None:
        return headers, content
    return [*headers, ("content-encoding", encoding)], encodings.compressed(content, encoding)


def _allowed(path: str) -> str:
    """Methods of the routes with this path."""
    return ", ".join(sorted({route.method for route in ROUTES if _matches(route.path, path)}))


def _matches(pattern: str, path: str) -> bool:
    expected, given = pattern.split("/"), path.rstrip("/").split("/")
    return len(expected) == len(given) and all(
        part.startswith("{") or part == name for part, name in zip(expected, given, strict=True)
    )


def _not_served(method: str, path: str) -> InvalidRequest:
    methods = _allowed(path)
    if methods:
        return InvalidRequest(f"{method} {path[:120]} is not served; use {methods}", 405)
    return InvalidRequest(f"{path[:120]} is not served here; /openapi.json lists the routes", 404)
