"""The adapter of ClusterAccess to an API server: its REST API over urllib3, and what its refusals mean for us.

The record of why this is no client library is docs/adr/0013-one-kubernetes-client.md.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import ApiRefusal, Conflict, Kinds, Labels, Listing, Manifest, WatchEvent, WatchExpired
from homeostat.cluster.connection import Connection
from homeostat.cluster.events import event_manifest
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, PlatformError

TIMEOUT = (3.0, 20.0)
"""Seconds to connect and to read."""
CONNECTIONS = 16
"""Kept open: the operators' workers and the watches of one process."""
WATCH_GRACE = 10.0
"""Seconds after the end of a watch in which the API server closes it; then the connection is taken for dead."""

PLURALS: dict[tuple[str, str], str] = {
    ("v1", "ConfigMap"): "configmaps",
    ("v1", "Event"): "events",
    ("v1", "Namespace"): "namespaces",
    ("v1", "Pod"): "pods",
    ("v1", "Service"): "services",
    ("apps/v1", "Deployment"): "deployments",
    ("authentication.k8s.io/v1", "TokenReview"): "tokenreviews",
    ("authorization.k8s.io/v1", "SubjectAccessReview"): "subjectaccessreviews",
    ("batch/v1", "Job"): "jobs",
    ("policy/v1", "PodDisruptionBudget"): "poddisruptionbudgets",
    **{(API_VERSION, kind.KIND): kind.PLURAL for kind in KINDS},
}


