"""Seldon's v1 route: the same predictions, counts and log as by the Open Inference Protocol."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from homeostat.artifacts.signature import Signature
from homeostat.enums import FeatureMode
from homeostat_services.predictor import seldon
from homeostat_services.predictor.prediction_log import Prediction, sampled
from homeostat_services.predictor.rows import RowReader
from support import small_model

INFER, PREDICT = "/v2/models/churn/infer", "/api/v1.0/predictions"
ROWS = small_model.ROWS
EXPECTED = [small_model.probability(row) for row in ROWS]
NAMED = [{**row, "customer_id": entity} for row, entity in zip(ROWS, ["a", "b", "c", "d", ""], strict=True)]
ID = "customer_id"
Make = Callable[..., httpx.AsyncClient]


def message(rows: list[dict[str, Any]], **meta: Any) -> dict[str, Any]:
    """The rows as data.ndarray."""
    return {"data": {"names": list(rows[0]), "ndarray": [list(row.values()) for row in rows]}, "meta": meta}


async def test_rows_are_answered_by_rows_and_logged_under_the_puid(client: Make, recorded: list[Prediction]) -> None:
    response = await client().post(PREDICT, json=message(NAMED, puid="call", tags={"channel": "web"}))
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"]["names"] == ["probability"]
    assert answer["data"]["ndarray"] == [[pytest.approx(score, abs=1e-6)] for score in EXPECTED]
    about = {"model": "churn.churn", "version": "1", "deployment": "churn/churn"}
    assert answer["meta"] == {"puid": "call", "tags": {"channel": "web", **about}}
    assert [(p.id, p.entity) for p in recorded] == [("call-0", "a"), ("call-1", "b"), ("call-2", "c"), ("call-3", "d")]
    assert [[p.score] for p in recorded] == answer["data"]["ndarray"][:4]


async def test_a_row_without_a_puid_gets_one_that_is_the_predictions_id(
    client: Make, recorded: list[Prediction]
) -> None:
    answer = (await client().post(PREDICT, json=message(NAMED[:1]))).json()
    assert answer["meta"]["puid"]
    assert [p.id for p in recorded] == [answer["meta"]["puid"]]


async def test_both_protocols_count_alike_and_log_alike(client: Make, recorded: list[Prediction]) -> None:
    counted, logged = [], []
    asked = small_model.request(ROWS, ["a", "b", "c", "d", ""], id="call")
    for path, body in ((INFER, asked), (PREDICT, message(NAMED, puid="call"))):
        async with client(payload_percent=60) as http:
            assert (await http.post(path, json=body)).status_code == 200
            lines = (await http.get("/metrics")).text.splitlines()
        counted.append([line for line in lines if not line.startswith("homeostat_request_duration_seconds")])
        logged.append([(p.id, p.version, p.entity, p.score) for p in recorded])
        recorded.clear()
    assert counted[0] == counted[1]
    assert logged[0] == logged[1]
    assert [entry[0] for entry in logged[0]] == [f"call-{n}" for n in range(4) if sampled(f"call-{n}", 60)]


async def test_an_object_is_a_row_and_is_answered_by_a_tensor(client: Make) -> None:
    async with client() as http:
        one = (await http.post(PREDICT, json={"jsonData": ROWS[0]})).json()
        several = (await http.post(PREDICT, json={"jsonData": ROWS})).json()
    assert one["data"]["tensor"] == {"shape": [1, 1], "values": [pytest.approx(EXPECTED[0], abs=1e-6)]}
    assert several["data"]["tensor"] == {"shape": [5, 1], "values": pytest.approx(EXPECTED, abs=1e-6)}


async def test_numbers_that_seldons_client_made_doubles_of_are_taken_as_what_they_were(client: Make) -> None:
    doubles = {"contract": "monthly", "charges": "NaN", "tenure": 1.0, "senior": 1.0, "customer_id": 7.0}
    async with client() as http:
        response = await http.post(PREDICT, json=message([doubles]))
        text = (await http.get("/metrics")).text
    missing = small_model.probability({"contract": "monthly", "charges": None})
    assert response.json()["data"]["ndarray"] == [[pytest.approx(missing, abs=1e-6)]]
    of = 'namespace="churn",version="1"'
    assert f'homeostat_feature_bin_total{{bin="True",deployment="churn",feature="senior",{of}}} 1.0' in text
    assert f'homeostat_feature_bin_total{{bin="__null__",deployment="churn",feature="charges",{of}}} 1.0' in text


def test_a_tensor_gives_numbers_row_by_row() -> None:
    signature = Signature.model_validate(
        {
            "model": "churn.churn",
            "entity": ID,
            "featureSets": ["customers"],
            "inputs": [
                {"name": name, "datatype": datatype, "feature_set": "customers"}
                for name, datatype in (("charges", "FP64"), ("tenure", "INT64"), ("senior", "BOOL"))
            ],
            "output": {"name": "probability", "datatype": "FP64"},
        }
    )
    names = ["tenure", "charges", "senior", ID]
    tensor = {"shape": [2, 4], "values": [3.0, 20.5, 0, 7.0, "NaN", "NaN", 1.0, "NaN"]}
    asked = seldon.decode(json.dumps({"data": {"names": names, "tensor": tensor}}).encode())
    rows = RowReader(signature, ID, FeatureMode.REQUEST).read(seldon.table(asked))
    assert rows.columns == {"charges": [20.5, None], "tenure": [3, None], "senior": [False, True]}
    assert [type(value) for value in rows.columns["tenure"]] == [int, type(None)]
    assert rows.entities == ["7", ""]


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"names": [ID], "ndarray": [["7"], ["8"]]}},
        {"data": {"names": [ID], "tensor": {"shape": [2, 1], "values": [7.0, 8.0]}}},
        {"jsonData": [{ID: "7"}, {ID: 8}]},
    ],
)
async def test_a_lookup_takes_entity_ids_alone(client: Make, recorded: list[Prediction], body: dict[str, Any]) -> None:
    response = await client({"7": ROWS[0], "8": ROWS[1]}, features="Lookup").post(PREDICT, json=body)
    assert response.status_code == 200
    assert [p.entity for p in recorded] == ["7", "8"]
    assert [p.score for p in recorded] == pytest.approx(EXPECTED[:2], abs=1e-6)


PATHS = [PREDICT, "/predict", f"/seldon/churn{PREDICT}", f"/seldon/churn/churn{PREDICT}"]


@pytest.mark.parametrize("path", PATHS)
async def test_seldons_clients_find_the_route_with_and_without_a_gateway(client: Make, path: str) -> None:
    assert (await client().post(path, json=message(ROWS))).status_code == 200


async def test_a_form_with_the_message_is_taken_as_the_message(client: Make) -> None:
    asked = message([{**ROWS[1], "contract": "a + b & c"}], puid="formed")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await client().post("/predict", content=urlencode({"json": json.dumps(asked)}), headers=headers)
    assert response.status_code == 200
    assert response.json()["meta"]["puid"] == "formed"


def changed(name: str, value: Any) -> dict[str, Any]:
    return message([ROWS[0], {**ROWS[1], name: value}])


async def test_a_column_of_a_later_version_is_ignored_beside_all_columns_of_this_one(client: Make) -> None:
    async with client() as http:
        expected = (await http.post(PREDICT, json=message(ROWS[:1]))).json()["data"]
        response = await http.post(PREDICT, json=message([{**ROWS[0], "basket": 1.5}]))
    assert (response.status_code, response.json()["data"]) == (200, expected)


TWO = {"names": [ID], "ndarray": [["a"]], "tensor": {"shape": [1, 1], "values": [1]}}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no form": ({"strData": "x"}, "give exactly one of data.ndarray, data.tensor and jsonData"),
    "two forms": ({"data": TWO}, "give exactly one of"),
    "no object": ({"jsonData": "x"}, "give exactly one of"),
    "not a message": ({"data": {"ndarray": "x"}}, "Expected `array | null`, got `str` - at `$.data.ndarray`; send"),
    "no names": ({"data": {"ndarray": [[1]]}}, "data.names is missing; name the columns"),
    "no rows": ({"data": {"names": [ID], "ndarray": []}}, "data.ndarray has 0 rows; send 1 to 1000"),
    "too many rows": ({"jsonData": ROWS * 201}, "jsonData has 1005 rows; send 1 to 1000"),
    "short row": ({"data": {"names": ["a", "b"], "ndarray": [[1, 2], [1]]}}, "data.ndarray[1] has 1 values for 2 names"),
    "wrong name": (message([{"tenur": 1}]), "data.names: 'tenur' is not an input of this model; the inputs are"),
    "twice": ({"data": {"names": ["a", "a"], "ndarray": [[1, 2]]}}, "data.names: 'a' is given twice; give it once"),
    "missing": ({"jsonData": {"tenure": 1}}, "jsonData: 'contract' is missing; add it, with null where"),
    "text for a number": (changed("charges", "2"), "data.ndarray[1], column charges, is '2'; give a number"),
    "number for text": (changed("contract", 3), "data.ndarray[1], column contract, is 3; give a string"),
    "half a month": (changed("tenure", 1.5), "data.ndarray[1], column tenure, is 1.5; give a whole number"),
    "a long puid": (message(ROWS[:1]) | {"meta": {"puid": "x" * 121}}, "meta.puid has 121 characters; give at most 120"),
    "an inexact id": (message([{**ROWS[0], ID: 1e16}]), "column customer_id, is 1e+16; an entity id is a string"),
    "no truth": (changed("senior", 2), "column senior, is 2; give true or false"),
    "text in a tensor": (
        {"data": {"names": ["contract"], "tensor": {"shape": [1, 1], "values": ["monthly"]}}},
        "data.tensor.values[0] is 'monthly'; a tensor takes numbers, send data.ndarray",
    ),
    "wrong shape": (
        {"data": {"names": ["tenure"], "tensor": {"shape": [2], "values": [1, 2]}}},
        "data.tensor.shape is [2] for 2 values; give [rows, columns]",
    ),
    "differing objects": ({"jsonData": [ROWS[0], {"tenure": 1}]}, "jsonData[1] has other names than the first row"),
    "no row": ({"jsonData": [ROWS[0], 3]}, "jsonData[1] is 3; give an object, a value by name"),
    "field of an object": ({"jsonData": [{**ROWS[0], "tenure": "x"}]}, "jsonData[0].tenure is 'x'; give a whole"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_answered_by_a_status_that_names_field_value_and_remedy(client: Make, mistake: str) -> None:
    body, text = MISTAKES[mistake]
    response = await client().post(PREDICT, json=body)
    assert response.status_code == 400
    status = response.json()["status"]
    assert text in status.pop("info")
    assert status == {"code": 400, "reason": "MICROSERVICE_BAD_DATA", "status": "FAILURE"}


async def test_an_unknown_entity_is_named_where_it_stands(client: Make) -> None:
    body = {"data": {"names": [ID], "ndarray": [["stranger"], ["nobody"]]}}
    response = await client({"7": ROWS[0]}, features="Lookup").post(PREDICT, json=body)
    assert response.status_code == 404
    status = response.json()["status"]
    assert status["info"].startswith("data.ndarray[0], column customer_id, is 'stranger', which feature set customers")
    assert (status["code"], status["reason"]) == (404, "MICROSERVICE_NOT_FOUND")


async def test_a_known_entity_beside_an_unknown_one_is_predicted_and_the_tags_name_the_other(client: Make) -> None:
    body = {"data": {"names": [ID], "ndarray": [["7"], ["nobody"]]}}
    response = await client({"7": ROWS[0]}, features="Lookup").post(PREDICT, json=body)
    (known,), (unknown,) = response.json()["data"]["ndarray"]
    assert (known, unknown) == (pytest.approx(small_model.probability(ROWS[0]), abs=1e-6), None)
    assert response.json()["meta"]["tags"]["unknown_entities"] == "data.ndarray[1], column customer_id,"


async def test_a_lookup_without_an_id_is_refused(client: Make) -> None:
    response = await client({}, features="Lookup").post(PREDICT, json={"jsonData": {ID: None}})
    assert response.json()["status"]["info"] == "jsonData.customer_id is empty; give the id of an entity"


@pytest.mark.parametrize("path", ["/send-feedback", "/api/v1.0/feedback", "/seldon/churn/churn/api/v1.0/feedback"])
async def test_feedback_is_refused_with_the_way_that_outcomes_go(client: Make, path: str) -> None:
    response = await client().post(path, json={"reward": 1.0})
    assert response.status_code == 501
    assert "post outcomes to the observer" in response.json()["status"]["info"]


async def test_the_openapi_document_describes_both_routes_of_seldon(client: Make) -> None:
    document = (await client().get("/openapi.json")).json()
    assert {path for path in document["paths"] if "v2" not in path} == {PREDICT, "/predict", "/metrics"}
    operation = document["paths"][PREDICT]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"data", "jsonData", "meta"} == schema["properties"].keys()
    refused = operation["responses"]["400"]["content"]["application/json"]["schema"]
    assert "info" in refused["properties"]["status"]["properties"]
