"""Runs as Jobs: how one is built, what is seen of one, and the documents that it leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from homeostat.api.common import Resource
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.cluster import Manifest
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs import SeenRun
from homeostat.reconcile.errors import ObjectNotFound
from homeostat.reconcile.names import child_name, labels_for, number_of, owner_reference
from homeostat.runs import INPUT_VARIABLE, FailureReason, RunFailure
from homeostat.settings import NodePool

JOB = ("batch/v1", "Job")
SECRET = "homeostat-platform"  # noqa: S105 - the name of a Secret
USER = 65532
GRACE_SECONDS = 5

DEADLINE_EXCEEDED = "DeadlineExceeded"

_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)

DocumentT = TypeVar("DocumentT", bound=TolerantDocument)


@dataclass(frozen=True)
class JobShape:
    """What differs between the Jobs of different runs.

    Attributes:
        resources: Requests and limits by resource.
        deadline_seconds: Longest time of the run.
        ttl_seconds: How long the Job and its pods stay once finished.
        pool: Nodes to run on; None: any.
    """

    resources: Resources
    deadline_seconds: int
    ttl_seconds: int
    pool: NodePool | None = None


def run_job(
    owner: Resource[Any, Any], purpose: str, number: int, document: TolerantDocument, image: str, shape: JobShape
) -> Manifest:
    """The Job of a numbered run. It is never restarted by Kubernetes: attempts are counted by us."""
    labels = labels_for(owner, purpose, number=number)
    pod: Manifest = {
        "restartPolicy": "Never",
        # A run writes its result last: one that is ended early has nothing to save.
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "serviceAccountName": "homeostat-run",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(purpose, document, image, shape.resources)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if shape.pool is not None:
        pod |= {"nodeSelector": shape.pool.node_selector, "tolerations": shape.pool.tolerations}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_name(owner.metadata.name, purpose, number),
            "namespace": owner.metadata.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": shape.deadline_seconds,
            "ttlSecondsAfterFinished": shape.ttl_seconds,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(purpose: str, document: TolerantDocument, image: str, resources: Resources) -> Manifest:
    return {
        "name": purpose,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "homeostat_pipelines", purpose],
        "env": [{"name": INPUT_VARIABLE, "value": document.model_dump_json(by_alias=True)}],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "resources": resources.model_dump(),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a volume of the pod's own
    }


class SeenJob(SeenRun):
    """A Job as it was seen."""

    @classmethod
    def of(cls, manifest: Manifest) -> SeenRun:
        """What matters of a Job's manifest."""
        meta = manifest["metadata"]
        owners = meta.get("ownerReferences", [])
        end = _ended(manifest.get("status", {}))
        return SeenRun(
            name=meta["name"],
            number=number_of(meta["name"]) or 0,
            uid=meta["uid"],
            owner=next((owner["uid"] for owner in owners if owner.get("controller")), ""),
            namespace=meta["namespace"],
            deleting="deletionTimestamp" in meta,
            finished=end is not None,
            reason=end.get("reason", "") if end and end["type"] == "Failed" else "",
            message=end.get("message", "") if end and end["type"] == "Failed" else "",
            start=_TIME.validate_python(meta["creationTimestamp"]) if "creationTimestamp" in meta else None,
            end=_TIME.validate_python(end["lastTransitionTime"]) if end and "lastTransitionTime" in end else None,
            document=_document(manifest),
            logs=f"kubectl logs -n {meta['namespace']} job/{meta['name']}",
        )


def _ended(status: Mapping[str, Any]) -> Manifest | None:
    ends = (c for c in status.get("conditions", []) if c["type"] in ("Complete", "Failed") and c["status"] == "True")
    return next(ends, None)


def _document(manifest: Manifest) -> str:
    containers = manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
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
