"""What a run of Kubeflow Pipelines says, and what its Workflow and pods say beyond that; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog
from pydantic import TypeAdapter

from homeostat.api.v1alpha1.trainingjob import Step, StepState
from homeostat.engines.runs import Owner, RunState, run_name
from homeostat.reconcile import pods
from homeostat.settings import KubeflowSettings

RUN_LABEL = "pipeline/runid"
STEP_ANNOTATION = "workflows.argoproj.io/node-name"
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
ACTIVE_STATES = frozenset({"RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "PAUSED", "CANCELING"})
CANCELED = "Canceled"
STEPS_LIMIT = 64

_NAMED = re.compile(r"^(?P<namespace>[^/ ]*)/(?P<name>\S+) (?P<uid>\S+)/(?P<number>[0-9]+)$")
_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)
_NEVER = 1970
_STATES = {
    "PENDING": StepState.PENDING,
    "RUNNING": StepState.RUNNING,
    "SUCCEEDED": StepState.SUCCEEDED,
    "FAILED": StepState.FAILED,
    "ERROR": StepState.FAILED,
    "SKIPPED": StepState.SKIPPED,
}
# A step in a loop has one name and several states: the one that people must see.
_LOUDER = (StepState.SUCCEEDED, StepState.SKIPPED, StepState.PENDING, StepState.RUNNING, StepState.FAILED)

log = structlog.get_logger(__name__)


def display_name(owner: Owner, purpose: str, number: int) -> str:
    """What a run is called: for people first, then for us."""
    return f"{owner.metadata.namespace}/{run_name(owner, purpose, number)} {owner.metadata.uid}/{number}"


def is_named_for(display: str, owner: Owner, purpose: str) -> bool:
    """Whether a display name is that of a run of the owner for the purpose, whatever its number."""
    named = _NAMED.match(display)
    return named is not None and display == display_name(owner, purpose, int(named["number"]))


def run_state(run: Mapping[str, Any], settings: KubeflowSettings) -> RunState:
    """A run as the backend has it."""
    named = _NAMED.match(run["display_name"])
    state = run.get("state", "RUNTIME_STATE_UNSPECIFIED")
    if state not in ENDED | ACTIVE_STATES:
        log.warning("an unknown state is treated as running", run=run["run_id"], state=state)
    ui = settings.ui_url.rstrip("/")
    known = RunState(
        name=named["name"] if named else run["display_name"],
        number=int(named["number"]) if named else 0,
        uid=run["run_id"],
        owner=named["uid"] if named else "",
        namespace=named["namespace"] if named else "",
        deleting=state == "CANCELING",
        start=_TIME.validate_python(run["created_at"]),
        document=str((run.get("runtime_config") or {}).get("parameters", {}).get("job", "")),
        url=f"{ui}/#/runs/details/{run['run_id']}" if ui else "",
        logs=f"kubectl logs -n {settings.namespace} -l {RUN_LABEL}={run['run_id']} -c main --prefix --tail=-1",
        steps=_steps((run.get("run_details") or {}).get("task_details", [])),
    )
    if state not in ENDED:
        return known
    canceled = state == "CANCELED" or any(past.get("state") == "CANCELING" for past in run.get("state_history", []))
    return _ended(known, _time(run.get("finished_at")), _failure_reason(state, canceled=canceled))


def with_workflow(run: RunState, workflow: Mapping[str, Any]) -> RunState:
    """The run with what its Workflow, if it has one, knows already, while the backend's own record of it lags."""
    status = workflow.get("status", {})
    phase = status.get("phase", "")
    nodes = status.get("nodes", {}).values()
    run = replace(run, steps=_steps(map(_task, nodes)) or run.steps)
    canceled = workflow.get("spec", {}).get("activeDeadlineSeconds") == 0  # how the backend terminates
    if phase not in {"Succeeded", "Failed", "Error"}:
        return replace(run, deleting=True) if canceled and not run.finished else run
    why = _messages(nodes, "Failed", "Error")
    return _ended(run, run.end or _time(status.get("finishedAt")), _failure_reason(phase, canceled=canceled), why)


def _without_pod(workflow: Mapping[str, Any], found: Iterable[Mapping[str, Any]]) -> str:
    """Which step has no pod yet, and why: a quota, a policy or a webhook.

    Of a step that has a pod, Argo repeats the pod's own state, which is no obstacle while it only starts.
    """
    have = set(map(_node_name, found))
    nodes = workflow.get("status", {}).get("nodes", {}).values()
    obstacles = _messages((node for node in nodes if node.get("name") not in have), "Pending")
    return next((f"step {step} cannot start: {message}" for step, message in obstacles.items()), "")


