"""The predictor, observing and not, against a bare loop of Granian, msgspec and ONNX Runtime.

Run by `make bench`. Servers take turns; each cell is the ratio of the servers' CPU-seconds a request, bare over predictor,
with a 95 % interval over the rounds: 1 means that all checks of values, counting and the log are free. The bare loop decodes
the same JSON, feeds the same graph input by input, checks names, datatypes and sizes, and answers with the same fields; it
counts and logs nothing. The observing predictor sends its log to a server in a process of its own.
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
from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.app import Application
from homeostat_services.predictor.counters import Counters
from homeostat_services.predictor.model import load as load_model
from homeostat_services.predictor.outputs import OutputTensor
from homeostat_services.predictor.prediction_log import ObserverSink, PredictionLog
from homeostat_services.predictor.protocol import InferResponse, Refusal
from homeostat_services.predictor.service import Predictor
from support import small_model
from support.cpu_time import cpu_seconds
from support.wide_model import WideModel

ROUNDS, SECONDS, CONNECTIONS = 6, 1.0, 16
# Student's t for 5 degrees of freedom, two-sided 95 %.
T = 2.571
PATH = "/v2/models/churn/infer"
SPAWN = multiprocessing.get_context("spawn")


class Unobserved(Counters):
    """Counts of requests alone."""

    def served(self, *_: Any) -> None:
        """Count nothing."""


def ours(port: int, features: int, observer: int) -> None:
    """The predictor; `observer` is the port of the server that takes its log, 0 for one that neither counts nor logs."""
    objects, digest = small_model.stored(WideModel(features).files())
    settings, sink = small_model.settings(digest), ObserverSink(f"http://127.0.0.1:{observer}", "churn", "churn")

    def unobserved() -> Application:
        model = load_model(objects, settings.model_uri, settings.model_digest)
        counters = Unobserved("churn", "churn", "1", model.baseline, model.block.numbers)
        return Application(Predictor(settings, model, counters, None, lambda _: None), PredictionLog(sink, counters))

    serve(lambda: assemble(settings, objects, None, sink) if observer else unobserved(), "127.0.0.1", port)


def observer(port: int) -> None:
    """Take batches of predictions."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:  # the predictor has ended
                return
            lines = head.lower().split(b"\r\n")
            await reader.readexactly(int(next(line for line in lines if line.startswith(b"content-length"))[15:]))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def run() -> None:
        await (await asyncio.start_server(answer, "127.0.0.1", port)).serve_forever()

    asyncio.run(run())


class BareTensor(msgspec.Struct):
    """An input."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class BareRequest(msgspec.Struct):
    """A request."""

    inputs: list[BareTensor]
    id: str | None = None


class Bare:
    """The loop that one would write: no check of values, no count, no log."""

    def __init__(self, model: WideModel) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model.graph(), options)
        self._decode = msgspec.json.Decoder(BareRequest).decode
        self._datatypes = {**model.datatypes, "customer_id": "BYTES"}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer a request."""
        if scope.path != PATH or scope.method != "POST":
            protocol.response_bytes(404, [], b"")
            return
        try:
            status, answer = 200, msgspec.json.encode(self._answer(await protocol()))
        except (msgspec.DecodeError, ValueError) as error:
            status, answer = 400, msgspec.json.encode(Refusal(str(error)))
        protocol.response_bytes(status, [("content-type", "application/json")], answer)

    def _answer(self, body: bytes) -> InferResponse:
        request = self._decode(body)
        feed, shape = {}, request.inputs[0].shape
        for tensor in request.inputs:
            if tensor.datatype != self._datatypes.get(tensor.name):
                raise ValueError(f"{tensor.name}: unknown, or of another datatype")
            if tensor.shape != shape or len(tensor.data) != shape[0]:
                raise ValueError(f"{tensor.name}: shape")
            if tensor.name != "customer_id":
                dtype = object if tensor.datatype == "BYTES" else np.float32
                feed[tensor.name] = np.array(tensor.data, dtype=dtype).reshape(-1, 1)
        scores = self._session.run(["probability"], feed)[0][:, 0].tolist()
        output = OutputTensor("probability", "FP64", [len(scores)], scores)
        about = {"deployment": "churn/churn", "model": "churn.churn"}
        return InferResponse("churn", "1", request.id or os.urandom(16).hex(), [output], about)


def bare(port: int, features: int, _: int) -> None:
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


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def begin(target: Callable[..., None], *arguments: int) -> Any:
    """A process that runs `target`."""
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    return process


def started(target: Callable[..., None], features: int, observer_port: int) -> tuple[Any, int]:
    """A server in a process of its own that has predicted, and its port."""
    port = free_port()
    process = begin(target, port, features, observer_port)
    body = json.dumps(WideModel(features).request(1)).encode()
    for _ in range(1200):
        try:
            httpx.post(f"http://127.0.0.1:{port}{PATH}", content=body, trust_env=False, timeout=30).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return process, port
    raise RuntimeError("a server did not start within a minute")


def cell(servers: list[tuple[Any, int]], body: bytes) -> list[list[float]]:
    """CPU-microseconds a request, by round and server."""
    rounds = []
    for number in range(ROUNDS + 1):
        figures = {}
        for index in sorted(range(len(servers)), reverse=bool(number % 2)):
            process, port = servers[index]
            before = cpu_seconds(process.pid)
            count = asyncio.run(load(port, body, SECONDS))
            figures[index] = (cpu_seconds(process.pid) - before) / count * 1e6
        rounds.append([figures[index] for index in range(len(servers))])
    return rounds[1:]  # the first one warms up


def ratio(rounds: list[list[float]], index: int) -> str:
    """CPU-seconds of the bare loop, the last server, over those of another, with an interval."""
    ratios = [figures[-1] / figures[index] for figures in rounds]
    half, mean = T * statistics.stdev(ratios) / len(ratios) ** 0.5, statistics.mean(ratios)
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def main() -> None:
    """Measure in turns and print."""
    gc.disable()
    port = free_port()
    taker = begin(observer, port)
    print(f"{'features':>8} {'rows':>5}  CPU µs a request: observing, not, bare; bare over observing, over not")  # noqa: T201 - a benchmark prints
    for features in map(int, sys.argv[1:] or (19, 200)):
        servers = [started(target, features, its) for target, its in ((ours, port), (ours, 0), (bare, 0))]
        try:
            for rows in (1, 16, 256):
                rounds = cell(servers, json.dumps(WideModel(features).request(rows)).encode())
                medians = " ".join(f"{statistics.median(column):8.0f}" for column in zip(*rounds, strict=True))
                print(f"{features:8} {rows:5} {medians}   {ratio(rounds, 0)}   {ratio(rounds, 1)}", flush=True)  # noqa: T201 - as above
        finally:
            for process, _ in servers:
                process.terminate()
                process.join()
    taker.terminate()


if __name__ == "__main__":
    main()
