"""Compiled pipelines as an engine outside this process takes them: with our image, Secret, nodes and resources inside."""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.utils import quantity

from homeostat.engines.pipelines import Attempt, parameters
from homeostat.reconcile.errors import InvalidSpec
from homeostat.settings import NodePool

SECRET = "homeostat-platform"  # noqa: S105 - the name of a Secret
SECRET_KEYS = (
    "HOMEOSTAT_S3_ENDPOINT",
    "HOMEOSTAT_S3_ACCESS_KEY",
    "HOMEOSTAT_S3_SECRET_KEY",
    "HOMEOSTAT_S3_BUCKET",
    "HOMEOSTAT_ONLINE_STORE_URL",
    "HOMEOSTAT_FEAST_REGISTRY_URL",
)
"""What the steps need to know of the platform."""

IMAGE = "homeostat/pipelines"
"""Image that the compiled packages name; the platform's own takes its place."""

GIGA = 10**9


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        name: Its name.
        digest: Digest of its text.
        spec: Its pipeline spec.
    """

    name: str
    digest: str
    spec: dict[str, Any]

    def arguments(self, attempt: Attempt) -> dict[str, Any]:
        """Values of the declared inputs.

        Raises:
            InvalidSpec: A parameter is unknown, or its text is not of its type.
        """
        declared = self.spec["root"]["inputDefinitions"]["parameters"]
        own = {"job": attempt.document.model_dump_json(by_alias=True), "pipeline_digest": self.digest}
        return {**own, **parameters.arguments(declared, attempt.document.parameters)}


def load(folder: Path, name: str) -> Package:
    """The compiled pipeline of that name.

    Raises:
        InvalidSpec: There is none.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
        raise InvalidSpec(f"spec.pipeline.name {name!r} is unknown; use one of {known}")
    content = path.read_bytes()
    return Package(name, f"sha256:{hashlib.sha256(content).hexdigest()}", yaml.safe_load(content))


def rendered(package: Package, attempt: Attempt) -> str:
    """The package for one attempt: pipeline spec and platform spec, equal whenever image, nodes and resources are.

    Raises:
        InvalidSpec: The node pool asks for what a package cannot say.
    """
    if attempt.pool is not None and attempt.pool.tolerations:
        raise InvalidSpec(
            f"spec.placement.nodePool {attempt.resource.spec.placement.node_pool!r} has tolerations, which Kubeflow "
            "Pipelines 2.0 cannot set; use spec.engine Local, or a pool without taints"
        )
    spec = copy.deepcopy(package.spec)
    executors = spec["deploymentSpec"]["executors"]
    for executor in executors.values():
        container = executor["container"]
        if container["image"] == IMAGE:
            container["image"] = attempt.document.image
        container["resources"] = _resources(attempt)
    platform = dict.fromkeys(executors, _platform(attempt.pool))
    documents = [spec, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": platform}}}}]
    return yaml.safe_dump_all(copy.deepcopy(documents), sort_keys=True)


def _platform(pool: NodePool | None) -> dict[str, Any]:
    keys = [{"secretKey": key, "envVar": key} for key in SECRET_KEYS]
    said: dict[str, Any] = {"secretAsEnv": [{"secretName": SECRET, "keyToEnv": keys}]}
    if pool is not None and pool.node_selector:
        said["nodeSelector"] = {"labels": dict(pool.node_selector)}
    return said


def _resources(attempt: Attempt) -> dict[str, Any]:
    asked, spec = attempt.resources, attempt.resource.spec
    said: dict[str, Any] = {}
    for amounts, kind in ((asked.requests, "Request"), (asked.limits, "Limit")):
        if "cpu" in amounts:
            said[f"cpu{kind}"] = _number(amounts["cpu"])
        if "memory" in amounts:
            said[f"memory{kind}"] = _number(amounts["memory"]) / GIGA
    if spec.placement.gpus_per_node:
        name = attempt.pool.resource_name if attempt.pool else NodePool().resource_name
        said["accelerator"] = {"type": name, "count": str(spec.placement.gpus_per_node)}
    return said


def _number(amount: str) -> float:
    parse: Any = quantity.parse_quantity  # the client has no types there
    return float(parse(amount))
