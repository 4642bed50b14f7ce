"""Models whose features are of several entities: a request names the key of each."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from homeostat_services.predictor.prediction_log import Prediction
from support import small_model

Make = Callable[..., httpx.AsyncClient]
V2, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"
ROWS = small_model.ROWS
PLACES = {"contract": "customers", "charges": "shops", "tenure": "customers", "senior": "customers"}
SIGNATURE = {
    "featureSets": ["customers", "shops"],
    "otherEntities": [{"name": "shop", "datatype": "INT64", "featureSets": ["shops"]}],
    "inputs": [{"name": n, "datatype": d, "feature_set": PLACES[n]} for n, d in small_model.DATATYPES.items()],
}
SERVED: dict[str, Any] = {
    "online": {"x": {**ROWS[0], "charges": None}, "y": {**ROWS[1], "charges": None}},
    "others": {"shops": {"7": {"charges": ROWS[0]["charges"]}, "8": {"charges": ROWS[1]["charges"]}}},
    "signature": SIGNATURE,
    "features": "Lookup",
}


def request_of(customers: list[str], shops: list[Any]) -> dict[str, Any]:
    ids = {"name": "customer_id", "shape": [len(customers)], "datatype": "BYTES", "data": customers}
    return {"inputs": [ids, {"name": "shop", "shape": [len(shops)], "datatype": "INT64", "data": shops}]}


async def test_each_feature_is_looked_up_by_the_key_of_its_own_entity(client: Make, recorded: list[Prediction]) -> None:
    crossed = [{**ROWS[0], "charges": ROWS[1]["charges"]}, {**ROWS[1], "charges": ROWS[0]["charges"]}]
    expected = [small_model.probability(row) for row in [*ROWS[:2], *crossed]]
    async with client(**SERVED) as http:
        answer = await http.post(V2, json=request_of(["x", "y", "x", "y"], [7, 8, 8, 7]))
        rows = [{"customer_id": c, "shop": s} for c, s in (("x", "7"), ("y", "8"), ("x", "8"), ("y", "7"))]
        seldon = await http.post(SELDON, json={"jsonData": rows})
    assert answer.json()["outputs"][0]["data"] == pytest.approx(expected, abs=1e-6)
    assert seldon.json()["data"]["tensor"]["values"] == pytest.approx(expected, abs=1e-6)
    assert [p.entity for p in recorded[:4]] == ["x", "y", "x", "y"], "outcomes go by the first entity"


async def test_a_row_has_no_prediction_only_if_none_of_its_entities_is_known(client: Make) -> None:
    async with client(**SERVED) as http:
        answer = await http.post(V2, json=request_of(["x", "nobody", "nobody"], [9, 8, 9]))
    first, second, unknown = answer.json()["outputs"][0]["data"]
    expected = [{**ROWS[0], "charges": None}, {"contract": None, "charges": ROWS[1]["charges"]}]
    assert [first, second] == pytest.approx([*map(small_model.probability, expected)], abs=1e-6)
    assert unknown is None


@pytest.mark.parametrize(
    ("shops", "named"),
    [
        ([None], "inputs[shop].data[0] is empty; give the id of an entity"),
        ([7.5], "inputs[shop].data[0] is 7.5; an entity id is an integer of at most 64 bits"),
    ],
)
async def test_a_wrong_key_is_named_with_its_entity(client: Make, shops: list[Any], named: str) -> None:
    response = await client(**SERVED).post(V2, json=request_of(["x"], shops))
    assert (response.status_code, named in response.json()["error"]) == (400, True)


async def test_a_missing_key_is_named(client: Make) -> None:
    body = {"inputs": request_of(["x"], [7])["inputs"][:1]}
    response = await client(**SERVED).post(V2, json=body)
    assert "tensor 'shop' is missing; add it" in response.json()["error"]


async def test_metadata_reports_each_key(client: Make) -> None:
    answer = (await client(**SERVED).get("/v2/models/churn")).json()
    assert [(each["name"], each["datatype"]) for each in answer["inputs"]] == [
        ("customer_id", "BYTES"),
        ("shop", "INT64"),
    ]


async def test_with_request_no_further_key_is_sent(client: Make) -> None:
    response = await client(signature=SIGNATURE).post(V2, json=small_model.request(ROWS))
    assert response.json()["outputs"][0]["data"] == pytest.approx([*map(small_model.probability, ROWS)], abs=1e-6)
