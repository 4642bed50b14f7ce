"""The Open Inference Protocol beyond its JSON example: routes, binary tensors, encodings, and errors in its own form.

Bodies are built byte by byte, as `tritonclient` and KServe's client send them; tests/inference_clients runs those clients.
"""

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from homeostat_services.predictor.prediction_log import Prediction
from support import small_model

Make = Callable[..., httpx.AsyncClient]
INFER, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"
ROWS = small_model.ROWS[:2]
EXPECTED = [small_model.probability(row) for row in ROWS]
LENGTH = "inference-header-content-length"


def texts(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)


COLUMNS: dict[str, tuple[str, bytes]] = {
    "contract": ("BYTES", texts("monthly", "yearly")),
    "charges": ("FP32", np.array([20.0, 70.0], "<f4").tobytes()),
    "tenure": ("INT64", np.array([1, 30], "<i8").tobytes()),
    "senior": ("BOOL", b"\x01\x00"),
    "customer_id": ("BYTES", texts("a", "é")),
}


def binary(
    columns: dict[str, tuple[str, bytes]] | None = None, shape: list[int] | None = None, **more: Any
) -> dict[str, Any]:
    """Arguments of a request with these tensors as bytes after its JSON."""
    columns = COLUMNS if columns is None else columns
    inputs = [
        {"name": name, "shape": shape or [2], "datatype": datatype, "parameters": {"binary_data_size": len(content)}}
        for name, (datatype, content) in columns.items()
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    body = head + b"".join(content for _, content in columns.values())
    return {"content": body, "headers": {LENGTH: str(len(head))}}


async def test_binary_tensors_are_taken_as_the_same_values_in_json(client: Make, recorded: list[Prediction]) -> None:
    counted = []
    for request in (binary(), {"json": small_model.request(ROWS, ["a", "é"])}):
        async with client() as http:
            response = await http.post(INFER, **request)
            assert response.json()["outputs"][0]["data"] == pytest.approx(EXPECTED, abs=1e-6)
            lines = (await http.get("/metrics")).text.splitlines()
        counted.append([line for line in lines if "duration" not in line])
    assert counted[0] == counted[1]
    assert [p.entity for p in recorded] == ["a", "é"] * 2


@pytest.mark.parametrize(
    ("name", "datatype", "content"),
    [
        ("tenure", "INT32", np.array([1, 30], "<i4").tobytes()),
        ("tenure", "UINT8", b"\x01\x1e"),
        ("tenure", "FP64", np.array([1, 30], "<f8").tobytes()),
        ("charges", "FP16", np.array([20, 70], "<f2").tobytes()),
        ("charges", "INT64", np.array([20, 70], "<i8").tobytes()),
        ("senior", "UINT8", b"\x01\x00"),
    ],
)
async def test_each_datatype_has_its_binary_form(client: Make, name: str, datatype: str, content: bytes) -> None:
    response = await client().post(INFER, **binary({**COLUMNS, name: (datatype, content)}))
    assert response.status_code == 200, response.text
    assert response.json()["outputs"][0]["data"] == pytest.approx(EXPECTED, abs=1e-6)


async def test_nan_in_a_binary_tensor_is_a_missing_value_and_infinity_is_refused(client: Make) -> None:
    async with client() as http:
        gap = {**COLUMNS, "charges": ("FP64", np.array([np.nan, 70.0]).tobytes())}
        answer = (await http.post(INFER, **binary(gap))).json()
        missing = small_model.probability({**ROWS[0], "charges": None})
        assert answer["outputs"][0]["data"] == pytest.approx([missing, EXPECTED[1]], abs=1e-6)
        endless = {**COLUMNS, "charges": ("FP64", np.array([np.inf, 70.0]).tobytes())}
        refused = await http.post(INFER, **binary(endless))
    assert refused.status_code == 400
    assert "inputs[charges].data[0] is inf; give a number between" in refused.json()["error"]


async def test_binary_and_json_tensors_and_columns_of_shape_n_1_mix(client: Make) -> None:
    json_part = small_model.request(ROWS)["inputs"][:2]
    rest = {name: COLUMNS[name] for name in ("tenure", "senior")}
    request = binary(rest, shape=[2, 1])
    length = int(request["headers"][LENGTH])
    head = json.loads(request["content"][:length])
    head["inputs"] = [*json_part, *head["inputs"]]
    encoded = json.dumps(head).encode()
    body = encoded + request["content"][length:]
    response = await client().post(INFER, content=body, headers={LENGTH: str(len(encoded))})
    assert response.json()["outputs"][0]["data"] == pytest.approx(EXPECTED, abs=1e-6)


WANTED: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "all as bytes": ({"parameters": {"binary_data_output": True}}, True),
    "the output": ({"outputs": [{"name": "probability"}]}, False),
    "the output as bytes": ({"outputs": [{"name": "probability", "parameters": {"binary_data": True}}]}, True),
    "the output as JSON": (
        {
            "outputs": [{"name": "probability", "parameters": {"binary_data": False}}],
            "parameters": {"binary_data_output": True},
        },
        False,
    ),
    "no output in particular": ({"outputs": [], "parameters": {"priority": 1, "timeout": 5}}, False),
}


