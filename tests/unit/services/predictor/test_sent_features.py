"""Features that callers send beside the entity, while the others are looked up."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support import small_model

Make = Callable[..., httpx.AsyncClient]
V2, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"
ROWS = small_model.ROWS
KNOWN = {name: {k: v for k, v in row.items() if k != "charges"} for name, row in zip("xyz", ROWS, strict=False)}
"""What the online store has: everything but what callers send."""
SERVED: dict[str, Any] = {"online": KNOWN, "sent": ("charges",), "features": "Lookup"}


def tensor(name: str, datatype: str, *values: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": list(values)}


def ids(*values: str) -> dict[str, Any]:
    return tensor("customer_id", "BYTES", *values)


async def test_sent_and_looked_up_features_make_one_row(client: Make) -> None:
    body = {"inputs": [tensor("charges", "FP64", 20.0, 70.0, None), ids("x", "y", "z")]}
    response = await client(**SERVED).post(V2, json=body)
    expected = [small_model.probability(row) for row in ROWS[:3]]
    assert response.json()["outputs"][0]["data"] == pytest.approx(expected, abs=1e-6)


async def test_seldons_protocol_takes_them_in_the_same_row(client: Make) -> None:
    rows = [{"customer_id": name, "charges": row["charges"]} for name, row in zip("xyz", ROWS, strict=False)]
    response = await client(**SERVED).post(SELDON, json={"jsonData": rows})
    expected = [[small_model.probability(row)] for row in ROWS[:3]]
    assert response.json()["data"]["tensor"]["values"] == pytest.approx([v for row in expected for v in row], abs=1e-6)


async def test_a_value_that_is_sent_for_an_unknown_entity_is_not_taken_for_another(client: Make) -> None:
    body = {"inputs": [ids("x", "nobody", "y"), tensor("charges", "FP64", 20.0, -1e9, 70.0)]}
    first, unknown, last = (await client(**SERVED).post(V2, json=body)).json()["outputs"][0]["data"]
    assert unknown is None
    assert [first, last] == pytest.approx([small_model.probability(row) for row in ROWS[:2]], abs=1e-6)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ([ids("x")], "inputs: tensor 'charges' is missing; add it, with null where a value is not known"),
        ([tensor("charges", "FP64", 1.0)], "inputs: tensor 'customer_id' is missing; add it"),
        ([ids("x"), tensor("charges", "BYTES", "1")], "inputs[charges].datatype is 'BYTES'; this model takes INT64 or"),
        ([ids("x"), tensor("charges", "FP64", 1e39)], "inputs[charges].data[0] is 1e+39; give a number between"),
        (
            [ids("x"), tensor("charges", "FP64", 1.0), tensor("tenure", "INT64", 1)],
            "inputs: tensor 'tenure' is not an input of this model; the inputs are charges, customer_id",
        ),
        ([ids("x"), tensor("charge", "FP64", 1.0)], "inputs: tensor 'charge' is not an input of this model"),
    ],
)
async def test_a_mistake_is_named_with_field_value_and_remedy(client: Make, inputs: list[Any], named: str) -> None:
    response = await client(**SERVED).post(V2, json={"inputs": inputs})
    assert response.status_code == 400
    assert named in response.json()["error"]


@pytest.mark.parametrize("sent", [(), ("charges",)])
async def test_an_input_of_a_later_version_is_ignored_beside_what_this_one_takes(
    client: Make, sent: tuple[str, ...]
) -> None:
    inputs = [ids("x"), *([tensor("charges", "FP64", 20.0)] if sent else []), tensor("basket", "FP64", 5.0)]
    response = await client(**{**SERVED, "sent": sent, "online": {"x": ROWS[0]}}).post(V2, json={"inputs": inputs})
    assert response.json()["outputs"][0]["data"] == pytest.approx([small_model.probability(ROWS[0])], abs=1e-6)


async def test_metadata_reports_the_entity_and_what_is_sent(client: Make) -> None:
    async with client(**SERVED) as http:
        answer = (await http.get("/v2/models/churn")).json()
    assert [(each["name"], each["datatype"]) for each in answer["inputs"]] == [
        ("customer_id", "BYTES"),
        ("charges", "FP64"),
    ]


async def test_both_kinds_of_features_are_counted(client: Make) -> None:
    async with client(**SERVED) as http:
        assert (await http.post(V2, json={"inputs": [ids("x"), tensor("charges", "FP64", 20.0)]})).status_code == 200
        lines = (await http.get("/metrics")).text.splitlines()
    counted = [line for line in lines if line.startswith("homeostat_feature_bin_total") and line.endswith(" 1.0")]
    assert {name for name in small_model.DATATYPES if any(f'feature="{name}"' in line for line in counted)} == {
        *small_model.DATATYPES
    }


async def test_with_request_every_feature_is_sent(client: Make) -> None:
    response = await client(sent=("charges",)).post(V2, json=small_model.request(ROWS))
    assert response.json()["outputs"][0]["data"] == pytest.approx([*map(small_model.probability, ROWS)], abs=1e-6)
