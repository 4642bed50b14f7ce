"""A Kubeflow Pipelines backend in memory, as far as the adapter speaks to it, with faults at every write.

It has the habits of the real one, against which tests/kubeflow holds it: no idempotent create, 500 for a name that is taken,
runs that are terminated end as FAILED.
"""

import itertools
import json
import re
from collections import deque
from enum import Enum, auto
from typing import Any

import httpx

PAGE = 2


class Fault(Enum):
    """What befalls a write."""

    NONE = auto()
    LOST = auto()
    """It is done, and the answer does not arrive."""
    REFUSED = auto()
    """The connection is refused: nothing is done."""
    ERROR_AFTER = auto()
    """It is done, and the answer is 500."""
    ERROR_BEFORE = auto()
    CRASH = auto()
    """It is done, and the caller dies."""


class Crash(BaseException):
    """The end of the operator's process."""


class KubeflowServer:
    """Give it to `httpx.MockTransport`."""

    def __init__(self, faults: deque[Fault] | None = None) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {"runs": [], "experiments": [], "pipelines": []}
        self.versions: dict[str, list[dict[str, Any]]] = {}
        self.uploads: list[str] = []
        self.faults = faults or deque()
        self._ids = itertools.count(1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/apis/v2beta1/")
        if request.method == "GET":
            return self._get(path, request)
        fault = self.faults.popleft() if self.faults else Fault.NONE
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused")
        if fault is Fault.ERROR_BEFORE:
            return httpx.Response(500, json={"message": "InternalServerError", "code": 13})
        response = self._post(path, request)
        if fault is Fault.LOST:
            raise httpx.ReadTimeout("lost")
        if fault is Fault.CRASH:
            raise Crash
        return httpx.Response(500, json={"code": 13}) if fault is Fault.ERROR_AFTER else response

    def _get(self, path: str, request: httpx.Request) -> httpx.Response:
        if path == "healthz":
            return httpx.Response(200, json={"tag_name": "2.0.5"})
        held = self.versions[path.split("/")[1]] if path.endswith("/versions") else self.objects[path]
        field = "pipeline_versions" if path.endswith("/versions") else path
        (predicate,) = json.loads(request.url.params["filter"])["predicates"]
        wanted, exact = predicate["string_value"], predicate["operation"] == "EQUALS"
        found = [o for o in held if (o["display_name"] == wanted if exact else wanted in o["display_name"])]
        start = int(request.url.params.get("page_token") or 0)
        token = str(start + PAGE) if start + PAGE < len(found) else ""
        return httpx.Response(200, json={field: found[start : start + PAGE], "next_page_token": token})

    def _post(self, path: str, request: httpx.Request) -> httpx.Response:
        number = next(self._ids)
        made = {"created_at": f"2026-01-05T09:00:{number % 60:02d}Z"}
        if path.startswith("pipelines/upload"):
            return self._upload(path, request, f"id-{number}", made)
        if path.endswith(":terminate"):
            return self._terminate(re.sub(r"^runs/|:terminate$", "", path))
        body = json.loads(request.content)
        if path == "experiments":
            if any(o["display_name"] == body["display_name"] for o in self.objects[path]):
                return httpx.Response(409, json={"message": "already exists", "code": 6})
            new = {**made, **body, "experiment_id": f"id-{number}"}
        else:
            if "wrong" in body["runtime_config"]["parameters"]:
                return httpx.Response(400, json={"message": "parameter wrong is not an input", "code": 3})
            new = {**made, **body, "run_id": f"id-{number}", "state": "PENDING", "finished_at": "1970-01-01T00:00:00Z"}
        self.objects[path].append(new)
        return httpx.Response(200, json=new)

    def _upload(self, path: str, request: httpx.Request, identifier: str, made: dict[str, Any]) -> httpx.Response:
        name = request.url.params["name"]
        self.uploads.append(name)
        if path == "pipelines/upload":
            if any(o["display_name"] == name for o in self.objects["pipelines"]):
                return httpx.Response(500, json={"message": "the name is taken", "code": 13})
            new = {**made, "display_name": name, "pipeline_id": identifier}
            self.objects["pipelines"].append(new)
            self.versions[identifier] = []
            return httpx.Response(200, json=new)
        held = self.versions[request.url.params["pipelineid"]]
        if any(o["display_name"] == name for o in held):
            return httpx.Response(500, json={"message": "the name is taken", "code": 13})
        new = {**made, "display_name": name, "pipeline_version_id": identifier}
        held.append(new)
        return httpx.Response(200, json=new)

    def _terminate(self, run_id: str) -> httpx.Response:
        run = next((r for r in self.objects["runs"] if r["run_id"] == run_id), None)
        if run is None:
            return httpx.Response(404, json={"message": "not found", "code": 5})
        if run["state"] in {"SUCCEEDED", "FAILED"}:
            return httpx.Response(400, json={"message": "finished", "code": 9})
        run["state"] = "CANCELING"
        return httpx.Response(200, json={})
