"""What a client can send by mistake or by intent: refused with a status below 500 and a text that names it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support import small_model

Make = Callable[..., httpx.AsyncClient]
V2, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"


def v2(name: str, value: str) -> bytes:
    """A v2 request whose tensor `name` holds `value`, which is JSON or not."""
    body = small_model.request(small_model.ROWS[:1], ["a"])
    next(tensor for tensor in body["inputs"] if tensor["name"] == name)["data"] = ["HERE"]
    return json.dumps(body).replace('"HERE"', value).encode("latin-1")


def seldons(name: str, value: str) -> bytes:
    """The same as a SeldonMessage."""
    row = {**small_model.ROWS[0], "customer_id": "a", name: "HERE"}
    return json.dumps({"jsonData": row}).replace('"HERE"', value).encode("latin-1")


NESTED = "[" * 2000 + "]" * 2000
VALUES: dict[str, tuple[str, str, str]] = {
    "a number of 400 digits": ("charges", "1" + "0" * 400, "give a number between -3.4e38 and 3.4e38"),
    "a number of 5,000 digits": ("charges", "1" + "0" * 5000, "out of range"),
    "an exponent of 400": ("charges", "1e400", "out of range"),
    "more than single precision holds": ("charges", "1e39", "is 1e+39; give a number between -3.4e38 and 3.4e38"),
    "a whole number of 400 digits": ("tenure", "1" + "0" * 400, "give a whole number of at most 64 bits"),
    "a whole number of 65 bits": ("tenure", str(2**63), f"is {2**63}; give a whole number of at most 64 bits"),
    "a flag of 400 digits": ("senior", "1" + "0" * 400, "give true or false, or null"),
    "an id of 400 digits": ("customer_id", "1" + "0" * 400, "an entity id is a string or an integer"),
    "a Latin-1 byte": ("contract", '"m\xe4nnlich"', "is 0xe4, which is not UTF-8, after"),
    "half a surrogate pair": ("contract", '"\\udc00"', "body: "),
    "NaN": ("charges", "NaN", "is not JSON; send null for a missing value"),
    "Infinity": ("charges", "Infinity", "Infinity at byte"),
    "minus infinity": ("charges", "-Infinity", "-Infinity at byte"),
    "two thousand brackets": ("charges", NESTED, ""),
    "an object": ("charges", '{"a": 1}', ""),
}


def reason(response: httpx.Response) -> str:
    """The text of a refusal, in either protocol's form."""
    answer = response.json()
    return str(answer["error"] if "error" in answer else answer["status"]["info"])


async def refused(client: httpx.AsyncClient, path: str, body: bytes) -> str:
    response = await client.post(path, content=body)
    assert response.status_code == 400
    text = reason(response)
    assert len(text) < 600
    return text


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("path", "request_with"), [(V2, v2), (SELDON, seldons)], ids=["v2", "Seldon"])
async def test_a_value_that_no_model_takes_is_refused_by_name(
    client: Make, path: str, request_with: Callable[[str, str], bytes], value: str
) -> None:
    name, text, expected = VALUES[value]
    assert expected in await refused(client(), path, request_with(name, text))


BODIES = {
    "nothing": b"",
    "brackets": b"[" * 2000,
    "closed brackets": b"[" * 2000 + b"]" * 2000,
    "brackets in a field that is not read": b'{"parameters": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "objects in a field that is not read": b'{"parameters": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
    "brackets as tags": b'{"meta": {"tags": {"a": ' + b"[" * 2000 + b"]" * 2000 + b"}}}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "bytes": bytes(range(256)),
    "a form without JSON": b"json=%ff",
    "a number": b"1",
    "a name of a million characters": json.dumps(
        {"inputs": [{"name": "x" * 10**6, "shape": [1], "datatype": "FP64", "data": [1]}]}
    ).encode(),
    "a shape of a million": json.dumps(
        {"inputs": [{"name": "charges", "shape": [1] * 10**6, "datatype": "FP64", "data": [1]}]}
    ).encode(),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", [V2, SELDON])
async def test_a_body_that_is_no_request_is_refused(client: Make, path: str, body: str) -> None:
    await refused(client(), path, BODIES[body])


async def test_tags_as_deep_as_can_be_read_but_not_written_again_are_refused(client: Make) -> None:
    row = json.dumps(small_model.ROWS[0]).encode()
    async with client() as http:
        for depth in range(850, 1050, 5):
            tags = b"[" * depth + b"]" * depth
            body = b'{"jsonData": ' + row + b', "meta": {"tags": {"a": ' + tags + b"}}}"
            assert (await http.post(SELDON, content=body)).status_code in (200, 400)


async def test_mistakes_of_clients_never_count_as_errors_of_the_version(client: Make) -> None:
    async with client() as http:
        for name, text, _ in VALUES.values():
            await http.post(V2, content=v2(name, text))
            await http.post(SELDON, content=seldons(name, text))
        for body in BODIES.values():
            await http.post(V2, content=body)
        metrics = (await http.get("/metrics")).text
    of = 'deployment="churn",mirrored="false",namespace="churn",version="1"'
    assert f'homeostat_requests_total{{code="400",{of}}} {2 * len(VALUES) + len(BODIES)}.0' in metrics
    assert f'homeostat_requests_total{{code="500",{of}}} 0.0' in metrics


LOSSLESS: dict[str, tuple[str, str, list[Any]]] = {
    "whole numbers with a gap": ("tenure", "FP64", [1.0, None, 30.0]),
    "whole numbers as text of their gap": ("tenure", "FP64", [1.0, "NaN", 30.0]),
    "flags as numbers": ("senior", "INT64", [1, 0, None]),
    "flags as doubles": ("senior", "FP64", [1.0, 0.0, None]),
    "whole numbers for a double": ("charges", "INT64", [20, None, 70]),
    "ids as doubles": ("customer_id", "FP64", [7.0, 8.0, 9.0]),
}


@pytest.mark.parametrize("case", LOSSLESS)
async def test_what_can_be_taken_without_loss_is_taken_alike_on_every_route(client: Make, case: str) -> None:
    name, datatype, values = LOSSLESS[case]
    rows = [{**row, "customer_id": "e"} for row in small_model.ROWS[:3]]
    for row, value in zip(rows, values, strict=True):
        row[name] = value
    body = small_model.request(small_model.ROWS[:3], ["e"] * 3)
    next(tensor for tensor in body["inputs"] if tensor["name"] == name).update(data=values, datatype=datatype)
    counted = []
    for path, sent in ((V2, body), (SELDON, {"jsonData": rows})):
        async with client() as http:
            response = await http.post(path, json=sent)
            assert response.status_code == 200, response.text
            lines = (await http.get("/metrics")).text.splitlines()
        counted.append([line for line in lines if "duration" not in line])
    assert counted[0] == counted[1]


@pytest.mark.parametrize(
    ("name", "datatype", "value"),
    [("tenure", "FP64", 1.5), ("tenure", "FP64", 1e16), ("senior", "INT64", 2), ("charges", "FP64", True)],
)
async def test_what_would_lose_something_is_refused_by_name(
    client: Make, name: str, datatype: str, value: object
) -> None:
    body = small_model.request(small_model.ROWS[:1])
    next(tensor for tensor in body["inputs"] if tensor["name"] == name).update(data=[value], datatype=datatype)
    response = await client().post(V2, json=body)
    assert response.status_code == 400
    assert f"inputs[{name}].data[0] is {value!r}; give" in response.json()["error"]
