"""The policy of docs/values.md where requests and looked-up rows are read."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from homeostat_services.predictor.prediction_log import Prediction
from support import small_model
from support.small_model import ROWS

Make = Callable[..., httpx.AsyncClient]
INFER, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"
LOOKUP = {"inputs": [{"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}


async def counted(http: httpx.AsyncClient, feature: str, label: str) -> bool:
    text = (await http.get("/metrics")).text
    line = f'homeostat_feature_bin_total{{bin="{label}",deployment="churn",feature="{feature}",'
    return any(found.startswith(line) and found.endswith(" 1.0") for found in text.splitlines())


@pytest.mark.parametrize("padded", ["monthly\0\0", "\0monthly", "mon\0thly"])
async def test_nul_characters_of_text_are_no_part_of_it(client: Make, padded: str) -> None:
    row = {**ROWS[0], "contract": padded}
    async with client() as http:
        answer = await http.post(INFER, json=small_model.request([row]))
        assert answer.json()["outputs"][0]["data"] == pytest.approx([small_model.probability(ROWS[0])], abs=1e-6)
        assert await counted(http, "contract", "monthly")


@pytest.mark.parametrize("mode", ["Lookup", "Request"])
@pytest.mark.parametrize("entity_type", ["BYTES", "INT64", None])
async def test_an_entity_id_with_nul_characters_is_refused(
    client: Make, recorded: list[Prediction], mode: str, entity_type: str | None
) -> None:
    row = {"customer_id": "7\0"} if mode == "Lookup" else {**ROWS[0], "customer_id": "7\0"}
    http = client({"7": ROWS[0]}, entity_type=entity_type, features=mode)
    answer = await http.post(SELDON, json={"jsonData": row})
    assert answer.status_code == 400
    assert "is '7\\x00'; an entity id is" in answer.json()["status"]["info"]
    assert recorded == []


@pytest.mark.parametrize("stored", [float("inf"), -1e39, float("nan")])
async def test_a_stored_number_that_a_model_cannot_compute_with_is_a_missing_one_for_model_and_bins(
    client: Make, stored: float
) -> None:
    online: dict[str, dict[str, Any]] = {"a": {**ROWS[2], "charges": stored}}
    async with client(online, features="Lookup") as http:
        answer = await http.post(INFER, json=LOOKUP)
        assert answer.json()["outputs"][0]["data"] == pytest.approx([small_model.probability(ROWS[2])], abs=1e-6)
        assert await counted(http, "charges", "__null__")
