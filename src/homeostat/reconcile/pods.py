"""What a pod shows about its run: why it cannot start, why it failed, and since when it could run; pure.

Times are those of the pod's own status. A pod has a ``startTime`` once a kubelet has acknowledged it, so not while it waits
for a node: ``activeDeadlineSeconds`` of a pod, unlike that of a Job, counts from there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

HARMLESS = frozenset({"ContainerCreating", "PodInitializing"})
OUT_OF_MEMORY = "OOMKilled"
EVICTED = "Evicted"
UNSCHEDULED = "FailedScheduling"

_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)


@dataclass(frozen=True)
class PodFailure:
    """Why a pod failed.

    Attributes:
        reason: In a word, as Kubernetes has it: OOMKilled, Evicted, DeadlineExceeded, Error, ….
        message: As a sentence that names the pod and, where one is to blame, the container.
    """

    reason: str
    message: str


def failure_message(pod: Mapping[str, Any], warnings: Iterable[Mapping[str, Any]] = ()) -> str:
    """Why a pod cannot start or does not become ready, in one line; empty while all is well.

    Args:
        pod: The pod.
        warnings: Events of type Warning; those about this pod count where its status explains nothing.
    """
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    unscheduled = _unscheduled(pod)
    if unscheduled is not None:
        return f"pod {name} cannot be scheduled: {unscheduled.get('message', unscheduled.get('reason', ''))}"
    messages = (
        *map(_init_message, status.get("initContainerStatuses", [])),
        *map(_container_message, status.get("containerStatuses", [])),
        newest_message(warnings, pod["metadata"].get("uid", "")) if _is_pending(pod) else "",
    )
    return next((f"pod {name}: {message}" for message in messages if message), "")


def is_unexplained(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has a node, does not run, and its status does not say why: only Events can."""
    return _is_pending(pod) and not failure_message(pod)


def newest_message(warnings: Iterable[Mapping[str, Any]], uid: str) -> str:
    """What the newest of the Events about an object says; empty without one.

    That a pod could not be scheduled is left out: its status says so as long as it is true.
    """
    about = (one for one in warnings if one["involvedObject"].get("uid") == uid and one.get("reason") != UNSCHEDULED)
    newest = max(about, key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "", default={})
    return str(newest.get("message", "")).strip().rstrip(".")


def is_waiting(pod: Mapping[str, Any]) -> bool:
    """Whether a pod waits for a node."""
    return _unscheduled(pod) is not None


def start_time(pod: Mapping[str, Any]) -> datetime | None:
    """When a kubelet acknowledged a pod; None while it waits for a node."""
    text = pod.get("status", {}).get("startTime")
    return _TIME.validate_python(text) if text else None


def seconds_unscheduled(pod: Mapping[str, Any]) -> float:
    """How long a pod that has a node waited for it; 0 for one that still waits, or does not say."""
    created = pod["metadata"].get("creationTimestamp")
    scheduled = next((c for c in _conditions(pod, "PodScheduled") if c.get("status") == "True"), None)
    if not created or scheduled is None or "lastTransitionTime" not in scheduled:
        return 0
    return (_TIME.validate_python(scheduled["lastTransitionTime"]) - _TIME.validate_python(created)).total_seconds()


def failure(pod: Mapping[str, Any]) -> PodFailure | None:
    """Why a pod failed; None for one that did not."""
    status, name = pod.get("status", {}), pod["metadata"]["name"]
    if status.get("phase") != "Failed":
        return None
    if status.get("reason"):  # of the whole pod: the kubelet ended it
        message = str(status.get("message", "")).strip().rstrip(".")
        return PodFailure(status["reason"], f"pod {name} was terminated: {message or status['reason']}")
    for container in status.get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated", {})
        if ended.get("exitCode", 0) != 0 or ended.get("reason") == OUT_OF_MEMORY:
            return _container_failure(name, container["name"], ended, pod)
    disrupted = next((c for c in _conditions(pod, "DisruptionTarget") if c.get("status") == "True"), None)
    if disrupted is not None:
        return PodFailure(
            disrupted.get("reason", EVICTED), f"pod {name} was terminated: {disrupted.get('message', '')}"
        )
    return PodFailure("Error", f"pod {name} failed without a reported reason")


def _container_failure(pod: str, container: str, ended: Mapping[str, Any], manifest: Mapping[str, Any]) -> PodFailure:
    where = f"container {container} of pod {pod}"
    if ended.get("reason") == OUT_OF_MEMORY:
        limit = _memory_limit(manifest, container)
        return PodFailure(OUT_OF_MEMORY, f"{where} used more memory than its limit{f' of {limit}' if limit else ''}")
    reason = ended.get("reason", "Error")
    words = str(ended.get("message", "")).strip()
    return PodFailure(reason, f"{where} ended with exit code {ended.get('exitCode')}{f': {words}' if words else ''}")


def _memory_limit(pod: Mapping[str, Any], name: str) -> str:
    containers = pod.get("spec", {}).get("containers", [])
    limits = (one.get("resources", {}).get("limits", {}) for one in containers if one.get("name") == name)
    return next((str(limit["memory"]) for limit in limits if "memory" in limit), "")


def _unscheduled(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((c for c in _conditions(pod, "PodScheduled") if c.get("status") == "False"), None)


def _conditions(pod: Mapping[str, Any], type_: str) -> list[Mapping[str, Any]]:
    return [condition for condition in pod.get("status", {}).get("conditions", []) if condition.get("type") == type_]


def _is_pending(pod: Mapping[str, Any]) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Pending")


def _init_message(container: Mapping[str, Any]) -> str:
    """What holds up a container that runs before the others; one that runs, or is done, does not."""
    state = container.get("state", {})
    is_done = state.get("terminated", {}).get("exitCode") == 0
    return "" if is_done or state.get("running") else _container_message(container)


def _container_message(container: Mapping[str, Any]) -> str:
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
