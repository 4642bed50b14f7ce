"""What the router reads of ModelDeployments and pods."""

from collections.abc import Mapping
from typing import Any

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus
from homeostat_services.router.state import PREDICTOR, Deployment, Pod, Share
from homeostat_services.router.targets import COMPONENTS

DEPLOYMENT = (API_VERSION, ModelDeployment.KIND)
POD = ("v1", "Pod")
POD_LABELS = {"app.kubernetes.io/component": (PREDICTOR, *COMPONENTS)}
"""Pods that serve or are scraped."""


def deployment_from(resource: Mapping[str, Any]) -> Deployment:
    """The traffic of a ModelDeployment, read from its status."""
    status = ModelDeploymentStatus.model_validate(resource.get("status") or {})
    meta = resource["metadata"]
    shares = tuple(Share(t.version, t.weight, t.mirror) for t in status.traffic)
    return Deployment(meta["namespace"], meta["name"], shares)


def pod_from(resource: Mapping[str, Any]) -> Pod | None:
    """A pod that runs; None before it has an address and after its end."""
    meta, status = resource["metadata"], resource.get("status") or {}
    if status.get("phase") != "Running" or not status.get("podIP"):
        return None
    labels = meta.get("labels") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        component=labels.get("app.kubernetes.io/component", ""),
        address=status["podIP"],
        ready=ready and not meta.get("deletionTimestamp"),
        deployment=labels.get("homeostat.dev/name", ""),
        version=labels.get("homeostat.dev/version", ""),
    )
