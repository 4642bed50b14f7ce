"""Ids of entities are of the type of the entity's key, as the signature records it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from homeostat_services.predictor.prediction_log import Prediction
from support import small_model

Make = Callable[..., httpx.AsyncClient]
V2, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"
ROW = small_model.ROWS[0]


def request_of(route: str, mode: str, entity: Any) -> tuple[str, dict[str, Any]]:
    row = {"customer_id": entity} if mode == "Lookup" else {**ROW, "customer_id": entity}
    if route == SELDON:
        return route, {"jsonData": row}
    body = small_model.request([ROW], [entity])
    kept = body["inputs"][-1:] if mode == "Lookup" else body["inputs"]
    return route, {"inputs": kept}


@pytest.mark.parametrize("route", [V2, SELDON])
@pytest.mark.parametrize("mode", ["Lookup", "Request"])
@pytest.mark.parametrize(
    "entity", ["unknown", "7.5", "007", "1e3", " 7", "\u0667", "9" * 19, "9" * 30, 7.5, 2**63, True]
)
async def test_what_is_no_integer_is_refused_where_the_key_is_one(
    client: Make, recorded: list[Prediction], route: str, mode: str, entity: Any
) -> None:
    path, body = request_of(route, mode, entity)
    response = await client({"7": ROW}, entity_type="INT64", features=mode).post(path, json=body)
    assert response.status_code == 400
    assert "an entity id is an integer of at most 64 bits, since the key of this entity is an Int64" in response.text
    assert recorded == []


@pytest.mark.parametrize("route", [V2, SELDON])
@pytest.mark.parametrize("mode", ["Lookup", "Request"])
@pytest.mark.parametrize("entity", [7, 7.0, "7"])
async def test_an_integer_is_taken_in_each_spelling_that_clients_have(
    client: Make, recorded: list[Prediction], route: str, mode: str, entity: Any
) -> None:
    path, body = request_of(route, mode, entity)
    response = await client({"7": ROW}, entity_type="INT64", features=mode).post(path, json=body)
    assert response.status_code == 200, response.text
    assert [p.entity for p in recorded] == ["7"]


@pytest.mark.parametrize("entity_type", ["BYTES", None])
async def test_a_key_of_text_takes_text_and_integers(
    client: Make, recorded: list[Prediction], entity_type: str | None
) -> None:
    async with client(entity_type=entity_type) as http:
        for entity in ("unknown", "007", 7):
            assert (await http.post(SELDON, json={"jsonData": {**ROW, "customer_id": entity}})).status_code == 200
    assert [p.entity for p in recorded] == ["unknown", "007", "7"]


async def test_metadata_reports_the_type_of_the_key(client: Make) -> None:
    for entity_type, datatype in (("INT64", "INT64"), ("BYTES", "BYTES"), (None, "BYTES")):
        answer = (await client(entity_type=entity_type, features="Lookup").get("/v2/models/churn")).json()
        assert answer["inputs"] == [{"name": "customer_id", "datatype": datatype, "shape": [-1]}]
