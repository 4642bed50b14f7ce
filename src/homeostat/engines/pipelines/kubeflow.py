"""Kubeflow Pipelines over its REST API (``/apis/v2beta1``), without importing kfp.

The backend has no idempotent create. So a run bears the uid of its TrainingJob and its number in its display name, and is
searched by it before every create, and again after one whose answer did not arrive. Should two creates have gone through all
the same, everybody agrees on the older run, and the other one is shown without a number, to be stopped.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import structlog
from pydantic import TypeAdapter

from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.engines.http import Engine, Refused, ServiceAccountToken
from homeostat.engines.pipelines import Attempt, SeenRun, packages
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError
from homeostat.reconcile.pods import trouble
from homeostat.settings import KubeflowSettings

NAME = "Kubeflow"
API = "/apis/v2beta1"
RUN_LABEL = "pipeline/runid"
STEP_ANNOTATION = "workflows.argoproj.io/node-name"
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
GOING = frozenset({"RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "PAUSED", "CANCELING"})
PAGE = 100

_NAMED = re.compile(r" (?P<uid>\S+)/(?P<number>[0-9]+)$")
_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)

ListPods = Callable[[str, str, str, Mapping[str, str]], list[dict[str, Any]]]

log = structlog.get_logger(__name__)


def display_name(resource: TrainingJob, name: str, number: int) -> str:
    """What a run is called: for people first, then for us."""
    return f"{resource.metadata.namespace}/{name} {resource.metadata.uid}/{number}"


class KubeflowPipelines:
    """Kubeflow Pipelines' backend; see PipelineEngine.

    Args:
        settings: Where it is.
        compiled: Folder of the compiled pipelines.
        pods: Lists objects of a namespace by (apiVersion, kind, namespace, labels): a run that cannot start is RUNNING to
            the backend, and only its pods know why.
        transport: Replaces the network.
    """

    def __init__(
        self, settings: KubeflowSettings, compiled: Path, pods: ListPods, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._compiled = compiled
        self._pods = pods
        auth = ServiceAccountToken(Path(settings.token_file)) if settings.token_file else None
        self._engine = Engine("Kubeflow Pipelines", settings.url, "HOMEOSTAT_KUBEFLOW_URL", auth, transport)

    def find(self, resource: TrainingJob, number: int) -> SeenRun | None:
        """See PipelineEngine."""
        found = next((run for run in self.runs(resource) if run.number == number), None)
        if found is None or found.finished:
            return found
        return SeenRun(**{**vars(found), "stuck": self._stuck(found.uid)})

    def runs(self, resource: TrainingJob) -> tuple[SeenRun, ...]:
        """See PipelineEngine."""
        raw = self._listed("runs", "IS_SUBSTRING", "display_name", f" {resource.metadata.uid}/")
        seen: dict[int, str] = {}
        runs = []
        for one in sorted(raw, key=lambda run: (run["created_at"], run["run_id"])):
            run = self._seen(one)
            if seen.setdefault(run.number, run.uid) != run.uid:
                run = SeenRun(**{**vars(run), "number": 0})
            runs.append(run)
        return tuple(runs)

    def submit(self, attempt: Attempt) -> None:
        """See PipelineEngine."""
        if any(run.number == attempt.number for run in self.runs(attempt.resource)):
            return
        package = packages.load(self._compiled, attempt.document.pipeline)
        pipeline, version = self._uploaded(package.name, packages.rendered(package, attempt))
        body = {
            "display_name": display_name(attempt.resource, attempt.name, attempt.number),
            "description": f"Attempt {attempt.number} of TrainingJob {attempt.resource.metadata.name}.",
            "experiment_id": self._experiment(attempt.resource.metadata.namespace),
            "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
            "runtime_config": {"parameters": package.arguments(attempt)},
            "service_account": self._settings.service_account,
        }
        try:
            self._call("POST", "runs", json=body)
        except Refused as refused:
            raise InvalidSpec(f"Kubeflow Pipelines refuses the run: {refused}") from refused
        except EngineUnavailable:
            # It may have been created although the answer did not arrive.
            if not any(run.number == attempt.number for run in self.runs(attempt.resource)):
                raise

    def stop(self, resource: TrainingJob, run: SeenRun) -> None:
        """See PipelineEngine."""
        del resource
        try:
            self._call("POST", f"runs/{run.uid}:terminate", json={})
        except Refused as refused:
            if refused.status not in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):  # ended, or gone
                raise

    def health(self) -> str:
        """Version of the backend, as it tells it.

        Raises:
            EngineUnavailable: It does not answer.
        """
        answer = self._call("GET", "healthz")
        return str(answer.get("tag_name", "") or answer.get("commit_sha", ""))

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return self._engine.call(method, f"{API}/{path}", **request)

    def _listed(self, path: str, operation: str, key: str, value: str) -> list[dict[str, Any]]:
        """Every object whose field is as asked for."""
        predicate = {"operation": operation, "key": key, "string_value": value}
        query = {"filter": json.dumps({"predicates": [predicate]}), "page_size": PAGE, "page_token": ""}
        field = path.rpartition("/")[2].replace("versions", "pipeline_versions")
        found: list[dict[str, Any]] = []
        while True:
            answer = self._call("GET", path, params=query)
            found += answer.get(field, [])
            query["page_token"] = answer.get("next_page_token", "")
            if not query["page_token"]:
                return found

    def _seen(self, run: dict[str, Any]) -> SeenRun:
        named = _NAMED.search(run["display_name"])
        state = run.get("state", "RUNTIME_STATE_UNSPECIFIED")
        if state not in ENDED | GOING:
            log.warning("a state that is not known is taken for going on", run=run["run_id"], state=state)
        failed = state in ENDED and state != "SUCCEEDED"
        parameters = run.get("runtime_config", {}).get("parameters", {})
        ui = self._settings.ui_url.rstrip("/")
        return SeenRun(
            name=run["display_name"].partition(" ")[0].rpartition("/")[2],
            number=int(named["number"]) if named else 0,
            uid=run["run_id"],
            owner=named["uid"] if named else "",
            deleting=state == "CANCELING",
            finished=state in ENDED,
            reason=state.capitalize() if failed else "",
            message=_failure(run) if failed else "",
            end=_TIME.validate_python(run["finished_at"]) if state in ENDED else None,
            document=str(parameters.get("job", "")),
            url=f"{ui}/#/runs/details/{run['run_id']}" if ui else "",
        )

    def _stuck(self, run: str) -> str:
        """Which step of a run cannot start, and why."""
        try:
            pods = self._pods("v1", "Pod", self._settings.namespace, {RUN_LABEL: run})
        except PlatformError as error:
            log.warning("the pods of a run cannot be read", run=run, error=str(error))
            return ""
        for pod in pods:
            told = trouble(pod) if pod.get("status", {}).get("phase") == "Pending" else ""
            if told:
                step = pod["metadata"].get("annotations", {}).get(STEP_ANNOTATION, "").rpartition(".")[2]
                return f"step {step or pod['metadata']['name']} cannot start: {told}"
        return ""

    def _experiment(self, namespace: str) -> str:
        return self._once(
            lambda: self._listed("experiments", "EQUALS", "name", namespace),
            lambda: self._call("POST", "experiments", json={"display_name": namespace}),
            "experiment_id",
        )

    def _uploaded(self, name: str, package: str) -> tuple[str, str]:
        """Identifiers of the pipeline and of the version with this content, uploaded where they are new."""
        named = f"homeostat-{name}"
        digest = hashlib.sha256(package.encode()).hexdigest()[:16]
        files = {"uploadfile": (f"{named}.yaml", package.encode(), "application/yaml")}
        pipeline = self._once(
            lambda: self._listed("pipelines", "EQUALS", "name", named),
            lambda: self._call("POST", "pipelines/upload", params={"name": named}, files=files),
            "pipeline_id",
        )
        wanted = {"name": digest, "pipelineid": pipeline}
        version = self._once(
            lambda: self._listed(f"pipelines/{pipeline}/versions", "EQUALS", "name", digest),
            lambda: self._call("POST", "pipelines/upload_version", params=wanted, files=files),
            "pipeline_version_id",
        )
        return pipeline, version

    def _once(self, search: Callable[[], list[dict[str, Any]]], create: Callable[[], Any], identifier: str) -> str:
        """Identifier of the object that is found, else created; a name that another has just taken is found then."""
        if found := search():
            return str(found[0][identifier])
        try:
            return str(create()[identifier])
        except (Refused, EngineUnavailable):
            # The backend answers 500 to a name that is taken, and the answer to a success may have been lost.
            if found := search():
                return str(found[0][identifier])
            raise


def _failure(run: dict[str, Any]) -> str:
    tasks = run.get("run_details", {}).get("task_details", [])
    steps = sorted(
        {t["display_name"] for t in tasks if t.get("state") == "FAILED" and t.get("display_name")} - {"root"}
    )
    told = str(run.get("error", {}).get("message", ""))
    failed = f"step {', '.join(steps)} failed" if steps else f"it ended as {run['state']}"
    return f"{failed}: {told}" if told else f"{failed}; see the logs of its pods"
