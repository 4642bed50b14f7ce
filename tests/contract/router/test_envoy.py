"""The router against a real Envoy: the promise is that no request fails, whatever changes."""

import asyncio
import time
from dataclasses import replace
from functools import partial

import httpx

from contract.router.gateway import Gateway, Traffic, answered, traffic, until


def _more(seen: Traffic, total: int) -> bool:
    return seen.total >= total


def _answered(seen: Traffic, pod: str) -> bool:
    return seen.answers[pod] > 5


async def test_requests_are_split_by_weight_and_rewritten(gateway: Gateway) -> None:
    gateway.split(v1=75, v2=25)
    await answered(gateway, lambda response: response.text.startswith("v2"))
    async with traffic(gateway) as seen:
        await until(lambda: seen.total >= 1500, gateway.logs)
    assert not seen.failures
    share = sum(n for name, n in seen.answers.items() if name.startswith("v2")) / seen.answers.total()
    assert 0.19 < share < 0.31  # 5 standard errors


async def test_no_request_fails_while_weights_versions_and_pods_change_many_times(gateway: Gateway) -> None:
    async with traffic(gateway) as seen:
        for turn in range(40):
            weight = (10, 50, 90)[turn % 3]
            gateway.split(v1=100 - weight, v2=weight)
            await asyncio.sleep(0)
            name = f"v2-{1 + turn % 2}"
            gateway.pods[name] = replace(gateway.pods[name], ready=turn % 4 != 0)
            gateway.publish()
            reached = seen.total
            await until(partial(_more, seen, reached + 20), gateway.logs)
            if turn % 5 == 0:
                gateway.split(v1=100)
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def test_no_request_fails_when_a_new_version_appears_and_takes_everything_at_once(gateway: Gateway) -> None:
    async with traffic(gateway) as seen:
        for number in range(10):
            version = f"new{number}"
            gateway.add_pod(f"{version}-1", version, ready=False)
            await answers_directly(gateway.pods[f"{version}-1"].port)
            gateway.pods[f"{version}-1"] = replace(gateway.pods[f"{version}-1"], ready=True)
            gateway.split(**{version: 100})
            await until(partial(_answered, seen, f"{version}-1"), gateway.logs)
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def answers_directly(port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(500):
            try:
                await client.post(f"http://127.0.0.1:{port}/", content=b"")
            except httpx.HTTPError:
                await asyncio.sleep(0.02)
            else:
                return
    raise AssertionError(f"nothing answers at port {port}")


async def test_no_request_fails_when_a_pod_is_killed_before_anyone_has_noticed(gateway: Gateway) -> None:
    async with traffic(gateway) as seen:
        gateway.kill("v1-1")
        killed = time.monotonic()
        await until(lambda: seen.since(killed)["v1-2"] >= 300, gateway.logs)
        gateway.pods.pop("v1-1")
        gateway.publish()
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def test_a_version_without_a_ready_pod_receives_nothing_while_another_has_one(gateway: Gateway) -> None:
    gateway.split(v1=50, v2=50)
    await answered(gateway, lambda response: response.text.startswith("v2"))
    async with traffic(gateway) as seen:
        for name in ("v2-1", "v2-2"):
            gateway.pods[name] = replace(gateway.pods[name], ready=False)
        gateway.publish()
        await until(lambda: all(name.startswith("v1") for _, name in seen.by_time[-100:]), gateway.logs)
        for name in ("v2-1", "v2-2"):
            gateway.kill(name)
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def test_no_request_fails_while_the_router_is_gone_and_it_takes_over_again_when_it_is_back(
    gateway: Gateway,
) -> None:
    async with traffic(gateway) as seen:
        gateway.kill("router")
        gone = time.monotonic()
        gateway.split(v2=100)
        await until(lambda: seen.since(gone).total() >= 200, gateway.logs)
        assert not any(name.startswith("v2") for name in seen.since(gone))
        gateway.start_router()
        await until(lambda: all(name.startswith("v2") for _, name in seen.by_time[-50:]), gateway.logs)
    assert not seen.failures, f"{seen.failures[:3]} of {seen.total}\n{gateway.logs()}"


async def test_an_unknown_path_is_refused_with_the_form_of_the_right_one(gateway: Gateway) -> None:
    response = await answered(gateway, lambda _: True, "/churn/unknown/v2/models/unknown/infer")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert "/<namespace>/<deployment>/v2/models/<deployment>/infer" in response.json()["error"]


async def test_a_deployment_without_a_version_in_service_says_so(gateway: Gateway) -> None:
    gateway.deployments["later"] = []
    gateway.publish()
    response = await answered(gateway, lambda answer: answer.status_code == 503, "/churn/later/v2/models/later/infer")
    assert "churn/later has no version in service yet" in response.json()["error"]


async def test_only_readiness_and_metrics_of_the_admin_interface_leave_the_pod(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.status_port}", trust_env=False) as client:
        assert (await client.get("/ready")).text.strip() == "LIVE"
        assert "envoy_cluster_upstream_rq" in (await client.get("/stats/prometheus")).text
        assert (await client.post("/quitquitquit")).status_code == 404


async def test_a_draining_gateway_still_answers_and_asks_clients_to_leave(gateway: Gateway) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        drain = f"http://127.0.0.1:{gateway.admin_port}/drain_listeners?graceful&skip_exit"
        assert (await client.post(drain)).status_code == 200
    response = await answered(gateway, lambda answer: answer.status_code == 200)
    assert response.headers["connection"] == "close"
