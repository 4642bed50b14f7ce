"""The servers that are compared: our predictor, and Seldon's with our wrapper.

A spawned process can only import what has the same name there, so both stand outside conftest.
"""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from homeostat.engines.objects.memory import MemoryObjects
from homeostat_services.predictor.__main__ import assemble, serve
from homeostat_services.predictor.prediction_log import PredictedBy, Prediction
from homeostat_services.predictor.settings import PredictorSettings
from tools.cluster.settings import REPOSITORY
from tools.waiting import until

SELDON = REPOSITORY / ".venv/seldon/bin"
WRAPPER = REPOSITORY / "services/seldon_wrapper"
URI = "s3://homeostat/models/churn"

Row = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A model's bundle in a folder, and rows that it was not trained on, with their entity."""

    folder: Path
    digest: str
    rows: list[Row]


@dataclass(frozen=True)
class Ports:
    """Where a server of Seldon's listens."""

    http: int
    grpc: int


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def answers(url: str) -> int | None:
    """The HTTP status; None while nobody answers."""
    try:
        return httpx.get(url, trust_env=False, timeout=30).status_code
    except httpx.TransportError:
        return None


class Customers:
    """An online store in memory."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = {row["customer_id"]: row for row in rows}

    async def lookup(self, namespace: str, feature_set: str, keys: Sequence[str]) -> list[dict[str, Any] | None]:
        assert (namespace, feature_set) == ("churn", "customers")
        return [self._rows.get(key) for key in keys]


class Nowhere:
    """A sink that takes everything."""

    async def send(self, batch: list[Prediction], models: Mapping[str, PredictedBy]) -> None:
        """Take it."""


def predictor(port: int, trained: Trained, features: str) -> None:
    objects = MemoryObjects({f"{URI}/{path.name}": path.read_bytes() for path in trained.folder.iterdir()})
    settings = PredictorSettings.model_validate(
        {
            "namespace": "churn",
            "deployment": "churn",
            "version": "1",
            "model_uri": URI,
            "model_digest": trained.digest,
            "features": features,
            "entity_field": "customer_id",
        }
    )
    serve(lambda: assemble(settings, objects, Customers(trained.rows), Nowhere()), "127.0.0.1", port)


@contextmanager
def predicting(trained: Trained, features: str) -> Iterator[str]:
    """Host and port of a predictor that is ready."""
    (port,) = free_ports(1)
    # Forked children would share the event loop of pytest.
    process = multiprocessing.get_context("spawn").Process(target=predictor, args=(port, trained, features))
    process.start()
    try:
        base = f"127.0.0.1:{port}"
        until("the predictor", lambda: answers(f"http://{base}/v2/health/ready"), lambda status: status == 200)
        yield base
    finally:
        process.terminate()
        process.join(60)
        process.close()


def microservice(ports: list[int], folder: Path, digest: str, **given: Any) -> subprocess.Popen[str]:
    """Seldon's server with our wrapper, as its users start it."""
    parameters = [
        {"name": name, "type": "STRING", "value": value}
        for name, value in {"model_uri": str(folder), "model_digest": digest}.items()
    ]
    names = ("http", "grpc", "metrics")
    at = [text for name, port in zip(names, ports, strict=True) for text in (f"--{name}-port", str(port))]
    return subprocess.Popen(
        [str(SELDON / "seldon-core-microservice"), "HomeostatModel", "--service-type", "MODEL",
         "--parameters", json.dumps(parameters), *at],
        cwd=WRAPPER, start_new_session=True, text=True, **given,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    """End the server with its workers, some of which outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
