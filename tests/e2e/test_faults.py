"""The loop while its parts are gone: Prometheus, the object store, a predictor, an operator."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from support.platform.acting import kill, scale
from support.platform.watching import Watch
from tools.demo.release import NAMESPACE, Platform
from tools.demo.story import condition, field

Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("story")


def test_a_killed_feature_operator_launches_nothing_twice(platform: Platform, watch: Watch) -> None:
    before = field(platform.get("featureset", "customers"), "status.run.number")
    request = str(time.time_ns())
    platform.kubectl(
        "-n", NAMESPACE, "annotate", "--overwrite", "featureset", "customers", f"homeostat.dev/materialize={request}"
    )
    watch.until("the run is reserved", "featureset", "customers", lambda f: field(f, "status.run.request") == request)
    kill(platform, "featureset")
    found = watch.until(
        "the requested run ended well", "featureset", "customers",
        lambda f: field(f, "status.lastMaterialization.number") > before
        and condition(f, "Ready").get("status") == "True",
    )  # fmt: skip
    assert field(found, "status.failures") == 0


def test_no_request_fails_while_a_predictor_and_the_deployment_operator_are_killed(
    platform: Platform, watch: Watch, traffic: Callable[[], Object]
) -> None:
    start = traffic()["answered"]
    pods = platform.listing("pods", NAMESPACE, "-l", "app.kubernetes.io/component=predictor")
    victim = pods[0]["metadata"]["name"]
    platform.kubectl("-n", NAMESPACE, "delete", "pod", victim, "--wait=false")
    kill(platform, "modeldeployment")
    watch.true("a thousand more customers are answered", lambda: traffic()["answered"] > start + 1000)
    watch.until(
        "the pod is replaced", "modeldeployment", "churn",
        lambda m: field(m, "status.replicas") == m["spec"]["realtime"]["replicas"],
    )  # fmt: skip


def test_without_prometheus_nothing_is_retrained_and_the_monitor_says_so(platform: Platform, watch: Watch) -> None:
    before = len(platform.listing("trainingjobs"))
    scale(platform, "homeostat-prometheus", 0)
    try:
        watch.until(
            "the Monitor says that its data are missing", "monitor", "churn",
            lambda m: condition(m, "Ready").get("status") != "True" and "rometheus" in condition(m, "Ready")["message"],
        )  # fmt: skip
    finally:
        scale(platform, "homeostat-prometheus", 1)
    watch.until("it recovers", "monitor", "churn", lambda m: condition(m, "Ready").get("status") == "True")
    assert len(platform.listing("trainingjobs")) == before


def test_without_the_object_store_a_featureset_says_so_and_recovers(platform: Platform, watch: Watch) -> None:
    scale(platform, "homeostat-s3", 0)
    platform.kubectl(
        "-n", NAMESPACE, "annotate", "--overwrite", "featureset", "customers",
        f"homeostat.dev/materialize={time.time_ns()}",
    )  # fmt: skip
    try:
        watch.until(
            "the FeatureSet says what is missing", "featureset", "customers",
            lambda f: any(
                c["reason"] in {"SourceUnavailable", "EngineUnavailable"} for c in field(f, "status.conditions")
            ),
        )  # fmt: skip
    finally:
        scale(platform, "homeostat-s3", 1)
    watch.until(
        "it recovers", "featureset", "customers",
        lambda f: condition(f, "Ready").get("status") == "True" and condition(f, "Ready").get("reason") == "Materialized"
        and field(f, "status.failures") == 0,
    )  # fmt: skip
