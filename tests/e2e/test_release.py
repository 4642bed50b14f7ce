"""The chart in the hands of those who run it: upgraded, taken back, uninstalled and installed again."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.platform.watching import Watch
from tools.demo import background
from tools.demo.release import CHART, GROUP_KINDS, NAMESPACE, RELEASE, SYSTEM, Platform, install, unready
from tools.demo.story import TRAFFIC, condition, field

Object = dict[str, Any]
RESTARTED = ("operators", "router", "gateway", "observer", "features", "console")
"""Parts whose pods the upgrade replaces: all that are ours."""

pytestmark = pytest.mark.usefixtures("story")


def _requests(platform: Platform, deployment: str) -> str:
    found = platform.get("deployment", deployment, SYSTEM)
    return str(field(found, "spec.template.spec.containers")[0]["resources"]["requests"]["cpu"])


def _revision(platform: Platform) -> int:
    history = platform.helm("history", RELEASE, "--namespace", SYSTEM, "--output", "json")
    return int(json.loads(history)[-1]["revision"])


def _settled(platform: Platform, watch: Watch) -> None:
    watch.true("every part is ready again", lambda: not unready(platform), seconds=300)


def _everything_is_ready(platform: Platform, watch: Watch) -> None:
    for kind in ("featureset", "modeldeployment", "monitor"):
        name = platform.listing(kind)[0]["metadata"]["name"]
        watch.until(f"{kind} is ready", kind, name, lambda o: condition(o, "Ready").get("status") == "True")


def test_an_upgrade_of_the_living_release_and_its_rollback_lose_no_request(
    platform: Platform, watch: Watch, traffic: Callable[[], Object]
) -> None:
    before, jobs = _revision(platform), len(platform.listing("trainingjobs"))
    changed = [word for part in RESTARTED for word in ("--set", f"{part}.resources.requests.cpu=26m")]
    platform.helm("upgrade", RELEASE, str(CHART), "--namespace", SYSTEM, "--reuse-values", *changed)
    _settled(platform, watch)
    assert _requests(platform, "homeostat-gateway") == "26m"
    platform.helm("rollback", RELEASE, str(before), "--namespace", SYSTEM)
    _settled(platform, watch)
    assert _requests(platform, "homeostat-gateway") != "26m"
    assert _revision(platform) == before + 2
    start = traffic()["answered"]
    watch.true("five hundred more customers are answered", lambda: traffic()["answered"] > start + 500)
    _everything_is_ready(platform, watch)
    assert len(platform.listing("trainingjobs")) == jobs, "nothing was launched again"


def test_prometheus_scrapes_every_part_of_the_platform(platform: Platform, watch: Watch) -> None:
    def components() -> set[str]:
        with platform.forward("homeostat-prometheus", 9090) as address, httpx.Client(trust_env=False) as client:
            answer = client.get(f"http://{address}/api/v1/query", params={"query": "up == 1"}).json()
        return {series["metric"].get("component", "predictor") for series in answer["data"]["result"]}

    kinds = ("featureset", "trainingjob", "modeldeployment", "monitor")
    wanted = {"predictor", "router", "gateway", "observer", "features", "console", *(f"operator-{k}" for k in kinds)}
    watch.true("every part answers Prometheus", lambda: components() >= wanted)


def test_kinds_objects_and_data_outlive_the_release_and_the_next_one_goes_on_with_them(
    platform: Platform, watch: Watch
) -> None:
    background.stop(platform.directory, TRAFFIC)
    deployment = platform.get("modeldeployment", "churn")
    stable, url = field(deployment, "status.stable"), field(deployment, "status.url")
    rows = field(platform.get("featureset", "customers"), "status.snapshot")
    claims = {claim["metadata"]["uid"] for claim in platform.listing("pvc", SYSTEM)}
    jobs = {job["metadata"]["uid"] for job in platform.listing("trainingjobs")}

    platform.helm("uninstall", RELEASE, "--namespace", SYSTEM, "--wait", "--timeout", "3m")
    assert platform.listing("deployments", SYSTEM) == []
    assert {claim["metadata"]["uid"] for claim in platform.listing("pvc", SYSTEM)} == claims
    for kind in GROUP_KINDS:
        assert platform.listing(kind), f"{kind} of {NAMESPACE} are still there"

    install(platform, platform.local.state / "images.yaml")
    _everything_is_ready(platform, watch)
    found = platform.get("modeldeployment", "churn")
    assert field(found, "status.stable") == stable
    assert field(platform.get("featureset", "customers"), "status.snapshot.digest") == rows["digest"]
    assert {job["metadata"]["uid"] for job in platform.listing("trainingjobs")} == jobs
    known = json.loads((platform.directory / "traffic.json").read_text())["groups"]["old"]
    customer = {"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": known[:1]}
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{url}/v2/models/churn/infer", json={"inputs": [customer]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_version"] == stable["version"]
