"""A panel with features of two entities and of the request, in one process: labels, dataset, training, predictor."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, TRAIN
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.enums import FeatureMode
from homeostat.runs import TrainResult
from homeostat_pipelines import dataset, training
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.model import load
from homeostat_services.predictor.prediction_log import Prediction
from homeostat_services.predictor.rows import Table
from homeostat_services.predictor.service import Predictor
from homeostat_services.predictor.settings import PredictorSettings
from homeostat_services.request_origin import Origin
from support.tables import LABELS, NOON, OUTPUT, a_store, customers, feature_source, parquet, train_input

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn warns about small data

SHOPS = "s3://homeostat/churn/featuresets/shops/x/data.parquet"
CUSTOMERS, VISITS = customers(), 4
SIZES = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0]


def shops() -> Any:
    return feature_source(
        name="shops", entities=[{"name": "shop", "type": "Int64"}], features=[{"name": "size", "type": "Float64"}],
        snapshot_uri=SHOPS,
    )  # fmt: skip


def visits() -> pa.Table:
    """Four visits of each customer to a shop: whether something was bought depends on all three kinds of features."""
    draw, count = np.random.default_rng(3), CUSTOMERS.num_rows * VISITS
    shop, basket = draw.integers(0, len(SIZES), count), draw.normal(0, 2, count)
    monthly = np.array([value == "month" for value in CUSTOMERS.column("contract").to_pylist()]).repeat(VISITS)
    bought = basket + np.array(SIZES)[shop] - 3 * monthly + draw.normal(0, 1, count) > 1
    times: list[datetime] = [NOON - timedelta(minutes=number % VISITS) for number in range(count)]
    return pa.table(
        {
            "customer_id": np.repeat(CUSTOMERS.column("customer_id").to_pylist(), VISITS).tolist(),
            "shop": shop,
            "predicted_at": pa.array(times, pa.timestamp("us", tz="UTC")),
            "basket": pa.array(basket, mask=draw.random(count) < 0.1),
            "churned": bought,
        }
    )


class Online:
    """What a materialisation puts online: the newest row of each entity."""

    def __init__(self) -> None:
        sizes = [{"shop": shop, "size": size} for shop, size in enumerate(SIZES)]
        self._sets = {
            "customers": {row["customer_id"]: row for row in CUSTOMERS.to_pylist()},
            "shops": {str(row["shop"]): row for row in sizes},
        }

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        assert namespace == "churn"
        return [self._sets[feature_set].get(key) for key in keys]


def test_a_panel_of_two_entities_with_a_request_feature_is_served_as_it_was_trained() -> None:
    objects = MemoryObjects(a_store(CUSTOMERS).content)
    objects.write(f"{LABELS}part-0.parquet", parquet(visits()))
    times = pa.array([NOON - timedelta(hours=2)] * len(SIZES), pa.timestamp("us", tz="UTC"))
    objects.write(SHOPS, parquet(pa.table({"shop": [*range(len(SIZES))], "observed_at": times, "size": SIZES})))
    job = train_input(
        feature_sets=[feature_source(), shops()], request_features=[{"name": "basket", "type": "Float64"}],
        rows_per_entity="All", parameters={"max_iter": "40"},
    )  # fmt: skip
    training.run(job, objects)
    result = TrainResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))
    data = BundleRef(uri=result.dataset.uri, digest=result.dataset.digest)
    train, holdout = (dataset.read(objects, data, name) for name in (TRAIN, HOLDOUT))
    assert train.num_rows + holdout.num_rows == CUSTOMERS.num_rows * VISITS
    assert not {*train.column("customer_id").to_pylist()} & {*holdout.column("customer_id").to_pylist()}
    assert result.metrics["auc"] > 0.9, "each kind of feature tells something"

    model = load(objects, result.model.uri, result.model.digest)
    rows = holdout.slice(0, 200)
    expected = model.scores({i.name: rows.column(i.name).to_pylist() for i in model.signature.inputs})
    logged: list[Prediction] = []
    settings = PredictorSettings(
        namespace="churn", deployment="churn", version="1", model_uri=result.model.uri,
        model_digest=result.model.digest, features=FeatureMode.LOOKUP,
    )  # fmt: skip
    counters = Counters("churn", "churn", "1", model.baseline, model.block.numbers)
    predictor = Predictor(settings, model, counters, Online(), logged.extend)
    sent = {name: rows.column(name).to_pylist() for name in ("customer_id", "shop", "basket")}
    table = Table(rows.num_rows, sent, "inputs: tensor", "inputs[{name}].data[{row}]")
    answer = asyncio.run(predictor.predict(table, "", "id", Origin("", mirrored=False)))
    assert answer.scores == pytest.approx(expected, abs=1e-9)
    assert [each.entity for each in logged] == sent["customer_id"]
