"""Answers a request: features, prediction, counts, log."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from homeostat.api.v1alpha1.modeldeployment import FeatureMode
from homeostat.reconcile.errors import PlatformError
from homeostat_services.predictor import protocol, seldon
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.model import Model
from homeostat_services.predictor.prediction_log import Prediction, sampled
from homeostat_services.predictor.protocol import InferResponse, OutputTensor, Refusal, check_id
from homeostat_services.predictor.rows import RowReader, Rows, Table
from homeostat_services.predictor.settings import PredictorSettings
from homeostat_services.request_origin import Origin
from homeostat_services.shortened import shortened

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_DIRECT = Origin()


def _refusal(text: str, _status: int) -> Refusal:
    return Refusal(text)


class OnlineFeatures(Protocol):
    """The online store, as a predictor reads it."""

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        """Features of each entity by name; None for an unknown one. Raises PlatformError."""
        ...


class Predictor:
    """One version of one ModelDeployment.

    Args:
        online: The online store; None when callers send features.
        record: Takes each prediction that is to be logged; must not wait.
    """

    def __init__(
        self,
        settings: PredictorSettings,
        model: Model,
        counters: Counters,
        online: OnlineFeatures | None,
        record: Callable[[Prediction], None],
    ) -> None:
        self.settings, self.model, self.counters = settings, model, counters
        self.entity_field = settings.entity_field or model.signature.entity
        self._online, self._record = online, record
        self._reader = RowReader(model.signature, self.entity_field, settings.features)
        self._accepted = protocol.accepted_datatypes(model.signature, self.entity_field)
        self._about = {"deployment": f"{settings.namespace}/{settings.deployment}", "model": model.signature.model}

    def answer(self, name: str, body: bytes, origin: Origin = _DIRECT) -> Awaitable[tuple[int, bytes]]:
        """Status and JSON body for the request body `body` to the model `name`; counts the request, never raises."""
        return self._counted(self._infer(name, body, origin), _refusal, origin)

    def answer_seldon(self, body: bytes, origin: Origin = _DIRECT) -> Awaitable[tuple[int, bytes]]:
        """Status and JSON body for the SeldonMessage in `body`; counts the request, never raises."""
        return self._counted(self._seldon(body, origin), seldon.failure, origin)

    async def _counted(
        self, answering: Awaitable[msgspec.Struct], refused: Callable[[str, int], msgspec.Struct], origin: Origin
    ) -> tuple[int, bytes]:
        started = time.perf_counter()
        try:
            status, content = 200, _encode(await answering)
        except InvalidRequest as error:
            status, content = error.status, _encode(refused(str(error), error.status))
        except RecursionError:
            # An answer repeats the tags of its request, and is one level deeper.
            status, content = 400, _encode(refused("body: it is nested too deeply; send fewer levels", 400))
        except PlatformError as error:
            _log.warning("features are not available", error=str(error))
            status, content = 503, _encode(refused(str(error), 503))
        except Exception:  # noqa: BLE001 - a caller gets an answer, whatever broke
            _log.exception("a request failed")
            text = "the prediction failed; the predictor's log says why"
            status, content = 500, _encode(refused(text, 500))
        self.counters.request(status, time.perf_counter() - started, mirrored=origin.mirrored)
        return status, content

    def check_name(self, name: str) -> None:
        """Refuse a model that is not served here.

        Raises:
            InvalidRequest: With status 404.
        """
        if name != self.settings.deployment:
            served = self.settings.deployment
            raise InvalidRequest(f"model {name!r} is not served here; use /v2/models/{served}", 404)

    async def _infer(self, name: str, body: bytes, origin: Origin) -> InferResponse:
        self.check_name(name)
        request = protocol.decode(body)
        settings, signature = self.settings, self.model.signature
        rows = await self._rows(protocol.table(request, self._accepted))
        request_id = check_id(request.id or "", "id") or origin.id or uuid.uuid4().hex
        scores = self._predict(request_id, rows, origin)
        output = OutputTensor(signature.output.name, "FP64", [rows.count], scores)
        return InferResponse(settings.deployment, settings.version, request_id, [output], self._about)

    async def _seldon(self, body: bytes, origin: Origin) -> seldon.SeldonMessage:
        message = seldon.decode(body)
        settings, signature = self.settings, self.model.signature
        rows = await self._rows(seldon.table(message))
        puid = check_id(message.meta.puid, "meta.puid") or origin.id or uuid.uuid4().hex
        scores = self._predict(puid, rows, origin)
        return seldon.answer(message, puid, signature.output.name, scores, {**self._about, "version": settings.version})

    def _predict(self, request_id: str, rows: Rows, origin: Origin) -> list[float]:
        """Scores of the rows, counted and logged, whatever protocol they came by."""
        scores = self.model.scores(rows.columns)
        if not origin.mirrored:
            # Nobody is served by the answer to a copy; whoever answered the request itself has counted its values.
            self.counters.served(rows.columns, scores)
        self._log_rows(request_id, rows, scores, mirrored=origin.mirrored)
        return scores

    def _log_rows(self, request_id: str, rows: Rows, scores: list[float], *, mirrored: bool) -> None:
        now, version, percent = time.time(), self.settings.version, self.settings.payload_percent
        for row, (entity, score) in enumerate(zip(rows.entities, scores, strict=True)):
            prediction_id = request_id if rows.count == 1 else f"{request_id}-{row}"
            # Without an entity no outcome could ever be matched by it.
            if entity and sampled(prediction_id, percent):
                self._record(Prediction(prediction_id, version, entity, now, score, mirrored))

    async def _rows(self, table: Table) -> Rows:
        rows = self._reader.read(table)
        return await self._looked_up(rows) if self.settings.features is FeatureMode.LOOKUP else rows

    async def _looked_up(self, rows: Rows) -> Rows:
        """The same rows with their features; one that is not in the store is missing, as it was in training."""
        if self._online is None:
            raise InvalidRequest("this predictor has no online store; its operator sets HOMEOSTAT_FEATURES", 500)
        namespace, sets = self.settings.namespace, self.model.signature.feature_sets
        stored = await asyncio.gather(*(self._online.lookup(namespace, name, rows.entities) for name in sets))
        for row, entity in enumerate(rows.entities):
            if all(entities[row] is None for entities in stored):
                place = rows.place.format(name=self.entity_field, row=row)
                raise InvalidRequest(
                    f"{place} is {shortened(entity)}, which feature set {', '.join(sets)} does not know; "
                    "check the id, or wait until its features are materialised",
                    404,
                )
        by_set = dict(zip(sets, stored, strict=True))
        columns = {
            i.name: [None if values is None else values.get(i.name) for values in by_set[i.feature_set]]
            for i in self.model.signature.inputs
        }
        return Rows(rows.count, rows.entities, columns, rows.place)
