"""Runs as Jobs: how one is built, the state of one with its pods, and the documents that it leaves behind."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, assert_never

from pydantic import TypeAdapter, ValidationError

from homeostat.api.v1alpha1.pods import Resources
from homeostat.cluster import Manifest
from homeostat.conventions import PLATFORM_SECRET, USER_ID
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs import RunRequest, RunState, SinglePod
from homeostat.reconcile import pods
from homeostat.reconcile.errors import ObjectNotFound
from homeostat.reconcile.names import labels_for, number_of, owner_reference
from homeostat.reconcile.pod_templates import applied
from homeostat.runs import INPUT_ANNOTATION, INPUT_VARIABLE, FailureReason, RunFailure, input_text

JOB = ("batch/v1", "Job")
POD = ("v1", "Pod")
JOB_UID_LABEL = "batch.kubernetes.io/controller-uid"
"""On a pod: uid of its Job."""

INPUT_FOLDER, INPUT_FILE = "/homeostat/run", "input.json"
GRACE_SECONDS = 5
SHORTEST_TTL = 60
"""Seconds; a Job that is gone before it was looked at would be taken for one that was never made."""

_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)

DocumentT = TypeVar("DocumentT", bound=TolerantDocument)


def run_job(request: RunRequest) -> Manifest:
    """The Job of a run. Kubernetes never restarts it: every attempt has a number of its own."""
    owner, shape = request.owner, request.shape
    labels = labels_for(owner, request.purpose, number=request.number)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": request.name,
            "namespace": owner.metadata.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": max(shape.ttl_seconds, SHORTEST_TTL),
            "template": applied(
                shape.pod_template,
                {
                    "metadata": {"labels": labels, "annotations": {INPUT_ANNOTATION: input_text(request.document)}},
                    "spec": _pod(request),
                },
            ),
        },
    }


def _pod(request: RunRequest) -> Manifest:
    shape = request.shape
    match shape.layout:
        case SinglePod():
            containers = [_container(request.purpose, request.image, shape.resources)]
        case _:
            assert_never(shape.layout)
    return {
        "restartPolicy": "Never",
        # The pod's, which counts from when it has a node; the Job's would count the time in a queue as well.
        "activeDeadlineSeconds": shape.deadline_seconds,
        # A run writes its result last: one that is ended early has nothing to save.
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "serviceAccountName": "homeostat-run",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {
                "name": "input",
                "downwardAPI": {
                    "items": [
                        {
                            "path": INPUT_FILE,
                            "fieldRef": {"fieldPath": f"metadata.annotations['{INPUT_ANNOTATION}']"},
                        }
                    ]
                },
            },
        ],
    }


def _container(purpose: str, image: str, resources: Resources) -> Manifest:
    return {
        "name": purpose,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "homeostat_pipelines", purpose, "--input", f"{INPUT_FOLDER}/{INPUT_FILE}"],
        "envFrom": [{"secretRef": {"name": PLATFORM_SECRET}}],
        "resources": resources.model_dump(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
            {"name": "input", "mountPath": INPUT_FOLDER, "readOnly": True},
        ],
    }


def job_state(manifest: Manifest) -> RunState:
    """What a Job's manifest shows, without its pods: neither since when it could run, nor why a pod of it failed."""
    meta = manifest["metadata"]
    owners = meta.get("ownerReferences", [])
    end = _ended(manifest.get("status", {}))
    failed = end if end is not None and end["type"] == "Failed" else {}
    return RunState(
        name=meta["name"],
        number=number_of(meta["name"]) or 0,
        uid=meta["uid"],
        owner=next((owner["uid"] for owner in owners if owner.get("controller")), ""),
        namespace=meta["namespace"],
        deleting="deletionTimestamp" in meta,
        finished=end is not None,
        reason=failed.get("reason", "Failed") if failed else "",
        message=failed.get("message", ""),
        end=_TIME.validate_python(end["lastTransitionTime"]) if end and "lastTransitionTime" in end else None,
        document=_document(manifest),
        logs=f"kubectl logs -n {meta['namespace']} job/{meta['name']}",
    )


def with_pods(
    job: RunState, found: Iterable[Mapping[str, Any]], warnings: Iterable[Mapping[str, Any]] = ()
) -> RunState:
    """The state with what the Job's pods show: since when it could run, what holds it up, and why it failed.

    Args:
        job: The state without them.
        found: The pods.
        warnings: Events of type Warning: those about the Job say why it has no pod, those about a pod why it cannot start.
    """
    ours, events = list(found), list(warnings)
    start = min(filter(None, map(pods.start_time, ours)), default=None)
    if not job.finished:
        obstacles = (pods.failure_message(pod, events) for pod in ours if _is_pending(pod))
        waiting = start is None
        message = next(filter(None, obstacles), "" if ours else _without_pod(job, events))
        return replace(job, start=start, failure_message=message, waiting=waiting)
    failure = next(filter(None, map(pods.failure, ours)), None)
    if not job.reason or failure is None:
        return replace(job, start=start)
    return replace(job, start=start, reason=failure.reason, message=failure.message)


def _without_pod(job: RunState, warnings: Iterable[Mapping[str, Any]]) -> str:
    # A quota, a policy, a webhook or a missing ServiceAccount: only the API server's own words name it.
    reason = pods.newest_message(warnings, job.uid)
    return f"Job {job.name} has no pod yet{f': {reason}' if reason else ''}"


def _is_pending(pod: Mapping[str, Any]) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Pending")


def _ended(status: Mapping[str, Any]) -> Manifest | None:
    ends = (c for c in status.get("conditions", []) if c["type"] in ("Complete", "Failed") and c["status"] == "True")
    return next(ends, None)


def _document(manifest: Manifest) -> str:
    template = manifest.get("spec", {}).get("template", {})
    if (text := template.get("metadata", {}).get("annotations", {}).get(INPUT_ANNOTATION)) is not None:
        return str(text)
    # A Job that an operator of v0.1.0 made.
    containers = template.get("spec", {}).get("containers", [])
    variables = (variable for container in containers for variable in container.get("env", []))
    return next((variable.get("value", "") for variable in variables if variable["name"] == INPUT_VARIABLE), "")


def read_document(objects: ObjectStore, uri: str, kind: type[DocumentT]) -> DocumentT | RunFailure | None:
    """A document that a run wrote; None when there is none, a failure of the run when it breaks the contract.

    Raises:
        EngineUnavailable: The object store does not answer.
    """
    try:
        return kind.model_validate_json(objects.read(uri))
    except ObjectNotFound:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return RunFailure(
            reason=FailureReason.ERROR, message=f"{uri} breaks the result contract: {where}: {first['msg']}"
        )
