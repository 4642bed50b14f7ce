"""Clients of the Open Inference Protocol that people have, in the modes that they have by default, against a predictor."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import small_model
from support.predictor_process import running, until_ready
from tools.cluster.settings import REPOSITORY

PYTHON = REPOSITORY / ".venv/clients/bin/python"
ASK = Path(__file__).parent / "ask.py"
# Without missing values, which some of these clients cannot send for every type.
ROWS = [small_model.ROWS[number] for number in (0, 1, 4)]
EXPECTED = [small_model.probability(row) for row in ROWS]


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """What each client got."""
    with running() as (base, _, _):
        asyncio.run(until_ready(base))
        done = subprocess.run(
            [str(PYTHON), str(ASK), base.removeprefix("http://")],
            input=json.dumps(ROWS),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        yield json.loads(done.stdout)


@pytest.mark.parametrize(
    ("client", "modes"),
    [
        ("triton", {"default", "version", "output", "gzip", "deflate", "JSON"}),
        ("kserve", {"default", "JSON", "binary output"}),
        ("httpx", {"default", "gzip"}),
    ],
)
def test_a_client_gets_the_predictions_in_each_of_its_modes(
    found: dict[str, Any], client: str, modes: set[str]
) -> None:
    scores = found[client]["scores"]
    assert scores.keys() == modes
    for mode, values in scores.items():
        assert values == pytest.approx(EXPECTED, abs=1e-6), mode
    assert found[client]["id"] == "mine"


@pytest.mark.parametrize("client", ["triton", "kserve"])
def test_a_client_sees_that_server_and_model_are_ready_and_another_model_is_not(
    found: dict[str, Any], client: str
) -> None:
    assert set(found[client]["alive"]) == {True}
    assert found[client]["unknown"] is False


def test_tritons_client_reads_the_metadata(found: dict[str, Any]) -> None:
    assert "binary_tensor_data" in found["triton"]["server"]["extensions"]
    assert found["triton"]["model"]["versions"] == ["1"]


@pytest.mark.parametrize(
    ("client", "text"), [("triton", "tensor 'contract' is missing"), ("kserve", "inputs is empty")]
)
def test_a_client_shows_the_text_of_a_refusal(found: dict[str, Any], client: str, text: str) -> None:
    assert text in found[client]["refused"]
