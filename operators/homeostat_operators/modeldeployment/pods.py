"""What a Deployment and its pods say about a version, in one line for people; pure."""

from collections.abc import Iterable
from typing import Any

from homeostat.reconcile.names import VERSION_LABEL
from homeostat_operators.modeldeployment.observed import Serving

Manifest = dict[str, Any]

HARMLESS = frozenset({"ContainerCreating", "PodInitializing"})


def serving(deployment: Manifest, pods: list[Manifest], services: Iterable[str]) -> Serving:
    """The state of one version.

    Args:
        deployment: Its Deployment.
        pods: Its pods.
        services: Versions that have a Service.
    """
    meta, status = deployment["metadata"], deployment.get("status", {})
    desired = int(deployment.get("spec", {}).get("replicas", 1))
    updated, total = int(status.get("updatedReplicas", 0)), int(status.get("replicas", 0))
    return Serving(
        desired=desired,
        ready=int(status.get("readyReplicas", 0)),
        current=int(status.get("observedGeneration", 0)) >= int(meta.get("generation", 0))
        and total == updated >= desired,
        has_service=meta["labels"][VERSION_LABEL] in services,
        trouble=next((told for told in map(_trouble, pods) if told), ""),
    )


def _trouble(pod: Manifest) -> str:
    """The first complaint of a pod; empty when it has none."""
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    for condition in status.get("conditions", []):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"pod {name} cannot be scheduled: {condition.get('message', condition.get('reason', ''))}"
    for container in status.get("containerStatuses", []):
        told = _container_trouble(container)
        if told:
            return f"pod {name}: {told}"
    return ""


def _container_trouble(container: Manifest) -> str:
    state, last = container.get("state", {}), container.get("lastState", {}).get("terminated")
    waiting, ended = state.get("waiting"), state.get("terminated") or last
    crash = f"it ended with exit code {ended.get('exitCode')} ({ended.get('reason', 'Error')})" if ended else ""
    if waiting and waiting.get("reason") not in HARMLESS:
        message = crash or waiting.get("message", "")
        return f"{waiting.get('reason')}, {message}".rstrip(", ")
    if crash:
        return crash
    if state.get("running") and not container.get("ready", False):
        return "its readiness probe does not succeed yet"
    return ""
