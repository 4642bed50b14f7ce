"""Kubeflow Pipelines over its REST API (``/apis/v2beta1``), without importing kfp.

The backend has no idempotent create. So a run bears the uid of its owner and its number in its display name, and is
searched by it before every create, and again after one whose answer did not arrive. Should two creates have gone through all
the same, everybody agrees on the older run, and the other one is shown without a number, to be stopped.

What the backend says of a run lags behind its Workflow, and of a step that cannot start it says nothing: Workflow and pods
are read as well, where that is permitted.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog

from homeostat.cluster import ListObjects
from homeostat.cluster.events import warnings_about
from homeostat.engines.http import Engine, Failed, Refused, ServiceAccountToken
from homeostat.engines.runs import Owner, PackageRequest, RunRequest, RunState
from homeostat.engines.runs.kubeflow import manifests, records
from homeostat.engines.runs.kubeflow.records import ACTIVE_STATES, RUN_LABEL, display_name
from homeostat.engines.runs.packages import Package, Packages, parse
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, NotReadyYet, ObjectNotFound, PlatformError
from homeostat.reconcile.pods import is_unexplained
from homeostat.settings import KubeflowSettings

NAME = "Kubeflow"
API = "/apis/v2beta1"
WORKFLOW = ("argoproj.io/v1alpha1", "Workflow")
KINDS = {WORKFLOW: "workflows"}
RUN_NAME = "pipelines.kubeflow.org/run_name"
RECORDED = "pipeline/persistedFinalState"
WRONG_INPUT = "InvalidInputError"
"""In the text of a 500 where an upload was refused for what it holds."""
PAGE = 100
LOST_RUN_POLL_INTERVAL = timedelta(seconds=5)
UNKNOWN = "unknown"
"""What a backend says of its version that was built without one."""

log = structlog.get_logger(__name__)


class KubeflowRuns:
    """Kubeflow Pipelines' backend; see RunEngine. It carries out runs with a package, whatever their purpose.

    Args:
        settings: Where it is.
        cluster: uid of the cluster whose objects own the runs: others may use the same backend.
        packages: Where pipelines are read from.
        objects: Lists objects of Kubernetes.
        transport: Replaces the network.
    """

    def __init__(
        self,
        settings: KubeflowSettings,
        cluster: str,
        packages: Packages,
        objects: ListObjects,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._packages = packages
        self._objects = objects
        auth = ServiceAccountToken(Path(settings.token_file)) if settings.token_file else None
        self._engine = Engine("Kubeflow Pipelines", settings.url, "HOMEOSTAT_KUBEFLOW_URL", auth, transport)
        self._version = ""

    def package(self, request: PackageRequest) -> Package:
        """See RunEngine."""
        manifests.check_placement(request.placement, request.pool)
        if request.pipeline.version is None:
            return self._packages.load(request.namespace, request.pipeline)
        return self._existing(request, request.pipeline.version)

    def find(self, owner: Owner, purpose: str, number: int) -> RunState | None:
        """See RunEngine."""
        found = next((run for run in self._recorded(owner, purpose) if run.number == number), None)
        # The backend's record of a run that was terminated may say no more than FAILED.
        if found is None or (found.finished and found.reason != "Failed"):
            return found
        workflow = self._workflow(found)
        run = records.with_workflow(found, workflow)
        if run.finished:
            return run
        steps = self._of_run("v1", "Pod", run)
        unexplained = [pod["metadata"]["uid"] for pod in steps if is_unexplained(pod)]
        return records.with_pods(run, steps, self._warnings(unexplained), workflow)

    def runs(self, owner: Owner, purpose: str) -> tuple[RunState, ...]:
        """See RunEngine."""
        recorded = self._recorded(owner, purpose)
        return tuple(run if run.finished else records.with_workflow(run, self._workflow(run)) for run in recorded)

    def _recorded(self, owner: Owner, purpose: str) -> list[RunState]:
        """The runs of an owner for a purpose as the backend's record has them."""
        raw = self._listed("runs", _contains("display_name", f" {owner.metadata.uid}/"))
        seen: dict[int, str] = {}
        runs = []
        for one in sorted(raw, key=lambda run: (run["created_at"], run["run_id"])):
            if not records.is_named_for(one["display_name"], owner, purpose):
                continue
            run = records.run_state(one, self._settings)
            if seen.setdefault(run.number, run.uid) != run.uid:
                run = replace(run, number=0)
            runs.append(run)
        return runs

    def active_runs(self) -> tuple[RunState, ...]:
        """See RunEngine; asked all the time, and so where a new version of the backend is noticed."""
        states = {"operation": "IN", "key": "state", "string_values": {"values": sorted(ACTIVE_STATES)}}
        raw = self._listed("runs", _contains("description", self._cluster), states)
        self._log_version()
        return tuple(run for run in (records.run_state(one, self._settings) for one in raw) if run.owner)

    def submit(self, request: RunRequest) -> None:
        """See RunEngine."""
        package, owner = request.package, request.owner
        if package is None:
            raise InvalidSpec(
                f"Kubeflow Pipelines runs compiled pipelines only, and run {request.name} has none; use the engine Local"
            )
        runs = self.runs(owner, request.purpose)
        if any(run.number == request.number for run in runs):
            return
        self._check_lost(request, {run.uid for run in runs})
        with self._classified():
            rendered = manifests.rendered(package, request.image, request.shape)
            pipeline, version = package.backend_ids or self._uploaded(package.name, rendered)
            experiment = self._experiment(owner.metadata.namespace)
        body = {
            "display_name": display_name(owner, request.purpose, request.number),
            "description": f"Attempt {request.number} of {owner.metadata.name}, cluster {self._cluster}.",
            "experiment_id": experiment,
            "pipeline_version_reference": {"pipeline_id": pipeline, "pipeline_version_id": version},
            "runtime_config": {"parameters": package.arguments(request.document, request.parameters)},
            "service_account": self._settings.service_account,
        }
        with self._classified():
            try:
                self._call("POST", "runs", json=body)
            except EngineUnavailable:
                # It may have been created although the answer did not arrive.
                if not self._is_there(request):
                    raise

    def stop(self, run: RunState) -> None:
        """See RunEngine."""
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
        reported = (str(answer.get(name, "")) for name in ("tag_name", "commit_sha"))
        return next((one for one in reported if one not in ("", UNKNOWN)), UNKNOWN)

    def close(self) -> None:
        """Closes the connections."""
        self._engine.close()

    def _log_version(self) -> None:
        """Logs the backend's version when it is first reached, and when it is another one than before."""
        try:
            version = self.health()
        except PlatformError as error:  # runs can be had: whoever hides the version stands in the way of nothing
            log.debug("the version of the backend cannot be determined", detail=str(error))
            return
        if version != self._version:
            log.info("backend reached", engine=NAME, url=self._settings.url, version=version, before=self._version)
            self._version = version

    def _call(self, method: str, path: str, **request: Any) -> Any:
        return self._engine.call(method, f"{API}/{path}", **request)

    @contextmanager
    def _classified(self) -> Iterator[None]:
        """Tells a refusal and an answer that will not change from an outage, which passes."""
        try:
            yield
        except Refused as refused:
            if refused.status != httpx.codes.BAD_REQUEST:
                raise  # of us, or for now; not of what the user wrote
            raise InvalidSpec(f"Kubeflow Pipelines refuses the run: {refused}") from refused
        except Failed as failed:
            if WRONG_INPUT in str(failed):
                raise InvalidSpec(f"Kubeflow Pipelines refuses the pipeline: {failed}") from failed
            self.health()
            raise PlatformError(
                f"{failed}; it is otherwise healthy, so this is not an outage; the pipeline itself may be the cause"
            ) from failed

    def _listed(self, path: str, *predicates: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every object for which all predicates hold."""
        query = {"filter": json.dumps({"predicates": predicates}), "page_size": PAGE, "page_token": ""}
        field = path.rpartition("/")[2].replace("versions", "pipeline_versions")
        found: list[dict[str, Any]] = []
        while True:
            answer = self._call("GET", path, params=query)
            found += answer.get(field, [])
            query["page_token"] = answer.get("next_page_token", "")
            if not query["page_token"]:
                return found

    def _is_there(self, request: RunRequest) -> bool:
        return any(run.number == request.number for run in self.runs(request.owner, request.purpose))

    def _check_lost(self, request: RunRequest, recorded: set[str]) -> None:
        """Nothing is started while a Workflow of the owner for the same purpose exists whose run the backend did not get to record.

        Its persistence agent finds such a Workflow and takes it away.
        """
        for workflow in self._readable(*WORKFLOW, {RECORDED: None}):
            meta = workflow["metadata"]
            name = meta.get("annotations", {}).get(RUN_NAME, "")
            ours = records.is_named_for(name, request.owner, request.purpose)
            if ours and meta.get("labels", {}).get(RUN_LABEL) not in recorded:
                raise NotReadyYet(
                    f"Kubeflow Pipelines has Workflow {meta['name']} of an attempt, but no record of "
                    "its run; the next run starts once its persistence agent has deleted the Workflow",
                    LOST_RUN_POLL_INTERVAL,
                )

    def _workflow(self, run: RunState) -> dict[str, Any]:
        """The Workflow of a run; empty where there is none to be read."""
        return next(iter(self._of_run(*WORKFLOW, run)), {})

    def _of_run(self, api_version: str, kind: str, run: RunState) -> list[dict[str, Any]]:
        return self._readable(api_version, kind, {RUN_LABEL: run.uid})

    def _warnings(self, uids: Iterable[str]) -> list[dict[str, Any]]:
        """Events about pods of runs; none where they cannot be read."""
        with self._tolerated("Event"):
            return warnings_about(self._objects, self._settings.namespace, uids)
        return []

    def _readable(self, api_version: str, kind: str, labels: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """Objects in the namespace of the runs; none where they cannot be read, as with a backend in another cluster."""
        with self._tolerated(kind):
            return self._objects(api_version, kind, self._settings.namespace, labels)
        return []

    @contextmanager
    def _tolerated(self, kind: str) -> Iterator[None]:
        """Logs that objects may not be read; an outage remains an error."""
        try:
            yield
        except EngineUnavailable:
            raise
        except PlatformError as error:
            log.warning("objects of runs cannot be read", kind=kind, error=str(error))

    def _existing(self, request: PackageRequest, version: str) -> Package:
        """A version that the backend has."""
        placement, name = request.placement, str(request.pipeline.name)
        requested = {
            "nodePool": placement.node_pool,
            "gpusPerNode": placement.gpus_per_node,
            "resources": placement.resources.requests or placement.resources.limits,
            "podTemplate": placement.pod_template,
        }
        if unmet := [field for field, value in requested.items() if value]:
            raise InvalidSpec(
                f"spec.placement.{unmet[0]} has no effect on a pipeline version stored in Kubeflow Pipelines; set it in the "
                "pipeline, or give the compiled package by uri or configMapRef"
            )
        where = f"spec.pipeline.name {name!r}"
        pipelines = self._listed("pipelines", _equals("name", name))
        if not pipelines:
            raise ObjectNotFound(f"{where} is not a pipeline in Kubeflow Pipelines; upload it")
        identifier = pipelines[0]["pipeline_id"]
        versions = self._listed(f"pipelines/{identifier}/versions", _equals("name", version))
        if not versions:
            raise ObjectNotFound(f"{where} has no version {version!r} in Kubeflow Pipelines; upload it")
        reported = versions[0].get("pipeline_spec", {})
        content = json.dumps(reported.get("pipeline_spec", reported), sort_keys=True).encode()
        return parse(content, f"{where}, version {version!r},", (identifier, versions[0]["pipeline_version_id"]))

    def _experiment(self, namespace: str) -> str:
        return self._once(
            lambda: self._listed("experiments", _equals("name", namespace)),
            lambda: self._call("POST", "experiments", json={"display_name": namespace}),
            "experiment_id",
        )

    def _uploaded(self, name: str, package: str) -> tuple[str, str]:
        """Identifiers of the pipeline and of the version with this content, uploaded where they are new."""
        named = f"homeostat-{name}"
        digest = hashlib.sha256(package.encode()).hexdigest()[:16]
        files = {"uploadfile": (f"{named}.yaml", package.encode(), "application/yaml")}
        pipeline = self._once(
            lambda: self._listed("pipelines", _equals("name", named)),
            lambda: self._call("POST", "pipelines/upload", params={"name": named}, files=files),
            "pipeline_id",
        )
        params = {"name": digest, "pipelineid": pipeline}
        version = self._once(
            lambda: self._listed(f"pipelines/{pipeline}/versions", _equals("name", digest)),
            lambda: self._call("POST", "pipelines/upload_version", params=params, files=files),
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


def _equals(key: str, value: str) -> dict[str, str]:
    return {"operation": "EQUALS", "key": key, "string_value": value}


def _contains(key: str, value: str) -> dict[str, str]:
    return {"operation": "IS_SUBSTRING", "key": key, "string_value": value}
