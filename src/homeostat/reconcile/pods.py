"""What a pod complains about, in one line for people; pure."""

from collections.abc import Mapping
from typing import Any

HARMLESS = frozenset({"ContainerCreating", "PodInitializing"})


def trouble(pod: Mapping[str, Any]) -> str:
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


def _container_trouble(container: Mapping[str, Any]) -> str:
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
