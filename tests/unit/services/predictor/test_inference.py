import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from homeostat_services.predictor.prediction_log import Prediction, sampled
from support import small_model

INFER = "/v2/models/churn/infer"
ROWS = small_model.ROWS
Make = Callable[..., httpx.AsyncClient]


async def test_a_request_with_features_is_answered_row_by_row(client: Make, recorded: list[Prediction]) -> None:
    response = await client().post(INFER, json=small_model.request(ROWS, ["a", "b", "c", "d", ""], id="call"))
    assert response.status_code == 200
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("churn", "1", "call")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("probability", "FP64", [5])
    assert output["data"] == pytest.approx([small_model.probability(row) for row in ROWS], abs=1e-6)
    # The last row has no entity: no outcome could be matched to it.
    assert [(p.id, p.entity) for p in recorded] == [("call-0", "a"), ("call-1", "b"), ("call-2", "c"), ("call-3", "d")]
    assert [p.score for p in recorded] == output["data"][:4]


async def test_one_row_keeps_the_id_of_the_request(client: Make, recorded: list[Prediction]) -> None:
    response = await client().post(INFER, json=small_model.request(ROWS[:1], ["a"]))
    assert [p.id for p in recorded] == [response.json()["id"]]


async def test_a_lookup_reads_the_features_of_the_entity(client: Make, recorded: list[Prediction]) -> None:
    body = {"inputs": [{"name": "customer_id", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]}]}
    partly = {key: value for key, value in ROWS[2].items() if value is not None}
    response = await client({"x": ROWS[0], "y": partly}, features="Lookup").post(INFER, json=body)
    expected = [small_model.probability(ROWS[0]), small_model.probability(ROWS[2])]
    assert response.json()["outputs"][0]["data"] == pytest.approx(expected, abs=1e-6)
    assert [p.entity for p in recorded] == ["x", "y"]


async def test_an_input_of_a_later_version_is_ignored_beside_all_inputs_of_this_one(client: Make) -> None:
    async with client() as http:
        body = small_model.request(ROWS[:2])
        expected = (await http.post(INFER, json=body)).json()["outputs"]
        body["inputs"].append({"name": "basket", "shape": [2], "datatype": "FP64", "data": [1.5, None]})
        response = await http.post(INFER, json=body)
    assert (response.status_code, response.json()["outputs"]) == (200, expected)


