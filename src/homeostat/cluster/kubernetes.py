"""The Kubernetes API: a few verbs on plain manifests, and what its refusals mean for us."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from homeostat.api.common import API_VERSION, format_time
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import Conflict, Manifest
from homeostat.engines.serving import kserve, seldon
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError

TIMEOUT = (3, 20)
"""Seconds to connect and to read."""

PLURALS: dict[tuple[str, str], str] = {
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Event"): "events",
    ("v1", "Namespace"): "namespaces",
    ("v1", "Pod"): "pods",
    ("v1", "Service"): "services",
    ("apps/v1", "Deployment"): "deployments",
    ("argoproj.io/v1alpha1", "Workflow"): "workflows",
    ("batch/v1", "Job"): "jobs",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    (seldon.API_VERSION, seldon.KIND): "seldondeployments",
    (kserve.API_VERSION, kserve.KIND): "inferenceservices",
    **{(API_VERSION, kind.KIND): kind.PLURAL for kind in KINDS},
}


class Cluster:
    """See ClusterAccess."""

    def __init__(self, client: ApiClient, field_manager: str) -> None:
        self._client = client
        self._manager = field_manager

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """See ClusterAccess."""
        return self._call("GET", _path(api_version, kind, namespace, name))

    def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str | None] | None = None
    ) -> list[Manifest]:
        """See ClusterAccess."""
        wanted = (labels or {}).items()
        selector = ",".join(f"!{label}" if value is None else f"{label}={value}" for label, value in wanted)
        path = _path(api_version, kind, namespace)
        answer = self._call("GET", path, query={"labelSelector": selector} if selector else {})
        if answer is None:
            owner = "the chart's CRDs" if api_version == API_VERSION else "what provides it"
            raise PlatformError(f"the cluster knows no {kind} of {api_version}; install {owner}")
        # Items of a list come without these two, which everything else carries.
        return [{"apiVersion": api_version, "kind": kind, **item} for item in answer["items"]]

    def apply(self, manifest: Manifest) -> Manifest:
        """See ClusterAccess."""
        meta = manifest["metadata"]
        answer = self._call(
            "PATCH",
            _path(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"]),
            body=manifest,
            query={"fieldManager": self._manager, "force": "true"},
            content_type="application/apply-patch+yaml",
        )
        return answer or manifest

    def create(self, manifest: Manifest) -> Manifest:
        """See ClusterAccess."""
        path = _path(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["namespace"])
        answer = self._call("POST", path, body=manifest, query={"fieldManager": self._manager})
        if answer is None:
            raise PlatformError(f"namespace {manifest['metadata']['namespace']!r} does not exist; create it")
        return answer

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """See ClusterAccess."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            self._call("DELETE", _path(api_version, kind, namespace, name), body=body)
        except Conflict:
            return  # another object has taken the name: the one that was meant is gone

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """See ClusterAccess."""
        meta = manifest["metadata"]
        path = _path(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
        return self._call("PUT", f"{path}/status", body=manifest, query={"fieldManager": self._manager})

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """See ClusterAccess."""
        meta = manifest["metadata"]
        # The name follows from what is said about which state, so that saying it again changes nothing.
        said = f"{meta['uid']}/{meta['resourceVersion']}/{type_}/{reason}/{message}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
                "namespace": meta["namespace"],
            },
            "involvedObject": {
                "apiVersion": manifest["apiVersion"],
                "kind": manifest["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": type_,
            "reason": reason,
            "message": message[:1024],  # the API server's own limit
            "source": {"component": self._manager},
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "count": 1,
        }
        try:
            self._call("POST", _path("v1", "Event", meta["namespace"]), body=event)
        except Conflict:
            return  # said before

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest | None:
        parameters = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            # Server-side apply is declared as YAML; JSON is YAML, and text is passed on as it is.
            body=json.dumps(body) if body is not None and content_type.endswith("yaml") else body,
            auth_settings=["BearerToken"],
        )
        with _translated(method, path):
            response = self._client.call_api(*parameters, _request_timeout=TIMEOUT)
            response.read()  # type: ignore[no-untyped-call] # the client has no types there
            if response.status == 404:
                return None
            if not 200 <= response.status < 300:
                raise ApiException(http_resp=response)
        answer: Manifest = json.loads(response.data or b"{}")
        return answer


def _path(api_version: str, kind: str, namespace: str | None, name: str = "") -> str:
    root = "/apis/" if "/" in api_version else "/api/"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{api_version}{scope}/{PLURALS[api_version, kind]}" + (f"/{name}" if name else "")


@contextmanager
def _translated(method: str, path: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise _meaning(error, method, path) from error
    except (HTTPError, OSError) as error:
        raise EngineUnavailable(f"the Kubernetes API does not answer: {error}") from error


def _meaning(error: ApiException, method: str, path: str) -> Exception:
    try:
        text = json.loads(error.body or "{}").get("message", "") or error.reason
    except ValueError:
        text = error.reason
    match error.status:
        case 409:
            return Conflict(text)
        case 400 | 422:
            return InvalidSpec(f"the Kubernetes API refuses it: {text}")
        case 403 if "admission webhook" in text:
            return InvalidSpec(f"the Kubernetes API refuses it: {text}")
        case 401 | 403:
            return PlatformError(f"{method} {path} is not permitted: {text}; see the operator's RBAC and the quota")
        case _:
            return EngineUnavailable(f"the Kubernetes API answers {error.status}: {text}")
