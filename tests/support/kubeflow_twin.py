"""A Kubeflow Pipelines backend in memory, as far as the adapter speaks to it, with faults at every write.

It has the habits of the real one, against which tests/contract/engines/test_runs.py holds it: no idempotent create, 500
for a name that is taken, a Workflow before the record of its run, runs that are terminated end as FAILED.
"""

import functools
import itertools
import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

import httpx
import yaml

from homeostat.cluster import Labels

PAGE = 2
NEVER = "1970-01-01T00:00:00Z"
START = datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
ENDED = frozenset({"SUCCEEDED", "FAILED"})


class Fault(Enum):
    """What befalls a write."""

    NONE = auto()
    LOST = auto()
    """It is done, and the answer does not arrive in time."""
    RESET = auto()
    """It is done, and the connection breaks before the answer."""
    REFUSED = auto()
    """The connection is refused: nothing is done."""
    ERROR_AFTER = auto()
    """It is done, and the answer is 500."""
    ERROR_BEFORE = auto()
    """Nothing is done, and the answer is 500."""
    CONFLICT = auto()
    """Nothing is done, and the answer is 409."""
    CRASH = auto()
    """It is done, and the caller dies."""
    HALF = auto()
    """The backend dies between the Workflow and the record of its run; any other write is not done."""


class Crash(BaseException):
    """The end of the operator's process."""


