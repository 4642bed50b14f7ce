"""Copies of requests for a version in shadow, as a real Envoy makes them."""

import signal
import time
from collections import Counter

import httpx

from contract.router.gateway import URL, Gateway, traffic, until
from homeostat_services.request_origin import PREDICTION_HEADER, origin_of


async def test_a_copy_is_marked_has_the_id_of_its_request_and_is_answered_to_nobody(gateway: Gateway) -> None:
    gateway.mirror(100)
    async with traffic(gateway) as seen:
        await until(lambda: len(gateway.seen_by("v2")) >= 300, gateway.logs)
    assert not seen.failures
    assert not any(name.startswith("v2") for name in seen.answers)
    originals, copies = gateway.seen_by("v1"), gateway.seen_by("v2")
    assert all(origin_of({"host": host}).mirrored for host, _ in copies)
    assert not any(origin_of({"host": host}).mirrored for host, _ in originals)
    ids = [prediction for _, prediction in originals]
    assert len(set(ids)) == len(ids)
    assert {prediction for _, prediction in copies} <= set(ids)


async def test_no_caller_can_make_a_request_look_like_a_copy_or_choose_the_gateways_id(gateway: Gateway) -> None:
    forged = {"host": "models-shadow:8080", PREDICTION_HEADER: "chosen"}
    before = Counter(gateway.seen_by("v1"))
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.post(f"http://127.0.0.1:{gateway.port}{URL}", content=b"{}", headers=forged)
    assert response.status_code == 200
    ((host, prediction),) = Counter(gateway.seen_by("v1")) - before
    assert not origin_of({"host": host}).mirrored
    assert prediction != "chosen"


async def test_copies_are_made_of_the_given_share(gateway: Gateway) -> None:
    gateway.mirror(30)
    await until_copied(gateway)
    before = len(gateway.seen_by("v1")), len(gateway.seen_by("v2"))
    async with traffic(gateway) as seen:
        await until(lambda: seen.total >= 1500, gateway.logs)
    originals, copies = (len(gateway.seen_by(v)) - n for v, n in zip(("v1", "v2"), before, strict=True))
    assert 0.23 < copies / originals < 0.37  # 5 standard errors


async def test_a_shadow_that_hangs_and_dies_costs_no_caller_anything(gateway: Gateway) -> None:
    gateway.mirror(100)
    await until_copied(gateway)
    async with traffic(gateway) as seen:
        for name in ("v2-1", "v2-2"):
            gateway.processes[name].send_signal(signal.SIGSTOP)
        hung = time.monotonic()
        await until(lambda: seen.since(hung).total() >= 500, gateway.logs)
        for name in ("v2-1", "v2-2"):
            gateway.kill(name)
        gone = time.monotonic()
        await until(lambda: seen.since(gone).total() >= 500, gateway.logs)
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def until_copied(gateway: Gateway) -> None:
    async with traffic(gateway):
        await until(lambda: gateway.seen_by("v2"), gateway.logs)