@pytest.mark.parametrize("case", WANTED)
async def test_the_answer_has_the_form_that_was_requested(client: Make, case: str) -> None:
    wanted, as_bytes = WANTED[case]
    response = await client().post(INFER, json=small_model.request(ROWS, **wanted, id="mine"))
    content = response.content
    assert response.status_code == 200, response.text
    if as_bytes:
        assert response.headers["content-type"] == "application/octet-stream"
        length = int(response.headers[LENGTH])
        answer, values = json.loads(content[:length]), np.frombuffer(content[length:], "<f8").tolist()
        assert answer["outputs"][0]["parameters"] == {"binary_data_size": 16}
    else:
        answer = json.loads(content)
        values = answer["outputs"][0]["data"]
    assert values == pytest.approx(EXPECTED, abs=1e-6)
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "churn", "1")
    assert answer["outputs"][0]["shape"] == [2]


def cut(request: dict[str, Any], last: int) -> dict[str, Any]:
    return {**request, "content": request["content"][:last]}


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no header": ({**binary(), "headers": {}}, "body: JSON is malformed"),
    "a header beyond the body": (
        {**binary(), "headers": {LENGTH: "99999"}},
        "header Inference-Header-Content-Length is '99999'",
    ),
    "a header that is no number": (
        {**binary(), "headers": {LENGTH: "-1"}},
        "header Inference-Header-Content-Length is '-1'",
    ),
    "cut off": (cut(binary(), -1), "binary_data_size is 11, but 10 bytes are left"),
    "left over": ({**binary(), "content": binary()["content"] + b"x"}, "1 bytes follow the last binary tensor"),
    "too short": (binary({**COLUMNS, "tenure": ("INT64", b"1234")}), "2 values of INT64 have 16 bytes"),
    "a text beyond its tensor": (
        binary({**COLUMNS, "contract": ("BYTES", texts("a") + struct.pack("<I", 2**32 - 1))}),
        "inputs[contract]: the binary data end within value 1",
    ),
    "a text of another encoding": (
        binary({**COLUMNS, "contract": ("BYTES", texts("a") + struct.pack("<I", 1) + b"\xe4")}),
        "inputs[contract]: value 1 of the binary data is not UTF-8",
    ),
    "a text too many": (
        binary({**COLUMNS, "contract": ("BYTES", texts("a", "b", "c"))}),
        "have 5 bytes after 2 values; send 2",
    ),
    "a negative shape": (binary(shape=[-1]), "has -1 rows; send 1 to 1000"),
    "a datatype without a form": (
        {"json": {"inputs": [{"name": "x", "shape": [1], "datatype": "BF16", "data": [1]}]}},
        "'x' is not an input",
    ),
    "no data": (
        {"json": {"inputs": [{"name": "tenure", "shape": [1], "datatype": "INT64"}]}},
        "inputs[tenure] has neither data nor parameters.binary_data_size",
    ),
    "shared memory": (
        {
            "json": {
                "inputs": [
                    {
                        "name": "tenure",
                        "shape": [1],
                        "datatype": "INT64",
                        "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 8},
                    }
                ]
            }
        },
        "shared_memory_region is not supported; send the data",
    ),
    "another output": (
        {"json": small_model.request(ROWS, outputs=[{"name": "label"}])},
        "outputs: 'label' is not an output of this model; it has 'probability'",
    ),
    "classes": (
        {"json": small_model.request(ROWS, outputs=[{"name": "probability", "parameters": {"classification": 2}}])},
        "classification and shared_memory_region are not supported",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_what_is_wrong_with_the_form_of_a_request_is_named(client: Make, case: str) -> None:
    request, text = BROKEN[case]
    response = await client().post(INFER, **request)
    assert response.status_code == 400, response.text
    assert text in response.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
@pytest.mark.parametrize("path", [INFER, SELDON])
async def test_a_compressed_request_is_taken(
    client: Make, path: str, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    body = json.dumps(small_model.request(ROWS) if path == INFER else {"jsonData": ROWS}).encode()
    response = await client().post(path, content=compress(body), headers={"content-encoding": encoding})
    assert response.status_code == 200, response.text


ENCODED: dict[str, tuple[str, bytes, int]] = {
    "another encoding": ("br", b"x", 415),
    "not what it is called": ("gzip", b"{}", 400),
    "cut off": ("gzip", gzip.compress(b"{}" * 1000)[:-9], 400),
    "a bomb": ("gzip", gzip.compress(b" " * (9 * 1024 * 1024)), 413),
}


@pytest.mark.parametrize("case", ENCODED)
@pytest.mark.parametrize("path", [INFER, SELDON])
async def test_an_encoding_that_cannot_be_read_is_refused(client: Make, path: str, case: str) -> None:
    encoding, body, status = ENCODED[case]
    response = await client().post(path, content=body, headers={"content-encoding": encoding})
    assert response.status_code == status
    assert ("error" if path == INFER else "status") in response.json()


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br, gzip;q=0.5", "gzip"), ("*", "gzip"), ("gzip;q=0, identity", None)],
)
async def test_a_long_answer_is_compressed_where_the_client_asks_for_it(
    client: Make, accept: str, encoding: str | None
) -> None:
    async with client() as http:
        long = await http.post(INFER, json=small_model.request(ROWS * 100), headers={"accept-encoding": accept})
        short = await http.post(INFER, json=small_model.request(ROWS), headers={"accept-encoding": accept})
    assert long.headers.get("content-encoding") == encoding
    assert short.headers.get("content-encoding") is None
    assert long.json()["outputs"][0]["data"][:2] == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/openapi.json", "/metrics"])
async def test_what_a_client_asks_before_its_first_request_is_answered(client: Make, path: str) -> None:
    async with client() as http:
        assert (await http.get(path)).status_code == 200
        head = await http.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_the_server_names_its_extensions(client: Make) -> None:
    answer = (await client().get("/v2")).json()
    assert answer["name"] == "homeostat"
    assert answer["extensions"] == ["binary_tensor_data"]


async def test_each_route_of_a_model_has_one_of_its_version(client: Make) -> None:
    async with client() as http:
        for path in ("", "/ready"):
            of_model = await http.get(f"/v2/models/churn{path}")
            of_version = await http.get(f"/v2/models/churn/versions/1{path}")
            assert of_model.status_code == 200
            assert of_model.json() == of_version.json()
            for wrong in (f"/v2/models/churn/versions/2{path}", f"/v2/models/other/versions/1{path}"):
                refused = await http.get(wrong)
                assert refused.status_code == 404
                assert "is not served here; use /v2/models/churn" in refused.json()["error"]
        answer = await http.post("/v2/models/churn/versions/1/infer", json=small_model.request(ROWS))
        assert answer.json()["outputs"][0]["data"] == pytest.approx(EXPECTED, abs=1e-6)
        refused = await http.post("/v2/models/churn/versions/2/infer", json=small_model.request(ROWS))
        assert refused.status_code == 404
        assert "version '2' of model 'churn' is not served here" in refused.json()["error"]


UNSERVED = [
    ("GET", "/", 404),
    ("GET", "/v2/nothing", 404),
    ("GET", "/v2/models", 404),
    ("GET", "/v2/models/churn/config", 404),
    ("GET", "/v2/models/churn/versions", 404),
    ("POST", "/v2/models/churn/versions/1/x/infer", 404),
    ("POST", "/v2/repository/index", 404),
    ("GET", INFER, 405),
    ("DELETE", INFER, 405),
    ("POST", "/v2", 405),
    ("POST", "/v2/models/churn", 405),
    ("GET", "/api/v1.0/feedback", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), UNSERVED)
async def test_what_is_not_served_is_refused_in_the_form_of_the_protocol(
    client: Make, method: str, path: str, status: int
) -> None:
    response = await client().request(method, path)
    assert response.status_code == status
    answer = response.json()
    assert answer.keys() == ({"status"} if "feedback" in path else {"error"})
    assert "not served" in str(answer)
    assert ("allow" in response.headers) == (status == 405)
