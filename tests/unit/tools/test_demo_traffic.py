"""Requests and outcomes of every task; outcomes reach the observer however many are due at once."""

import asyncio
import heapq
import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from homeostat_services.observer.messages import BATCH
from tools.demo.traffic import Traffic


def traffic_with_due_outcomes(directory: Path, number: int) -> Traffic:
    token = directory / "token"
    token.write_text("secret")
    plan = {
        "url": "http://gateway", "model": "churn", "observer": "http://observer", "namespace": "churn", "entity": "customer_id",
        "rate": 1.0, "token_file": str(token), "groups": {}, "shares": {}, "outcomes": {},
    }  # fmt: skip
    (directory / "traffic.json").write_text(json.dumps(plan))
    traffic = Traffic(directory)
    for index in range(number):
        heapq.heappush(traffic.due, (0.0, f"p{index}", index % 2))
    return traffic


def post(traffic: Traffic, statuses: list[int], meanwhile: Callable[[], None] = lambda: None) -> list[int]:
    """Posts what is due to an observer that answers with these statuses, then 200; returns the sizes of its requests.

    Each request is followed by `meanwhile`.
    """
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)["outcomes"]))
        meanwhile()
        return httpx.Response(statuses.pop(0) if statuses else 200)

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await traffic._post_outcomes(client)

    asyncio.run(run())
    return sizes


def test_outcomes_that_became_due_during_a_pause_are_posted_in_requests_that_the_observer_takes(tmp_path: Path) -> None:
    traffic = traffic_with_due_outcomes(tmp_path, 3 * BATCH)
    sizes = post(traffic, [])
    assert sum(sizes) == traffic.counts.outcomes == 3 * BATCH
    assert max(sizes) <= BATCH
    assert traffic.due == []


def test_outcomes_of_a_failed_request_stay_due_and_the_error_is_kept(tmp_path: Path) -> None:
    traffic = traffic_with_due_outcomes(tmp_path, 10)
    assert post(traffic, [503]) == [10]
    assert (len(traffic.due), traffic.counts.outcomes, traffic.counts.outcome_errors) == (10, 0, 1)
    assert "503" in traffic.counts.last_outcome_error
    assert post(traffic, []) == [10]
    assert traffic.due == []


def test_outcomes_that_become_due_while_others_are_posted_wait_for_their_turn(tmp_path: Path) -> None:
    traffic = traffic_with_due_outcomes(tmp_path, 1)
    later: list[str] = [f"late{index}" for index in range(5)]

    def one_more() -> None:
        if later:
            heapq.heappush(traffic.due, (time.monotonic(), later.pop(), 0))

    assert post(traffic, [], one_more) == [1]
    assert len(traffic.due) == 1


def test_a_request_has_the_entity_of_the_plan_and_the_outputs_of_any_task_are_kept(tmp_path: Path) -> None:
    traffic = traffic_with_due_outcomes(tmp_path, 0)
    traffic.plan.entity, traffic.plan.outcomes = "capture_id", {"capture-1": "PB"}
    sent: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content)["inputs"][0]["name"])
        outputs = [{"name": "probabilities", "data": [0.2, 0.8]}, {"name": "class", "data": ["PP"]}]
        return httpx.Response(200, json={"id": "p1", "model_version": "2", "outputs": outputs})

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            await traffic._predict(client, "late", "capture-1")

    asyncio.run(run())
    assert sent == ["capture_id"]
    assert traffic.counts.last_outputs == {"probabilities": [0.2, 0.8], "class": ["PP"]}
    assert [outcome for _, _, outcome in traffic.due] == ["PB"]
