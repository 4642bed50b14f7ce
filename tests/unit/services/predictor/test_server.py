"""The real server: Granian in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from support import small_model
from support.predictor_process import ANSWER, ASKED, running, until_ready

INFER, SELDON = "/v2/models/churn/infer", "/api/v1.0/predictions"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


async def test_the_hot_route_and_the_rest_share_one_process_and_its_counts(http: httpx.AsyncClient) -> None:
    with running() as (base, _, log):
        await until_ready(base)
        response = await http.post(base + INFER, json=small_model.request(small_model.ROWS, list("abcde")))
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        expected = [small_model.probability(row) for row in small_model.ROWS]
        scores = response.json()["outputs"][0]["data"]
        assert scores == pytest.approx(expected, abs=1e-6)
        await http.post(base + INFER, json=small_model.request(small_model.ROWS), headers={"host": "churn-shadow"})
        mistaken = await http.post(base + INFER, content=b"{")
        assert (mistaken.status_code, list(mistaken.json())) == (400, ["error"])
        asked = {"jsonData": {**small_model.ROWS[0], "customer_id": "f"}}
        answered = (await http.post(base + SELDON, json=asked)).json()
        assert answered["data"]["tensor"]["values"] == scores[:1]
        assert (await http.get(f"{base}/v2/models/none")).status_code == 404
        metrics = (await http.get(f"{base}/metrics")).text
        for mirrored, count in (("false", 2.0), ("true", 1.0)):
            of = f'deployment="churn",mirrored="{mirrored}",namespace="churn",version="1"'
            assert f'homeostat_requests_total{{code="200",{of}}} {count}' in metrics
        logged: list[str] = []
        while len(logged) < 6:
            logged += await asyncio.to_thread(log.recv)
        assert logged == list("abcdef")


async def test_a_body_that_is_too_long_is_refused(http: httpx.AsyncClient) -> None:
    with running() as (base, _, _):
        await until_ready(base)
        body = b" " * (9 * 1024 * 1024)

        async def unannounced() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        assert (await http.post(base + INFER, content=body)).status_code == 413
        assert (await http.post(base + INFER, content=unannounced())).status_code == 413
        seldons = await http.post(base + SELDON, content=body)
        assert (seldons.status_code, seldons.json()["status"]["code"]) == (413, 413)


async def test_on_sigterm_requests_at_hand_are_answered_and_the_log_is_flushed(http: httpx.AsyncClient) -> None:
    with running("Lookup") as (base, process, log):
        await until_ready(base)
        body = {"inputs": [{"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["late"]}]}
        asked = asyncio.create_task(http.post(base + INFER, json=body))
        assert await asyncio.to_thread(log.recv) == ASKED
        os.kill(process.pid, signal.SIGTERM)
        log.send(ANSWER)
        assert (await asked).status_code == 200
        assert await asyncio.to_thread(log.recv) == ["late"]
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == 0


def test_a_model_that_fails_its_checks_ends_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    with running(digest=f"sha256:{'0' * 64}") as (_, process, _):
        process.join(60)
        assert process.exitcode == 1
    printed = capfd.readouterr()
    assert (printed.out + printed.err).count("the model is not served") == 1
    assert "Traceback" not in printed.out + printed.err


def test_the_start_imports_no_library_that_only_others_need() -> None:
    """Each of these takes a tenth of a second or more, in which a new pod serves nothing."""
    code = "import sys, homeostat_services.predictor.__main__; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"scipy", "httpx", "fastapi", "kubernetes", "redis", "prometheus_client", "pyarrow"} & set(names)