class KubernetesCluster:
    """See ClusterAccess.

    Args:
        connection: The API server and the user.
        field_manager: Who owns the fields that are written, and reports events.
        kinds: Kinds of engines, beside those of Kubernetes and of Homeostat.
        timeout: Seconds to connect and to read.
    """

    def __init__(
        self,
        connection: Connection,
        field_manager: str,
        kinds: Kinds | None = None,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        self._pool = _pool(connection)
        self._root = urlsplit(connection.server).path.rstrip("/")
        self._credentials = connection.credentials
        self._headers = {"Accept": "application/json", "User-Agent": field_manager}
        if connection.as_user:
            self._headers["Impersonate-User"] = connection.as_user
        self._manager = field_manager
        self._plurals = {**PLURALS, **(kinds or {})}
        self._timeout = timeout

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        self._pool.close()

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> Manifest | None:
        """See ClusterAccess."""
        return self._call("GET", self._path(api_version, kind, namespace, name))

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Manifest]:
        """See ClusterAccess."""
        return self._listing(api_version, kind, namespace, _query(labels, fields)).items

    def listing(self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None) -> Listing:
        """See ClusterAccess."""
        return self._listing(api_version, kind, namespace, _query(labels))

    def watch(
        self, api_version: str, kind: str, labels: Labels | None, resource_version: str, seconds: int
    ) -> Iterator[WatchEvent]:
        """See ClusterAccess."""
        path = self._path(api_version, kind, None)
        query = {"watch": "true", "resourceVersion": resource_version, "timeoutSeconds": str(seconds), **_query(labels)}
        # A connection that died in silence ends by the read timeout.
        response = self._send("GET", path, query=query, read_seconds=seconds + WATCH_GRACE, stream=True)
        try:
            with _reached():
                if response.status != 200:
                    raise _meaning(_refusal(response.status, response.read()), "GET", path, self._manager)
                for line in _lines(response.stream(2**16)):
                    yield _watch_event(json.loads(line))
        finally:
            response.close()

    def apply(self, manifest: Manifest) -> Manifest:
        """See ClusterAccess."""
        meta = manifest["metadata"]
        answer = self._call(
            "PATCH",
            self._path(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"]),
            body=manifest,
            query={"fieldManager": self._manager, "force": "true"},
            content_type="application/apply-patch+yaml",  # JSON is YAML
        )
        return answer or manifest

    def create(self, manifest: Manifest, *, strict: bool = False) -> Manifest:
        """See ClusterAccess."""
        namespace = manifest.get("metadata", {}).get("namespace", "")
        path = self._path(manifest["apiVersion"], manifest["kind"], namespace)
        query = {"fieldManager": self._manager, **({"fieldValidation": "Strict"} if strict else {})}
        status, answer = self._exchange("POST", path, body=manifest, query=query)
        if status == 404:
            cause = ApiRefusal(status, str(answer.get("message", "")))
            what = f"namespace {namespace!r} does not exist; create it" if namespace else cause.message
            raise PlatformError(what) from cause
        return answer

    def delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> None:
        """See ClusterAccess."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            self._call("DELETE", self._path(api_version, kind, namespace, name), body=body)
        except Conflict:
            return  # another object has taken the name: the one that was meant is gone

    def replace_status(self, manifest: Manifest) -> Manifest | None:
        """See ClusterAccess."""
        meta = manifest["metadata"]
        path = self._path(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
        return self._call("PUT", f"{path}/status", body=manifest, query={"fieldManager": self._manager})

    def record_event(self, manifest: Manifest, type_: str, reason: str, message: str, now: datetime) -> None:
        """See ClusterAccess."""
        event = event_manifest(manifest, type_, reason, message, now, self._manager)
        try:
            self._call("POST", self._path("v1", "Event", manifest["metadata"]["namespace"]), body=event)
        except Conflict:
            return  # recorded before

    def _listing(self, api_version: str, kind: str, namespace: str | None, query: Mapping[str, str]) -> Listing:
        answer = self._call("GET", self._path(api_version, kind, namespace), query=query)
        if answer is None:
            owner = "the chart's CRDs" if api_version == API_VERSION else "what provides it"
            raise PlatformError(f"the cluster has no kind {kind} in {api_version}; install {owner}")
        # Items of a list come without these two, which everything else carries.
        items = [{"apiVersion": api_version, "kind": kind, **item} for item in answer["items"] or ()]
        return Listing(items, answer["metadata"]["resourceVersion"])

    def _path(self, api_version: str, kind: str, namespace: str | None, name: str = "") -> str:
        root = "/apis/" if "/" in api_version else "/api/"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{api_version}{scope}/{self._plurals[api_version, kind]}" + (f"/{name}" if name else "")

    def _call(self, method: str, path: str, **request: Any) -> Manifest | None:
        """The answer; None for 404."""
        status, answer = self._exchange(method, path, **request)
        return None if status == 404 else answer

    def _exchange(self, method: str, path: str, **request: Any) -> tuple[int, Manifest]:
        """Status and body of a success or of 404; every other answer is an error."""
        response = self._send(method, path, **request)
        if not 200 <= response.status < 300 and response.status != 404:
            if response.status == 401:
                self._credentials.rejected()
            raise _meaning(_refusal(response.status, response.data), method, path, self._manager)
        try:
            answer: Manifest = json.loads(response.data or b"{}")
        except ValueError as error:
            if response.status == 404:
                return 404, {}
            raise EngineUnavailable(f"the Kubernetes API does not answer in JSON to {method} {path}") from error
        return response.status, answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        read_seconds: float | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        connect, read = self._timeout
        headers = {**self._headers, "Content-Type": content_type} if body is not None else dict(self._headers)
        if token := self._credentials.token():
            headers["Authorization"] = f"Bearer {token}"
        with _reached():
            return self._pool.urlopen(
                method,
                f"{self._root}{path}" + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                # The loop tries again, with its own back-off.
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=connect, read=read_seconds or read),
                preload_content=not stream,
            )


def _pool(connection: Connection) -> urllib3.HTTPConnectionPool:
    options: dict[str, Any] = {"maxsize": CONNECTIONS}
    url = urlsplit(connection.server)
    if url.scheme == "https":
        options["ssl_context"] = connection.tls()
        options["assert_hostname"] = None if connection.verify else False
        options["cert_reqs"] = "CERT_REQUIRED" if connection.verify else "CERT_NONE"
        if connection.server_name:
            options["server_hostname"] = connection.server_name
    proxy = connection.proxy
    if proxy is None:
        proxy = _proxy_of_environment(url.scheme, url.hostname or "")
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    return manager.connection_from_url(connection.server)


def _proxy_of_environment(scheme: str, host: str) -> str | None:
    return None if proxy_bypass(host) else getproxies().get(scheme)


def _query(labels: Labels | None, fields: Mapping[str, str] | None = None) -> dict[str, str]:
    query = {}
    if labels:
        query["labelSelector"] = ",".join(_requirement(name, value) for name, value in labels.items())
    if fields:
        query["fieldSelector"] = ",".join(f"{path}={value}" for path, value in fields.items())
    return query


def _requirement(label: str, value: str | tuple[str, ...] | None) -> str:
    if value is None:
        return f"!{label}"
    return f"{label}={value}" if isinstance(value, str) else f"{label} in ({','.join(value)})"


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, whole)


def _watch_event(document: Manifest) -> WatchEvent:
    manifest = document["object"]
    if document["type"] != "ERROR":
        return WatchEvent(document["type"], manifest)
    cause = ApiRefusal(int(manifest.get("code", 500)), str(manifest.get("message", "")))
    if cause.status == 410:
        raise WatchExpired(cause.message) from cause
    raise EngineUnavailable(f"the Kubernetes API ended a watch: {cause}") from cause


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (HTTPError, OSError) as error:
        raise EngineUnavailable(f"the Kubernetes API does not answer: {error}") from error


def _refusal(status: int, content: bytes) -> ApiRefusal:
    try:
        text = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        text = f"the API server answered {status}"
    return ApiRefusal(status, text)


def _meaning(refusal: ApiRefusal, method: str, path: str, manager: str) -> Exception:
    error: Exception
    text = refusal.message
    match refusal.status:
        case 409:
            error = Conflict(text)
        case 410:
            error = WatchExpired(text)
        case 400 | 422:
            error = InvalidSpec(f"the Kubernetes API refuses it: {text}")
        case 403 if "admission webhook" in text:
            error = InvalidSpec(f"the Kubernetes API refuses it: {text}")
        case 401 | 403:
            error = PlatformError(
                f"{method} {path} is not permitted: {text}; check the RBAC of {manager} and the namespace's quota"
            )
        case _:
            error = EngineUnavailable(f"the Kubernetes API answers {refusal.status}: {text}")
    error.__cause__ = refusal
    return error
