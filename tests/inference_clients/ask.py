"""Runs in the environment of the clients: calls a predictor as each client does by default, and prints what it got as JSON.

Arguments: host and port of the predictor. The rows come as JSON from stdin: values by name.
"""

import asyncio
import gzip
import json
import sys
from typing import Any

import httpx
import numpy as np
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

KINDS = {
    "contract": (object, "BYTES"),
    "charges": (np.float32, "FP32"),
    "tenure": (np.int64, "INT64"),
    "senior": (bool, "BOOL"),
}


def columns(rows: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    """Name, datatype and values of each column; entity ids are text."""
    found = [
        (name, datatype, np.array([row[name] for row in rows], dtype=kind)) for name, (kind, datatype) in KINDS.items()
    ]
    return [*found, ("customer_id", "BYTES", np.array([f"e{row}" for row in range(len(rows))], dtype=object))]


def by_triton(base: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    client = triton.InferenceServerClient(base)
    inputs = []
    for name, datatype, values in columns(rows):
        inputs.append(triton.InferInput(name, list(values.shape), datatype))
        inputs[-1].set_data_from_numpy(values)
    answers = {
        "default": client.infer("churn", inputs),
        "version": client.infer("churn", inputs, model_version="1"),
        "output": client.infer(
            "churn", inputs, outputs=[triton.InferRequestedOutput("probability")], request_id="mine"
        ),
        "gzip": client.infer(
            "churn", inputs, request_compression_algorithm="gzip", response_compression_algorithm="gzip"
        ),
        "deflate": client.infer("churn", inputs, request_compression_algorithm="deflate"),
    }
    for each, (_, _, values) in zip(inputs, columns(rows), strict=True):
        each.set_data_from_numpy(values, binary_data=False)
    json_output = [triton.InferRequestedOutput("probability", binary_data=False)]
    answers["JSON"] = client.infer("churn", inputs, outputs=json_output)
    try:
        client.infer("churn", inputs[1:])
        refused = ""
    except triton.InferenceServerException as error:
        refused = error.message()
    found = {
        "alive": [
            client.is_server_live(),
            client.is_server_ready(),
            client.is_model_ready("churn"),
            client.is_model_ready("churn", "1"),
        ],
        "unknown": client.is_model_ready("other"),
        "server": client.get_server_metadata(),
        "model": client.get_model_metadata("churn", "1"),
        "scores": {name: answer.as_numpy("probability").tolist() for name, answer in answers.items()},
        "id": answers["output"].get_response()["id"],
        "refused": refused,
    }
    client.close()
    return found


async def by_kserve(base: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    client, url = InferenceRESTClient(RESTConfig(protocol="v2")), f"http://{base}"

    def request(*, binary: bool) -> InferRequest:
        inputs = []
        for name, datatype, values in columns(rows):
            inputs.append(InferInput(name, list(values.shape), datatype))
            inputs[-1].set_data_from_numpy(values, binary_data=binary)
        return InferRequest(model_name="churn", infer_inputs=inputs, request_id="mine")

    answers = {
        "default": await client.infer(url, request(binary=True), model_name="churn"),
        "JSON": await client.infer(url, request(binary=False), model_name="churn"),
    }
    as_bytes = request(binary=True)
    as_bytes.parameters = {"binary_data_output": True}
    answers["binary output"] = await client.infer(url, as_bytes, model_name="churn")
    try:
        await client.infer(url, {"inputs": []}, model_name="churn")
        refused = ""
    except httpx.HTTPStatusError as error:
        refused = str(error)
    found = {
        "alive": [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, "churn"),
        ],
        "unknown": await client.is_model_ready(url, "other"),
        "scores": {name: answer.outputs[0].as_numpy().tolist() for name, answer in answers.items()},
        "id": answers["default"].id,
        "refused": refused,
    }
    await client.close()
    return found


def by_httpx(base: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As curl does: JSON, plain or compressed."""
    inputs = [
        {"name": name, "shape": list(values.shape), "datatype": datatype, "data": values.tolist()}
        for name, datatype, values in columns(rows)
    ]
    body, url = json.dumps({"inputs": inputs, "id": "mine"}).encode(), f"http://{base}/v2/models/churn/infer"
    with httpx.Client(trust_env=False) as client:
        answers = {
            "default": client.post(url, content=body),
            "gzip": client.post(url, content=gzip.compress(body), headers={"content-encoding": "gzip"}),
        }
    return {
        "scores": {name: answer.json()["outputs"][0]["data"] for name, answer in answers.items()},
        "id": answers["default"].json()["id"],
    }


if __name__ == "__main__":
    base, rows = sys.argv[1], json.load(sys.stdin)
    found = {
        "triton": by_triton(base, rows),
        "kserve": asyncio.run(by_kserve(base, rows)),
        "httpx": by_httpx(base, rows),
    }
    print(json.dumps(found))  # noqa: T201 - what the caller reads
