from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import pytest

from homeostat_services.predictor.app import Application
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.model import load
from homeostat_services.predictor.prediction_log import PredictedBy, Prediction, PredictionLog
from homeostat_services.predictor.service import Predictor
from support import small_model
from unit.services.predictor.rsgi import RsgiTransport


class KnownCustomers:
    """An online store in memory: customers, and other FeatureSets by name."""

    def __init__(self, known: dict[str, dict[str, Any]], others: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.sets = {"customers": known, **others}

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        assert namespace == "churn"
        return [self.sets[feature_set].get(key) for key in keys]


class Nowhere:
    """A sink that nothing reaches."""

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        raise AssertionError(batch, models)


@pytest.fixture
def recorded() -> list[Prediction]:
    """What was handed to the prediction log."""
    return []


@pytest.fixture
def client(recorded: list[Prediction]) -> Callable[..., httpx.AsyncClient]:
    """Makes a client of a predictor with the given settings."""

    def make(
        online: dict[str, dict[str, Any]] | None = None,
        entity_type: str | None = None,
        task: str = "BinaryClassification",
        sent: tuple[str, ...] = (),
        others: dict[str, dict[str, dict[str, Any]]] | None = None,
        signature: dict[str, Any] | None = None,
        **changes: Any,
    ) -> httpx.AsyncClient:
        objects, digest = small_model.stored(small_model.files(task, sent, entityType=entity_type, **(signature or {})))
        model = load(objects, small_model.URI, digest)
        counters = Counters("churn", "churn", "1", model.baseline, model.block.numbers)
        store = None if online is None else KnownCustomers(online, others or {})
        predictor = Predictor(small_model.settings(digest, **changes), model, counters, store, recorded.extend)
        application = Application(predictor, PredictionLog(Nowhere(), counters))
        return httpx.AsyncClient(transport=RsgiTransport(application), base_url="http://predictor")

    return make