class KubeflowServer:
    """Give it to `httpx.MockTransport`, and its `listed` to the adapter in place of Kubernetes."""

    def __init__(self, faults: deque[Fault] | None = None) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {"runs": [], "experiments": [], "pipelines": []}
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.workflows: list[dict[str, Any]] = []
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.uploads: list[str] = []
        self.tokens: list[str] = []
        self.faults = faults if faults is not None else deque()
        self.down = False
        self.health: dict[str, Any] | None = {"commit_sha": "unknown", "tag_name": "2.0.5", "multi_user": False}
        """What it says of itself; None: a proxy before it lets nobody ask."""
        self.refusal: httpx.Response | None = None
        """Answer to every create of a run."""
        self.now = START
        self._ids = itertools.count(1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.down:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/apis/v2beta1/")
        if request.method == "GET":
            return self._get(path, request)
        fault = self.faults.popleft() if self.faults else Fault.NONE
        return self._prevented(fault, path, request) or _answered(fault, self._post(path, request))

    def _prevented(self, fault: Fault, path: str, request: httpx.Request) -> httpx.Response | None:
        match fault:
            case Fault.REFUSED:
                raise httpx.ConnectError("refused")
            case Fault.HALF:
                if path == "runs":
                    self._workflow(json.loads(request.content), f"lost-{next(self._ids)}")
                raise httpx.RemoteProtocolError("server disconnected")
            case Fault.ERROR_BEFORE:
                return _error(500, 13, "InternalServerError")
            case Fault.CONFLICT:
                return _error(409, 10, "somebody else is at it")
        return None

    def listed(
        self,
        _api_version: str,
        kind: str,
        _namespace: str | None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Workflows, pods and Events as Kubernetes lists them."""
        if kind == "Event":
            about = (fields or {})["involvedObject.uid"]
            return [one for one in self.events if one["involvedObject"]["uid"] == about]
        held = self.workflows if kind == "Workflow" else self.pods
        needed = (labels or {}).items()
        return [one for one in held if all(one["metadata"].get("labels", {}).get(k) == v for k, v in needed)]

    # What others do.

    def runs_at_work(self) -> list[dict[str, Any]]:
        """Workflows whose pods may run."""
        return [one for one in self.workflows if one["status"]["phase"] == "Running"]

    def ends(self, run_id: str, phase: str, *, reported: bool = True) -> None:
        """Argo ends a Workflow; the persistence agent reports it, or is not there."""
        workflow = self._of(run_id)
        workflow["status"] |= {"phase": phase, "finishedAt": _stamp(self.now)}
        if reported:
            self.reports(run_id)

    def reports(self, run_id: str) -> None:
        """The persistence agent reports a Workflow; one without a run is taken away."""
        workflow = self._of(run_id)
        run = next((one for one in self.objects["runs"] if one["run_id"] == run_id), None)
        if run is None:
            self.workflows.remove(workflow)
            return
        phase = workflow["status"]["phase"]
        terminated = workflow["spec"].get("activeDeadlineSeconds") == 0
        run["state"] = "CANCELING" if terminated and phase == "Running" else phase.upper()
        run["finished_at"] = workflow["status"].get("finishedAt", NEVER)
        if run["state"] in ENDED:
            workflow["metadata"]["labels"]["pipeline/persistedFinalState"] = "true"

    def passes(self, seconds: float) -> None:
        """Time goes by: what was terminated ends, and the persistence agent reports everything."""
        self.now += timedelta(seconds=seconds)
        for workflow in list(self.workflows):
            run_id = workflow["metadata"]["labels"]["pipeline/runid"]
            if workflow["spec"].get("activeDeadlineSeconds") == 0 and workflow["status"]["phase"] == "Running":
                self.ends(run_id, "Failed", reported=False)
            self.reports(run_id)

    def vanish(self, run_id: str) -> None:
        """Somebody deletes a run, whose Workflow goes with it."""
        self.objects["runs"] = [one for one in self.objects["runs"] if one["run_id"] != run_id]
        self.workflows.remove(self._of(run_id))

    def _of(self, run_id: str) -> dict[str, Any]:
        return next(one for one in self.workflows if one["metadata"]["labels"]["pipeline/runid"] == run_id)

    def _get(self, path: str, request: httpx.Request) -> httpx.Response:
        if path == "healthz":
            return _error(403, 7, "forbidden") if self.health is None else httpx.Response(200, json=self.health)
        held = self.versions[path.split("/")[1]] if path.endswith("/versions") else self.objects[path]
        field = "pipeline_versions" if path.endswith("/versions") else path
        predicates = json.loads(request.url.params["filter"])["predicates"]
        found = [one for one in held if all(_holds(one, predicate) for predicate in predicates)]
        start = int(request.url.params.get("page_token") or 0)
        token = str(start + PAGE) if start + PAGE < len(found) else ""
        return httpx.Response(200, json={field: found[start : start + PAGE], "next_page_token": token})

    def _post(self, path: str, request: httpx.Request) -> httpx.Response:
        number = next(self._ids)
        made = {"created_at": _stamp(self.now)}
        if path.startswith("pipelines/upload"):
            return self._upload(path, request, f"id-{number}", made)
        if path.endswith(":terminate"):
            return self._terminate(re.sub(r"^runs/|:terminate$", "", path))
        body = json.loads(request.content)
        if path == "experiments":
            if any(one["display_name"] == body["display_name"] for one in self.objects[path]):
                return _error(409, 6, "already exists")
            new = {**made, **body, "experiment_id": f"id-{number}"}
        else:
            if self.refusal is not None:
                return self.refusal
            new = {**made, **body, "run_id": f"run-{number:04}", "state": "PENDING", "finished_at": NEVER}
            self._workflow(body, new["run_id"])
        self.objects[path].append(new)
        return httpx.Response(200, json=new)

    def _workflow(self, body: Mapping[str, Any], run_id: str) -> None:
        names = {"pipelines.kubeflow.org/run_name": body["display_name"]}
        metadata = {"name": f"w-{run_id}", "labels": {"pipeline/runid": run_id}, "annotations": names}
        self.workflows.append({"metadata": metadata, "spec": {}, "status": {"phase": "Running"}})

    def _upload(self, path: str, request: httpx.Request, identifier: str, made: dict[str, Any]) -> httpx.Response:
        name = request.url.params["name"]
        if path == "pipelines/upload":
            if any(one["display_name"] == name for one in self.objects["pipelines"]):
                return _error(500, 13, "the name is taken")
            new = {**made, "display_name": name, "pipeline_id": identifier}
            self.objects["pipelines"].append(new)
            self.versions[identifier] = []
        else:
            held = self.versions[request.url.params["pipelineid"]]
            if any(one["display_name"] == name for one in held):
                return _error(500, 13, "the name is taken")
            content = request.content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            new = {**made, "display_name": name, "pipeline_version_id": identifier}
            held.append({**new, "pipeline_spec": _spec_of(content)})
        self.uploads.append(name)
        return httpx.Response(200, json=new)

    def _terminate(self, run_id: str) -> httpx.Response:
        run = next((one for one in self.objects["runs"] if one["run_id"] == run_id), None)
        if run is None:
            return _error(404, 5, "not found")
        if run["state"] in {*ENDED, "CANCELING"}:
            return _error(400, 3, "Row not found")
        run["state"] = "CANCELING"
        self._of(run_id)["spec"]["activeDeadlineSeconds"] = 0
        return httpx.Response(200, json={})


def _answered(fault: Fault, response: httpx.Response) -> httpx.Response:
    match fault:
        case Fault.LOST:
            raise httpx.ReadTimeout("lost")
        case Fault.RESET:
            raise httpx.ReadError("connection reset")
        case Fault.CRASH:
            raise Crash
        case Fault.ERROR_AFTER:
            return _error(500, 13, "InternalServerError")
    return response


def _error(status: int, code: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": message, "code": code, "message": message})


def _holds(one: Mapping[str, Any], predicate: Mapping[str, Any]) -> bool:
    key = {"name": "display_name"}.get(predicate["key"], predicate["key"])
    match predicate["operation"]:
        case "EQUALS":
            return bool(one[key] == predicate["string_value"])
        case "IS_SUBSTRING":
            return predicate["string_value"] in one[key]
        case "IN":
            return one[key] in predicate["string_values"]["values"]
        case other:
            raise AssertionError(other)


@functools.cache
def _spec_of(content: bytes) -> dict[str, Any]:
    spec, platform = yaml.safe_load_all(content)
    return {"pipeline_spec": spec, "platform_spec": platform}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
