"""Answers a request, whatever protocol it came by: features, prediction, counts, log."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from homeostat.artifacts.signature import Origin as FeatureOrigin
from homeostat.enums import FeatureMode
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.model import Model
from homeostat_services.predictor.prediction_log import Prediction, sampled
from homeostat_services.predictor.rows import RowReader, Rows, Table
from homeostat_services.predictor.settings import PredictorSettings
from homeostat_services.request_origin import Origin
from homeostat_services.shortened import shortened

MAX_ID = 120
"""Characters of the id of a request; the observer takes no longer ones, with the row's number added."""


NAMED_UNKNOWN = 10
"""Places of unknown entities that an answer names at most."""


class Answer(msgspec.Struct, frozen=True):
    """Predictions of a request's rows, in their order.

    Attributes:
        request_id: The id of the request.
        scores: As `Outputs` has them, NaN for a row whose entity is unknown.
        about: What goes with them: deployment, model and, if there are any, the places of unknown entities.
    """

    request_id: str
    scores: list[Any]
    about: dict[str, str]


class OnlineFeatures(Protocol):
    """The online store, as a predictor reads it."""

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        """Features of each entity by name; None for an unknown one. Raises PlatformError."""
        ...


class Predictor:
    """One version of one ModelDeployment.

    Args:
        online: The online store; None when callers send features.
        record: Takes the predictions that are to be logged; must not wait.
    """

    def __init__(
        self,
        settings: PredictorSettings,
        model: Model,
        counters: Counters,
        online: OnlineFeatures | None,
        record: Callable[[list[Prediction]], None],
    ) -> None:
        self.settings, self.model, self.counters = settings, model, counters
        self.entity_field = settings.entity_field or model.signature.entity
        self.about = {"deployment": f"{settings.namespace}/{settings.deployment}", "model": model.signature.model}
        self._online, self._record = online, record
        self._reader = RowReader(model.signature, self.entity_field, settings.features)

    async def predict(self, table: Table, given_id: str, id_field: str, origin: Origin) -> Answer:
        """The predictions of a request's rows, counted and logged.

        Args:
            table: What the request gives.
            given_id: Its own id, if it has one.
            id_field: Where that stands in the request.
            origin: How it came here.

        Raises:
            InvalidRequest: A mistake of the caller, or a prediction that is not finite.
            PlatformError: The online store does not answer.
        """
        rows = self._reader.read(table)
        if len(given_id) > MAX_ID:
            raise InvalidRequest(
                f"{id_field} has {len(given_id)} characters; give at most {MAX_ID}, or omit it to have one generated"
            )
        known, unknown = rows, frozenset[int]()
        if self.settings.features is FeatureMode.LOOKUP:
            known, unknown = await self._looked_up(rows)
        request_id = given_id or origin.id or os.urandom(16).hex()
        scores = self.model.scores(known.columns, known.blocks)
        if not origin.mirrored:
            # Nobody is served by the answer to a copy; whoever answered the request itself has counted its values.
            binned = self.model.outputs.binned(scores)
            self.counters.served(known.columns, binned, known.blocks and known.blocks.numbers)
        about = self.about
        if unknown:
            scores, rows = _spread(scores, unknown, self.model.outputs.missing), _without(rows, unknown)
            about = {**about, "unknown_entities": self._places(rows, unknown)}
        self._log_rows(request_id, rows, scores, mirrored=origin.mirrored)
        return Answer(request_id, scores, about)

    def _places(self, rows: Rows, unknown: frozenset[int]) -> str:
        first = sorted(unknown)[:NAMED_UNKNOWN]
        named = ", ".join(rows.place.format(name=self.entity_field, row=row) for row in first)
        return f"{named} and {len(unknown) - NAMED_UNKNOWN} more" if len(unknown) > NAMED_UNKNOWN else named

    def _log_rows(self, request_id: str, rows: Rows, scores: list[Any], *, mirrored: bool) -> None:
        now, version, percent = time.time(), self.settings.version, self.settings.payload_percent
        ids = [request_id] if rows.count == 1 else [f"{request_id}-{row}" for row in range(rows.count)]
        vectors = isinstance(scores[0], list)
        # Without an entity no outcome could ever be matched by it.
        predictions = [
            Prediction(prediction_id, version, entity, now, None, mirrored, score)
            if vectors
            else Prediction(prediction_id, version, entity, now, score, mirrored)
            for prediction_id, entity, score in zip(ids, rows.entities, scores, strict=True)
            if entity and (percent == 100 or sampled(prediction_id, percent))
        ]
        if predictions:
            self._record(predictions)

    async def _looked_up(self, rows: Rows) -> tuple[Rows, frozenset[int]]:
        """The known rows with their features, and the others' numbers; what a known one lacks is missing, as in training.

        Raises:
            InvalidRequest: No row has a known entity.
            PlatformError: The online store does not answer.
        """
        if self._online is None:
            raise InvalidRequest("this predictor has no online store; its operator sets HOMEOSTAT_FEATURES", 500)
        namespace, keyed = self.settings.namespace, self.model.signature.keyed
        sets = tuple(keyed)
        asked = [(name, rows.keys.get(entity, rows.entities)) for name, entity in keyed.items()]
        stored = await asyncio.gather(*(self._online.lookup(namespace, name, ids) for name, ids in asked))
        rows_of_sets = enumerate(zip(*stored, strict=True))
        unknown = frozenset(row for row, found in rows_of_sets if all(features is None for features in found))
        if len(unknown) == rows.count:
            place = rows.place.format(name=self.entity_field, row=0)
            raise InvalidRequest(
                f"{place} is {shortened(rows.entities[0])}, which feature set {', '.join(sets)} does not know; "
                "check the id, or wait until its features are materialised",
                404,
            )
        if unknown:
            stored = [[v for row, v in enumerate(entities) if row not in unknown] for entities in stored]
        by_set = dict(zip(sets, stored, strict=True))
        columns = {
            i.name: [None if values is None else values.get(i.name) for values in by_set[i.feature_set]]
            for i in self.model.signature.inputs
            if i.origin is FeatureOrigin.LOOKUP
        }
        return self._reader.with_features(rows, columns, unknown), unknown


def _spread(scores: Sequence[Any], unknown: frozenset[int], missing: Any) -> list[Any]:
    """The scores of the known rows, each at its place, with `missing` at those of the others."""
    known = iter(scores)
    return [missing if row in unknown else next(known) for row in range(len(scores) + len(unknown))]


def _without(rows: Rows, unknown: frozenset[int]) -> Rows:
    """The rows without the entities that are unknown: what was not predicted is not logged."""
    return msgspec.structs.replace(
        rows, entities=["" if row in unknown else entity for row, entity in enumerate(rows.entities)]
    )
