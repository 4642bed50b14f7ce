"""The predictor, with checks, counting and the log, against a bare loop of Granian, msgspec and ONNX Runtime.

Run by `make bench`. Servers take turns; each cell is the ratio of the servers' CPU-seconds a request, bare over predictor,
with a 95 % interval over the rounds: 1 means that everything besides decoding and inference is free. Then the CPU-seconds
from the start of a process to its first prediction.
"""

import asyncio
import gc
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).parents[1]))
from support import small_model
from support.wide_model import WideModel

ROUNDS, SECONDS, CONNECTIONS = 6, 1.0, 16
# Student's t for 5 degrees of freedom, two-sided 95 %.
T = 2.571
PATH = "/v2/models/churn/infer"
TICK = os.sysconf("SC_CLK_TCK")


class Nowhere:
    """A sink that encodes what it gets, as one must that sends it."""

    async def send(self, batch: Any) -> None:
        """Take it."""
        msgspec.json.encode(batch)


def ours(port: int, features: int) -> None:
    """The predictor, with counting and logging."""
    from homeostat_services.predictor.__main__ import assemble, serve  # noqa: PLC0415 - its imports are part of the start

    objects, digest = small_model.stored(WideModel(features).files())
    serve(lambda: assemble(small_model.settings(digest), objects, None, Nowhere()), "127.0.0.1", port)


class BareTensor(msgspec.Struct):
    """An input."""

    name: str
    datatype: str
    data: list[Any]


class BareRequest(msgspec.Struct):
    """A request."""

    inputs: list[BareTensor]


class Bare:
    """The loop that one would write: no check, no count, no log."""

    def __init__(self, model: WideModel) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model.graph(), options)
        self._decode = msgspec.json.Decoder(BareRequest).decode

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer a request."""
        body = await protocol()
        if scope.path != PATH:
            protocol.response_bytes(404, [], b"")
            return
        feed = {
            tensor.name: np.array(tensor.data, dtype=object if tensor.datatype == "BYTES" else np.float32).reshape(
                -1, 1
            )
            for tensor in self._decode(body).inputs
            if tensor.name != "customer_id"
        }
        scores = self._session.run(["probability"], feed)[0][:, 0].tolist()
        output = {"name": "probability", "datatype": "FP64", "shape": [len(scores)], "data": scores}
        answer = {"model_name": "churn", "model_version": "1", "id": "1", "outputs": [output]}
        protocol.response_bytes(200, [("content-type", "application/json")], msgspec.json.encode(answer))


def bare(port: int, features: int) -> None:
    """The bare loop on the same server."""
    from granian import Granian  # noqa: PLC0415 - its import is part of the start
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415 - as above

    multiprocessing.set_start_method("fork", force=True)
    server = Granian(
        "bare", address="127.0.0.1", port=port, interface=Interfaces.RSGI, http=HTTPModes.http1, log_enabled=False
    )

    def build() -> Any:
        return Bare(WideModel(features))

    server.serve(target_loader=build, wrap_loader=False)


async def load(port: int, body: bytes, seconds: float) -> int:
    """Send requests for some seconds; how many were answered."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    message, count, end = head.encode() + body, 0, time.monotonic() + seconds

    async def connection() -> None:
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

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return count


def cpu_seconds(process: int) -> float:
    """CPU time of a process and its children so far."""
    total, known = 0.0, [process]
    while known:
        one = known.pop()
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / TICK
        for thread in Path(f"/proc/{one}/task").iterdir():
            known += map(int, (thread / "children").read_text().split())
    return total


def started(target: Callable[[int, int], None], features: int) -> tuple[Any, int, float]:
    """A server in a process of its own, its port, and its CPU-seconds up to its first prediction."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=target, args=(port, features))
    process.start()
    body = json.dumps(WideModel(features).request(1)).encode()
    for _ in range(1200):
        try:
            httpx.post(f"http://127.0.0.1:{port}{PATH}", content=body, trust_env=False, timeout=30).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return process, port, cpu_seconds(process.pid or 0)
    raise RuntimeError("a server did not start within a minute")


def cell(servers: list[tuple[Any, int, float]], body: bytes) -> list[list[float]]:
    """CPU-microseconds a request, by round and server."""
    rounds = []
    for number in range(ROUNDS + 1):
        figures = {}
        for index in (0, 1) if number % 2 else (1, 0):
            process, port, _ = servers[index]
            before = cpu_seconds(process.pid)
            count = asyncio.run(load(port, body, SECONDS))
            figures[index] = (cpu_seconds(process.pid) - before) / count * 1e6
        rounds.append([figures[0], figures[1]])
    return rounds[1:]  # the first one warms up


def main() -> None:
    """Measure in turns and print."""
    gc.disable()
    print(f"{'features':>8} {'rows':>5} {'predictor':>10} {'bare':>10}   bare/predictor (CPU a request, µs)")  # noqa: T201 - a benchmark prints
    for features in (19, 200):
        servers = [started(ours, features), started(bare, features)]
        try:
            for rows in (1, 16, 256):
                rounds = cell(servers, json.dumps(WideModel(features).request(rows)).encode())
                ratios = [theirs / mine for mine, theirs in rounds]
                half = T * statistics.stdev(ratios) / len(ratios) ** 0.5
                mine, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
                mean = statistics.mean(ratios)
                print(  # noqa: T201 - as above
                    f"{features:8} {rows:5} {mine:10.0f} {theirs:10.0f}   {mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]",
                    flush=True,
                )
        finally:
            for process, _, _ in servers:
                process.terminate()
                process.join()
        print(f"{features:8} start: predictor {servers[0][2]:.2f} CPU s, bare {servers[1][2]:.2f}", flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
