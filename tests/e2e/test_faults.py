"""The loop under faults: operators killed in mid-work, Prometheus and the object store gone, a model that cannot start."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from minio import Minio

from cluster.settings import REPOSITORY
from demo.release import NAMESPACE, SYSTEM, Platform
from demo.story import condition, field
from e2e.watching import Watch

SAMPLES = REPOSITORY / "manifests" / "samples" / "churn"
Object = dict[str, Any]

pytestmark = pytest.mark.usefixtures("story")


def _sample(name: str) -> Object:
    return dict(yaml.safe_load((SAMPLES / name).read_text()))


def _apply(platform: Platform, document: Object) -> None:
    platform.kubectl("-n", NAMESPACE, "apply", "-f", "-", text=yaml.safe_dump(document))


def _training(name: str, model: str, seed: int = 1) -> Object:
    job = _sample("20-trainingjob.yaml")
    job["metadata"]["name"] = name
    job["spec"] |= {"output": {"model": model}, "seed": seed}
    return job


def _succeeded(thing: Object) -> bool:
    return condition(thing, "Succeeded").get("status") == "True"


def _kill(platform: Platform, operator: str) -> None:
    """SIGKILL: a pod deleted without grace gets no chance to tidy up."""
    label = f"app.kubernetes.io/component=operator-{operator}"
    platform.kubectl("-n", SYSTEM, "delete", "pod", "-l", label, "--grace-period=0", "--force")


def _jobs(platform: Platform, parent: str, purpose: str) -> list[str]:
    selector = f"homeostat.dev/name={parent},homeostat.dev/purpose={purpose}"
    return [job["metadata"]["name"] for job in platform.listing("jobs", NAMESPACE, "-l", selector)]


def _scale(platform: Platform, name: str, replicas: int) -> None:
    platform.kubectl("-n", SYSTEM, "scale", f"deployment/{name}", f"--replicas={replicas}")
    condition_ = "--for=jsonpath={.status.readyReplicas}=1" if replicas else "--for=delete"
    if replicas:
        platform.kubectl("-n", SYSTEM, "wait", condition_, f"deployment/{name}", "--timeout=180s")
    else:
        label = f"app.kubernetes.io/component={name.removeprefix('homeostat-')}"
        platform.kubectl("-n", SYSTEM, "wait", condition_, "pod", "-l", label, "--timeout=180s")


def test_a_killed_training_operator_launches_nothing_twice(platform: Platform, watch: Watch) -> None:
    _apply(platform, _training("killed", "spare"))
    watch.until("the attempt is reserved", "trainingjob", "killed", lambda t: field(t, "status.attempt") == 1)
    _kill(platform, "trainingjob")
    watch.until("the run is seen", "trainingjob", "killed", lambda t: bool(field(t, "status.run.uid")))
    _kill(platform, "trainingjob")
    found = watch.until("training ends well", "trainingjob", "killed", _succeeded, seconds=420)
    assert field(found, "status.attempt") == 1
    assert _jobs(platform, "killed", "train") == ["killed-train-1"]
    assert field(found, "status.model.version") == "1", "registered once"


def test_a_killed_feature_operator_launches_nothing_twice(platform: Platform, watch: Watch) -> None:
    before = field(platform.get("featureset", "customers"), "status.run.number")
    request = str(time.time_ns())
    platform.kubectl(
        "-n", NAMESPACE, "annotate", "--overwrite", "featureset", "customers", f"homeostat.dev/materialize={request}"
    )
    watch.until("the run is reserved", "featureset", "customers", lambda f: field(f, "status.run.request") == request)
    _kill(platform, "featureset")
    found = watch.until(
        "the requested run ended well", "featureset", "customers",
        lambda f: field(f, "status.lastMaterialization.number") > before
        and condition(f, "Ready").get("status") == "True",
    )  # fmt: skip
    assert field(found, "status.failures") == 0


def test_a_killed_monitor_decides_nothing_twice(platform: Platform, watch: Watch) -> None:
    before = platform.get("monitor", "churn")
    _kill(platform, "monitor")
    watch.until(
        "judging goes on", "monitor", "churn",
        lambda m: [s.get("judgedThrough") for s in field(m, "status.signals")]
        != [s.get("judgedThrough") for s in field(before, "status.signals")],
    )  # fmt: skip
    asked = [job for job in platform.listing("trainingjobs") if job["spec"]["trigger"]["type"] == "Monitor"]
    assert len(asked) == 1
    assert field(platform.get("monitor", "churn"), "status.retrains") == 1


def test_no_request_fails_while_a_predictor_and_the_deployment_operator_are_killed(
    platform: Platform, watch: Watch, traffic: Callable[[], Object]
) -> None:
    start = traffic()["answered"]
    pods = platform.listing("pods", NAMESPACE, "-l", "app.kubernetes.io/component=predictor")
    victim = pods[0]["metadata"]["name"]
    platform.kubectl("-n", NAMESPACE, "delete", "pod", victim, "--wait=false")
    _kill(platform, "modeldeployment")
    watch.true("a thousand more customers are answered", lambda: traffic()["answered"] > start + 1000)
    watch.until(
        "the pod is replaced", "modeldeployment", "churn",
        lambda m: field(m, "status.replicas") == m["spec"]["realtime"]["replicas"],
    )  # fmt: skip


def test_without_prometheus_nothing_is_retrained_and_the_monitor_says_so(platform: Platform, watch: Watch) -> None:
    before = len(platform.listing("trainingjobs"))
    _scale(platform, "homeostat-prometheus", 0)
    try:
        watch.until(
            "the Monitor says that its data are missing", "monitor", "churn",
            lambda m: condition(m, "Ready").get("status") != "True" and "rometheus" in condition(m, "Ready")["message"],
        )  # fmt: skip
    finally:
        _scale(platform, "homeostat-prometheus", 1)
    watch.until("it recovers", "monitor", "churn", lambda m: condition(m, "Ready").get("status") == "True")
    assert len(platform.listing("trainingjobs")) == before


def test_without_the_object_store_a_featureset_says_so_and_recovers(platform: Platform, watch: Watch) -> None:
    _scale(platform, "homeostat-s3", 0)
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
        _scale(platform, "homeostat-s3", 1)
    watch.until(
        "it recovers", "featureset", "customers",
        lambda f: condition(f, "Ready").get("status") == "True" and condition(f, "Ready").get("reason") == "Materialized"
        and field(f, "status.failures") == 0,
    )  # fmt: skip


def test_a_version_that_cannot_start_is_rolled_back_while_the_stable_one_serves(
    platform: Platform, watch: Watch, traffic: Callable[[], Object]
) -> None:
    _apply(platform, _training("spare-second", "spare", seed=2))
    second = watch.until("training ends well", "trainingjob", "spare-second", _succeeded, seconds=420)
    version = field(second, "status.model.version")
    deployment = _sample("30-modeldeployment.yaml")
    deployment["metadata"]["name"] = "spare"
    deployment["spec"]["model"] = {"registered": {"name": "spare", "version": "1"}}
    deployment["spec"]["realtime"]["replicas"] = 1
    deployment["spec"]["promotion"] = {}
    deployment["spec"]["rollout"] = {"steps": [{"weight": 50, "hold": "5s"}], "progressDeadlineSeconds": 60}
    _apply(platform, deployment)
    watch.until("version 1 serves", "modeldeployment", "spare", lambda m: field(m, "status.stable.version") == "1")

    secret = platform.secret("homeostat-platform")
    bucket, _, prefix = field(second, "status.model.uri").removeprefix("s3://").partition("/")
    with platform.forward("homeostat-s3", 8333) as address:
        store = Minio(
            endpoint=address, secure=False,
            access_key=secret["HOMEOSTAT_S3_ACCESS_KEY"], secret_key=secret["HOMEOSTAT_S3_SECRET_KEY"],
        )  # fmt: skip
        store.remove_object(bucket_name=bucket, object_name=f"{prefix.rstrip('/')}/model.onnx")
    deployment["spec"]["model"]["registered"]["version"] = version
    _apply(platform, deployment)
    found = watch.until(
        "the version is rolled back", "modeldeployment", "spare",
        lambda m: any(h["version"] == version and h["outcome"] == "RolledBack" for h in field(m, "status.history") or []),
    )  # fmt: skip
    assert field(found, "status.stable.version") == "1"
    assert [t["version"] for t in field(found, "status.traffic")] == ["1"]
    reason = next(h["reason"] for h in field(found, "status.history") if h["outcome"] == "RolledBack")
    assert reason, "the reason is told"
    assert traffic()["answered"] > 0
    platform.kubectl("-n", NAMESPACE, "delete", "modeldeployment", "spare")
