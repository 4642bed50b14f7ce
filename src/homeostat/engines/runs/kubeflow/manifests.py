"""A package as an engine outside this process takes it: with our image, Secret, nodes and resources inside."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from homeostat.conventions import PLATFORM_SECRET
from homeostat.engines.runs import RunShape
from homeostat.engines.runs.packages import Package
from homeostat.reconcile.quantity import parse_quantity
from homeostat.settings import NodePool

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
"""Image that a package names for ours; the platform's own takes its place."""

GIGA = 10**9


def rendered(package: Package, image: str, shape: RunShape) -> str:
    """The package for one run: pipeline spec and platform spec, equal whenever package, image, nodes and resources are.

    What a step asks for by itself stays: image, resources, and what it asks of Kubernetes.
    """
    spec = copy.deepcopy(package.spec)
    platforms = copy.deepcopy(package.platforms)
    steps = platforms.setdefault("kubernetes", {}).setdefault("deploymentSpec", {}).setdefault("executors", {})
    for label, executor in spec["deploymentSpec"]["executors"].items():
        container = executor.get("container")
        if container is None:
            continue  # an importer, which has no container of its own
        if container["image"] == IMAGE:
            container["image"] = image
        container["resources"] = _understood(container.get("resources", {})) or _resources(shape)
        steps[label] = _placed(steps.get(label, {}), shape.pool)
    return yaml.safe_dump_all([spec, {"platforms": platforms}], sort_keys=True)


def _placed(own: Mapping[str, Any], pool: NodePool | None) -> dict[str, Any]:
    keys = [{"secretKey": key, "envVar": key} for key in SECRET_KEYS]
    config = {**own, "secretAsEnv": [*own.get("secretAsEnv", []), {"secretName": PLATFORM_SECRET, "keyToEnv": keys}]}
    if pool is not None and pool.node_selector:
        config["nodeSelector"] = {"labels": {**own.get("nodeSelector", {}).get("labels", {}), **pool.node_selector}}
    return config


def _understood(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Resources without the second spelling of each amount, which newer kfp writes beside the first and the backend 2.0 refuses."""
    return {
        name: _understood(value) if isinstance(value, dict) else value
        for name, value in resources.items()
        if not name.startswith("resource")
    }


def _resources(shape: RunShape) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    for amounts, kind in ((shape.resources.requests, "Request"), (shape.resources.limits, "Limit")):
        if "cpu" in amounts:
            resources[f"cpu{kind}"] = _number(amounts["cpu"])
        if "memory" in amounts:
            resources[f"memory{kind}"] = _number(amounts["memory"]) / GIGA
    if shape.gpus:
        name = shape.pool.resource_name if shape.pool else NodePool().resource_name
        resources["accelerator"] = {"type": name, "count": str(shape.gpus)}
    return resources


def _number(amount: str) -> float:
    return float(parse_quantity(amount))