async def test_with_lookup_a_feature_that_a_caller_sends_is_refused_by_name(client: Make) -> None:
    ids = {"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    body = {"inputs": [ids, {"name": "tenure", "shape": [1], "datatype": "INT64", "data": [1]}]}
    response = await client({"a": ROWS[0]}, features="Lookup").post(INFER, json=body)
    assert response.status_code == 400
    assert "tensor 'tenure' is not an input of this model; the inputs are customer_id" in response.json()["error"]


async def test_an_unknown_entity_is_named(client: Make) -> None:
    body = {"inputs": [{"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["nobody"]}]}
    response = await client({}, features="Lookup").post(INFER, json=body)
    assert response.status_code == 404
    assert "'nobody'" in response.json()["error"]


async def test_one_unknown_entity_among_others_has_no_prediction_and_the_others_have_theirs(
    client: Make, recorded: list[Prediction]
) -> None:
    body = {"inputs": [{"name": "customer_id", "shape": [3], "datatype": "BYTES", "data": ["x", "nobody", "y"]}]}
    response = await client({"x": ROWS[0], "y": ROWS[1]}, features="Lookup").post(INFER, json=body)
    assert response.status_code == 200
    document = response.json()
    first, unknown, last = document["outputs"][0]["data"]
    assert unknown is None
    assert [first, last] == pytest.approx([small_model.probability(row) for row in ROWS[:2]], abs=1e-6)
    assert document["parameters"]["unknown_entities"] == "inputs[customer_id].data[1]"
    assert [(p.entity, p.id) for p in recorded] == [("x", f"{document['id']}-0"), ("y", f"{document['id']}-2")]


async def test_only_the_rows_that_were_predicted_are_counted(client: Make) -> None:
    body = {"inputs": [{"name": "customer_id", "shape": [2], "datatype": "BYTES", "data": ["nobody", "x"]}]}
    http = client({"x": ROWS[0]}, features="Lookup")
    assert (await http.post(INFER, json=body)).json()["outputs"][0]["data"][0] is None
    lines = [line for line in (await http.get("/metrics")).text.splitlines() if 'feature="tenure"' in line]
    assert sum(float(line.split()[-1]) for line in lines if line.startswith("homeostat_feature_bin_total")) == 1


async def test_of_many_unknown_entities_the_first_ten_are_named(client: Make) -> None:
    ids = [*(f"n{n}" for n in range(12)), "x"]
    body = {"inputs": [{"name": "customer_id", "shape": [13], "datatype": "BYTES", "data": ids}]}
    document = (await client({"x": ROWS[0]}, features="Lookup").post(INFER, json=body)).json()
    assert document["parameters"]["unknown_entities"].endswith("inputs[customer_id].data[9] and 2 more")


def changed(tensor_name: str, **changes: Any) -> dict[str, Any]:
    body = small_model.request(ROWS[:2])
    next(tensor for tensor in body["inputs"] if tensor["name"] == tensor_name).update(changes)
    return body


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no inputs": ({"inputs": []}, "inputs is empty; give"),
    "not a request": ({"instances": []}, "missing required field `inputs`"),
    "wrong name": (changed("tenure", name="tenur"), "tensor 'tenur' is not an input of this model; the inputs are"),
    "missing": ({"inputs": small_model.request(ROWS)["inputs"][1:]}, "tensor 'contract' is missing; add it"),
    "twice": ({"inputs": small_model.request(ROWS)["inputs"] * 2}, "is given twice"),
    "wrong shape": (changed("tenure", shape=[3]), "inputs[tenure].shape is [3]; give [2]"),
    "too few values": (changed("tenure", data=[1]), "inputs[tenure].data has 1 values"),
    "wrong datatype": (
        changed("tenure", datatype="BYTES"),
        "inputs[tenure].datatype is 'BYTES'; this model takes INT64",
    ),
    "text for a number": (changed("charges", data=[1.5, "2"]), "inputs[charges].data[1] is '2'; give a number"),
    "number for text": (changed("contract", data=["a", 3]), "inputs[contract].data[1] is 3; give a string"),
    "true for a number": (changed("tenure", data=[True, 1]), "inputs[tenure].data[0] is True; give a whole number"),
    "a long id": (small_model.request(ROWS[:1], id="x" * 121), "id has 121 characters; give at most 120"),
    "a long entity": (
        small_model.request(ROWS[:1], ["x" * 257]),
        "data[0] has 257 characters; an entity id has at most",
    ),
    "too many rows": (small_model.request(ROWS * 201), "has 1005 rows; send 1 to 1000"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_answered_with_field_value_and_remedy(client: Make, mistake: str) -> None:
    body, text = MISTAKES[mistake]
    response = await client().post(INFER, json=body)
    assert response.status_code == 400
    assert text in response.json()["error"]


async def test_a_nested_column_is_a_column(client: Make) -> None:
    response = await client().post(INFER, json=changed("charges", shape=[2, 1], data=[[20.0], [70.0]]))
    assert response.status_code == 200


async def test_another_model_is_not_served_here(client: Make) -> None:
    response = await client().post("/v2/models/other/infer", json=small_model.request(ROWS))
    assert response.status_code == 404
    assert "/v2/models/churn" in response.json()["error"]


async def test_the_logged_share_is_the_same_for_the_same_id(client: Make, recorded: list[Prediction]) -> None:
    async with client(payload_percent=30) as http:
        for number in range(200):
            await http.post(INFER, json=small_model.request(ROWS[:1], ["a"], id=f"call-{number}"))
    assert {p.id for p in recorded} == {f"call-{n}" for n in range(200) if sampled(f"call-{n}", 30)}
    assert 30 < len(recorded) < 90


async def test_every_bin_is_exported_at_zero_before_the_first_request(client: Make) -> None:
    text = (await client().get("/metrics")).text
    labels = 'deployment="churn",feature="contract",namespace="churn",version="1"'
    for label in ("monthly", "yearly", "__null__", "__below__", "__above__", "__unseen__"):
        assert f'homeostat_feature_bin_total{{bin="{label}",{labels}}} 0.0' in text
    assert (
        'homeostat_requests_total{code="500",deployment="churn",mirrored="false",namespace="churn",version="1"} 0.0'
        in text
    )
    assert 'homeostat_score_bin_total{bin="__null__"' in text
    assert "homeostat_prediction_log_dropped_total{" in text


async def test_served_values_and_answers_are_counted_and_refused_ones_are_not(client: Make) -> None:
    async with client() as http:
        unseen = {**ROWS[0], "contract": "lifetime", "charges": None}
        await http.post(INFER, json=small_model.request([unseen, ROWS[0]]))
        await http.post(INFER, json=changed("tenure", shape=[9]))
        text = (await http.get("/metrics")).text
    of = 'namespace="churn",version="1"'
    for line in (
        f'homeostat_feature_bin_total{{bin="__unseen__",deployment="churn",feature="contract",{of}}} 1.0',
        f'homeostat_feature_bin_total{{bin="monthly",deployment="churn",feature="contract",{of}}} 1.0',
        f'homeostat_feature_bin_total{{bin="__null__",deployment="churn",feature="charges",{of}}} 1.0',
        f'homeostat_feature_bin_total{{bin="True",deployment="churn",feature="senior",{of}}} 2.0',
        f'homeostat_requests_total{{code="200",deployment="churn",mirrored="false",{of}}} 1.0',
        f'homeostat_requests_total{{code="400",deployment="churn",mirrored="false",{of}}} 1.0',
        f'homeostat_request_duration_seconds_count{{deployment="churn",{of}}} 2.0',
    ):
        assert line in text


async def test_a_copy_of_a_request_is_answered_but_counts_as_served_to_nobody(
    client: Make, recorded: list[Prediction]
) -> None:
    copy = {"host": "churn-shadow:8080"}
    async with client() as http:
        answer = await http.post(INFER, json=small_model.request(ROWS[:1], ["a"]), headers=copy)
        await http.post(INFER, json=changed("tenure", shape=[9]), headers=copy)
        text = (await http.get("/metrics")).text
    assert answer.status_code == 200
    assert [(p.entity, p.mirrored) for p in recorded] == [("a", True)]
    of = 'namespace="churn",version="1"'
    for line in (
        f'homeostat_requests_total{{code="200",deployment="churn",mirrored="true",{of}}} 1.0',
        f'homeostat_requests_total{{code="400",deployment="churn",mirrored="true",{of}}} 1.0',
        f'homeostat_requests_total{{code="200",deployment="churn",mirrored="false",{of}}} 0.0',
        f'homeostat_feature_bin_total{{bin="monthly",deployment="churn",feature="contract",{of}}} 0.0',
    ):
        assert line in text
    assert not re.search(r"^homeostat_score_bin_total.* [1-9]", text, re.MULTILINE)


async def test_a_prediction_has_the_id_of_its_request_or_else_the_gateways(
    client: Make, recorded: list[Prediction]
) -> None:
    async with client() as http:
        for given in ({}, {"id": "mine"}):
            asked = small_model.request(ROWS[:1], ["a"], **given)
            answer = await http.post(INFER, json=asked, headers={"x-homeostat-prediction": "one-of-a-kind"})
            assert answer.json()["id"] == recorded[-1].id
        await http.post(INFER, json=small_model.request(ROWS[:1], ["a"]))
    assert [p.id for p in recorded[:2]] == ["one-of-a-kind", "mine"]
    assert len(recorded[2].id) == 32


async def test_metadata_reports_what_to_send(client: Make) -> None:
    answer = (await client(features="Lookup").get("/v2/models/churn")).json()
    assert [tensor["name"] for tensor in answer["inputs"]] == ["customer_id"]
    assert answer["versions"] == ["1"]
    assert (await client().get("/v2/models/other/ready")).status_code == 404


async def test_the_openapi_document_describes_inference(client: Make) -> None:
    document = (await client().get("/openapi.json")).json()
    operation = document["paths"]["/v2/models/{name}/infer"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["inputs"]["items"]["properties"]["datatype"] == {"type": "string"}
    assert {"200", "400", "404", "503"} <= operation["responses"].keys()


async def test_without_observation_the_entity_is_named_as_in_the_signature_and_nothing_is_recorded(
    client: Make, recorded: list[Prediction]
) -> None:
    body = {"inputs": [{"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}
    served = client({"x": ROWS[0]}, features="Lookup", entity_field="", payload_percent=0)
    response = await served.post(INFER, json=body)
    assert response.json()["outputs"][0]["data"] == pytest.approx([small_model.probability(ROWS[0])], abs=1e-6)
    assert recorded == []
