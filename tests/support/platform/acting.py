"""Doing things to real objects."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import yaml
from minio import Minio

from tools.cluster.settings import REPOSITORY
from tools.demo.release import NAMESPACE, SYSTEM, Platform

SAMPLES = REPOSITORY / "manifests" / "samples" / "churn"
Object = dict[str, Any]


def sample(name: str) -> Object:
    return dict(yaml.safe_load((SAMPLES / name).read_text()))


def training(name: str, model: str, seed: int = 1) -> Object:
    """The story's first training under another name, for another model."""
    job = sample("20-trainingjob.yaml")
    job["metadata"]["name"] = name
    job["spec"] |= {"output": {"model": model}, "seed": seed}
    return job


def apply(platform: Platform, document: Object) -> None:
    platform.kubectl("-n", NAMESPACE, "apply", "-f", "-", text=yaml.safe_dump(document))


def delete(platform: Platform, kind: str, name: str) -> None:
    """Returns once the object is gone; what it owned may outlive it for a while."""
    platform.kubectl("-n", NAMESPACE, "delete", kind, name, "--ignore-not-found", "--timeout=120s")


def put_spec(platform: Platform, kind: str, name: str, spec: Object) -> None:
    """Replaces a spec as a whole, so that nothing of the one before stays."""
    change = json.dumps([{"op": "replace", "path": "/spec", "value": spec}])
    platform.kubectl("-n", NAMESPACE, "patch", kind, name, "--type=json", "-p", change)


@contextmanager
def borrowed(platform: Platform, kind: str, name: str) -> Iterator[Object]:
    """A copy of the object as it is, which afterwards has exactly this spec again."""
    found = platform.get(kind, name)
    assert found is not None, f"{kind}/{name} does not exist"
    try:
        yield copy.deepcopy(found)
    finally:
        put_spec(platform, kind, name, found["spec"])


@contextmanager
def missing(platform: Platform, uri: str) -> Iterator[None]:
    """Takes an object out of the object store for the time of a block."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    secret = platform.secret("homeostat-platform")
    with platform.forward("homeostat-s3", 8333) as address:
        store = Minio(
            endpoint=address, secure=False,
            access_key=secret["HOMEOSTAT_S3_ACCESS_KEY"], secret_key=secret["HOMEOSTAT_S3_SECRET_KEY"],
        )  # fmt: skip
        content = store.get_object(bucket_name=bucket, object_name=key).data
        store.remove_object(bucket_name=bucket, object_name=key)
        try:
            yield
        finally:
            store.put_object(bucket_name=bucket, object_name=key, data=BytesIO(content), length=len(content))


def sigkill(platform: Platform, namespace: str, label: str) -> None:
    """SIGKILL: a pod deleted without grace gets no chance to tidy up."""
    platform.kubectl("-n", namespace, "delete", "pod", "-l", label, "--grace-period=0", "--force")


def kill(platform: Platform, operator: str) -> None:
    """SIGKILL for one of our operators."""
    sigkill(platform, SYSTEM, f"app.kubernetes.io/component=operator-{operator}")


def scale(platform: Platform, name: str, replicas: int) -> None:
    """Gives a part of the platform that many pods, and waits for them, or for the last one's end."""
    platform.kubectl("-n", SYSTEM, "scale", f"deployment/{name}", f"--replicas={replicas}")
    condition = "--for=jsonpath={.status.readyReplicas}=1" if replicas else "--for=delete"
    if replicas:
        platform.kubectl("-n", SYSTEM, "wait", condition, f"deployment/{name}", "--timeout=180s")
    else:
        label = f"app.kubernetes.io/component={name.removeprefix('homeostat-')}"
        platform.kubectl("-n", SYSTEM, "wait", condition, "pod", "-l", label, "--timeout=180s")


def runs(platform: Platform, parent: str, purpose: str, kind: str = "jobs") -> list[str]:
    """Names of the Jobs, or of the pods, of an object's runs."""
    selector = f"homeostat.dev/name={parent},homeostat.dev/purpose={purpose}"
    return [run["metadata"]["name"] for run in platform.listing(kind, NAMESPACE, "-l", selector)]
