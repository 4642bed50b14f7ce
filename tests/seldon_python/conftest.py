"""A trained model, the predictor and Seldon's server that serve it, and Seldon's client."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seldon_python.serving import SELDON, Ports, Trained, answers, end, free_ports, microservice, predicting
from tools.cluster.settings import REPOSITORY
from tools.waiting import until

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("model")
    python = REPOSITORY / ".venv/pipelines/bin/python"
    done = subprocess.run(
        [str(python), str(HERE / "train.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")}, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    return Trained(folder, said["digest"], said["rows"])


@pytest.fixture(scope="session")
def predictor(trained: Trained) -> Iterator[str]:
    """Host and port of a predictor that is sent features."""
    with predicting(trained, "Request") as base:
        yield base


@pytest.fixture(scope="session")
def lookup_predictor(trained: Trained) -> Iterator[str]:
    """Host and port of a predictor that is sent entity ids."""
    with predicting(trained, "Lookup") as base:
        yield base


@pytest.fixture(scope="session")
def wrapper(trained: Trained) -> Iterator[Ports]:
    """Seldon's own server, ready, with our wrapper and the same model."""
    ports = free_ports(3)
    process = microservice(ports, trained.folder, trained.digest)
    try:
        until(
            "seldon-core-microservice",
            lambda: (process.poll(), answers(f"http://127.0.0.1:{ports[0]}/health/ping")),
            lambda seen: seen[0] is not None or seen[1] == 200,
        )
        assert process.poll() is None, "seldon-core-microservice ended"
        yield Ports(*ports[:2])
    finally:
        end(process)


Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ask() -> Ask:
    """Makes calls by SeldonClient, in its own environment: what it gave for each."""

    def make(*calls: dict[str, Any]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [str(SELDON / "python"), str(HERE / "ask.py")],
            input=json.dumps(calls), stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return make
