"""The predictor's hot route against FastAPI, uvicorn and the same ONNX model, interleaved in one run on the loopback.

Run by `make bench`. Prints requests a second of each, and their ratio with a 95 % interval over the rounds.
"""

import asyncio
import json
import multiprocessing
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1]))
from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.prediction_log import Prediction
from support import small_model

ROUNDS, SECONDS, CONNECTIONS = 6, 3.0, 16
# Student's t for 5 degrees of freedom, two-sided 95 %.
T = 2.571
BODY = json.dumps(small_model.request(small_model.ROWS[:1], ["a"])).encode()
PATH = "/v2/models/churn/infer"


class Nowhere:
    """A sink that takes everything."""

    async def send(self, batch: list[Prediction]) -> None:
        """Take it."""


def ours(port: int) -> None:
    """The predictor, with counting and logging."""
    objects, digest = small_model.stored()
    serve(lambda: assemble(small_model.settings(digest), objects, None, Nowhere()), "127.0.0.1", port)


def peer(port: int) -> None:
    """The same route as one would write it at first: no counting, no log."""
    session = ort.InferenceSession(small_model.graph())
    app = FastAPI()

    @app.post(PATH)
    async def infer(request: dict[str, Any]) -> dict[str, Any]:
        feed = {}
        for tensor in request["inputs"][: len(small_model.DATATYPES)]:
            kind = object if tensor["datatype"] == "BYTES" else np.float32
            feed[tensor["name"]] = np.array(tensor["data"], dtype=kind).reshape(-1, 1)
        scores = session.run(["probability"], feed)[0][:, 0].tolist()
        output = {"name": "probability", "datatype": "FP64", "shape": [len(scores)], "data": scores}
        return {"model_name": "churn", "model_version": "1", "id": "1", "outputs": [output]}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical", access_log=False)


async def measure(port: int) -> float:
    """Requests a second."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
    message, count, end = head.encode() + BODY, 0, time.monotonic() + SECONDS

    async def ask() -> None:
        nonlocal count
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            writer.write(message)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            count += 1
        writer.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return count / SECONDS


def started(target: Any) -> tuple[Any, int]:
    """A server in a process of its own, ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port,))
    process.start()
    for _ in range(600):
        try:
            headers = {"content-type": "application/json"}
            url = f"http://127.0.0.1:{port}{PATH}"
            httpx.post(url, content=BODY, headers=headers, trust_env=False).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return process, port
    raise RuntimeError("a server did not start within a minute")


def main() -> None:
    """Measure in turns and print."""
    servers = [started(ours), started(peer)]
    try:
        rounds = [[asyncio.run(measure(port)) for _, port in servers] for _ in range(ROUNDS)]
    finally:
        for process, _ in servers:
            process.terminate()
            process.join()
    ratios = [mine / theirs for mine, theirs in rounds]
    half = T * statistics.stdev(ratios) / len(ratios) ** 0.5
    for name, column in zip(("predictor", "FastAPI + uvicorn"), zip(*rounds, strict=True), strict=True):
        print(f"{name:>18}: {statistics.median(column):8.0f} requests/s")  # noqa: T201 - a benchmark prints
    mean = statistics.mean(ratios)
    print(f"{'ratio':>18}: {mean:8.2f} (95 % interval {mean - half:.2f} to {mean + half:.2f})")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
