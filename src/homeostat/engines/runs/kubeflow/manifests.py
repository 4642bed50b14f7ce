"""A package as an engine outside this process takes it: with our image, Secret, nodes and resources inside."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from homeostat.api.v1alpha1.pods import PodTemplate
from homeostat.api.v1alpha1.trainingjob import Placement
from homeostat.conventions import PLATFORM_SECRET, PROXY_VARIABLES
from homeostat.engines.runs import RunShape
from homeostat.engines.runs.packages import Package
from homeostat.pod_settings import NodePool
from homeostat.reconcile.errors import InvalidSpec
from homeostat.reconcile.quantity import parse_quantity
from homeostat.settings import FeastSettings, OnlineStoreSettings, S3Settings, variable

SECRET_KEYS = (
    *(
        variable(settings, field)
        for settings in (S3Settings, OnlineStoreSettings, FeastSettings)
        for field in settings.model_fields
    ),
    *PROXY_VARIABLES,
)
"""What the steps need to know of the platform. The chart's Secret has every key, empty where there is nothing to say: version
2.0 of the backend knows no optional key, and a step that demands an absent one never starts."""

IMAGE = "homeostat/pipelines"
"""Image that a package names for ours; the platform's own takes its place."""

GIGA = 10**9


def check_placement(placement: Placement, pool: NodePool | None) -> None:
    """Refuses what version 2.0 of the backend cannot set for a step.

    Raises:
        InvalidSpec: The placement or its node pool asks for it.
    """
    if pool is not None and pool.tolerations:
        raise InvalidSpec(
            f"spec.placement.nodePool {placement.node_pool!r} has tolerations, which Kubeflow "
            "Pipelines 2.0 cannot set; use spec.engine Local, or a pool without taints"
        )
    template = placement.pod_template or PodTemplate()
    requested = {
        "metadata.labels": template.metadata.labels,
        "metadata.annotations": template.metadata.annotations,
        "spec.tolerations": template.spec.tolerations,
        "spec.priorityClassName": template.spec.priority_class_name,
        "spec.imagePullSecrets": template.spec.image_pull_secrets,
    }
    if unmet := [field for field, value in requested.items() if value]:
        raise InvalidSpec(
            f"spec.placement.podTemplate.{unmet[0]} is given, which Kubeflow Pipelines 2.0 cannot set; remove it, or use "
            "spec.engine Local"
        )


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
        steps[label] = _placed(steps.get(label, {}), shape.pod_template)
    return yaml.safe_dump_all([spec, {"platforms": platforms}], sort_keys=True)


def _placed(own: Mapping[str, Any], template: PodTemplate | None) -> dict[str, Any]:
    keys = [{"secretKey": key, "envVar": key} for key in SECRET_KEYS]
    config = {**own, "secretAsEnv": [*own.get("secretAsEnv", []), {"secretName": PLATFORM_SECRET, "keyToEnv": keys}]}
    selector = template.spec.node_selector if template else {}
    if selector:
        config["nodeSelector"] = {"labels": {**own.get("nodeSelector", {}).get("labels", {}), **selector}}
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
        resources["accelerator"] = {"type": shape.accelerator, "count": str(shape.gpus)}
    return resources


def _number(amount: str) -> float:
    return float(parse_quantity(amount))