def _messages(nodes: Iterable[Mapping[str, Any]], *phases: str) -> dict[str, str]:
    """Messages of a Workflow's nodes in these phases, by the step's name."""
    found = ((_step_name(node.get("name", "")), str(node.get("message", "")).rstrip("."), node) for node in nodes)
    return {step: message for step, message, node in found if message and node.get("phase") in phases}


def _node_name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("annotations", {}).get(STEP_ANNOTATION, ""))


def _step_name(node: str) -> str:
    """The step of a node, by the node's full name: `tabular-x1.root.train.executor` is the pod of `train`."""
    return node.removesuffix(".executor").rpartition(".")[2]


def with_pods(
    run: RunState,
    found: Iterable[Mapping[str, Any]],
    warnings: Iterable[Mapping[str, Any]],
    workflow: Mapping[str, Any],
) -> RunState:
    """The run with what its pods show: a step that cannot start, and the time that its steps waited for nodes.

    Its Workflow shows which step may get no pod at all.

    That time does not count against the deadline, and while a step waits the deadline stands still. Steps that wait side by
    side count each for itself, so that a deadline is rather late than early.
    """
    ours = list(found)
    waited = timedelta(seconds=sum(map(pods.seconds_unscheduled, ours)))
    return replace(
        run,
        failure_message=failure_message(ours, list(warnings)) or _without_pod(workflow, ours),
        waiting=any(map(pods.is_waiting, ours)),
        start=run.start + waited if run.start else None,
    )


def failure_message(found: Iterable[Mapping[str, Any]], warnings: Iterable[Mapping[str, Any]] = ()) -> str:
    """Which step of a run cannot start by its pods, and why; empty when all can."""
    for pod in found:
        message = pods.failure_message(pod, warnings) if pod.get("status", {}).get("phase") == "Pending" else ""
        if message:
            step = _step_name(_node_name(pod))
            return f"step {step or pod['metadata']['name']} cannot start: {message}"
    return ""


def _failure_reason(state: str, *, canceled: bool) -> str:
    """Why a run did not end well, in a word; empty if it did."""
    if state.upper() == "SUCCEEDED":
        return ""
    return CANCELED if canceled else state.capitalize()


def _ended(run: RunState, end: datetime | None, reason: str, why: Mapping[str, str] = MappingProxyType({})) -> RunState:
    message = ""
    if reason == CANCELED:
        message = "it was terminated in Kubeflow Pipelines"
    elif reason:
        failed = [step.name for step in run.steps if step.state is StepState.FAILED]
        cause = next((f": {why[step]}" for step in failed if step in why), "")
        ending = f"step {', '.join(failed)} failed{cause}" if failed else f"it ended as {reason}"
        message = f"{ending}; see {run.logs}"
    return replace(run, finished=True, deleting=False, end=end, reason=reason, message=message)


def _steps(tasks: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Steps by name in the order of their start; a Workflow's helpers are left out."""
    found: dict[str, Step] = {}
    for task in sorted(tasks, key=lambda each: str(each.get("start_time", ""))):
        name, state = str(task.get("display_name", ""))[:128], _STATES.get(task.get("state", ""))
        if state is None or name in {"", "root", "executor"} or name.endswith("-driver") or _is_whole(task):
            continue
        step = Step(
            name=name,
            state=state,
            start_time=_time(task.get("start_time")),
            completion_time=_time(task.get("end_time")),
        )
        other = found.get(name)
        if other is None or _LOUDER.index(state) > _LOUDER.index(other.state):
            found[name] = step
    return tuple(found.values())[:STEPS_LIMIT]


def _is_whole(task: Mapping[str, Any]) -> bool:
    """Whether a task stands for the Workflow itself, which bears the name of its own pod."""
    pods = (str(child.get("pod_name", "")) for child in task.get("child_tasks", []))
    return any(pod.rpartition("-")[0] == task["display_name"] for pod in pods)


def _task(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node of a Workflow as the backend will tell of it."""
    return {
        "display_name": node.get("displayName", ""),
        "state": node.get("phase", "").upper(),
        "start_time": node.get("startedAt"),
        "end_time": node.get("finishedAt"),
        "child_tasks": [{"pod_name": child} for child in node.get("children") or []],
    }


def _time(text: str | None) -> datetime | None:
    moment = _TIME.validate_python(text) if text else None
    return moment if moment is not None and moment.year > _NEVER else None
