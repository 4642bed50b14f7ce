"""Follows ModelDeployments and pods by list and watch, each in a thread of its own.

During an outage of the API server the last state stays in force: traffic must not depend on the control plane.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog
import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.watch import Watch

from homeostat.api.common import GROUP, VERSION
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ModelDeploymentStatus
from homeostat_services.router.state import PREDICTOR, Deployment, Pod, Share
from homeostat_services.router.targets import COMPONENTS

WATCH_SECONDS = 240
"""A watch ends after this, and a new list corrects whatever was missed."""
RETRY_SECONDS = 1.0
CONNECT_SECONDS = 3

_log = structlog.get_logger()
Seen = TypeVar("Seen")


def deployment_from(resource: Mapping[str, Any]) -> Deployment:
    """The traffic of a ModelDeployment, read from its status."""
    status = ModelDeploymentStatus.model_validate(resource.get("status") or {})
    meta = resource["metadata"]
    shares = tuple(Share(t.version, t.weight, t.mirror) for t in status.traffic)
    return Deployment(meta["namespace"], meta["name"], shares)


def pod_from(resource: Mapping[str, Any]) -> Pod | None:
    """A pod that runs; None before it has an address and after its end."""
    meta, status = resource["metadata"], resource.get("status") or {}
    if status.get("phase") != "Running" or not status.get("podIP"):
        return None
    labels = meta.get("labels") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        component=labels.get("app.kubernetes.io/component", ""),
        address=status["podIP"],
        ready=ready and not meta.get("deletionTimestamp"),
        deployment=labels.get("homeostat.dev/name", ""),
        version=labels.get("homeostat.dev/version", ""),
    )


def deployments(api: client.ApiClient) -> tuple[Callable[..., Any], dict[str, Any]]:
    """List call of all ModelDeployments."""
    custom = client.CustomObjectsApi(api)
    return custom.list_cluster_custom_object, {"group": GROUP, "version": VERSION, "plural": ModelDeployment.PLURAL}


def pods(api: client.ApiClient) -> tuple[Callable[..., Any], dict[str, Any]]:
    """List call of all pods that serve or are scraped."""
    selector = f"app.kubernetes.io/component in ({','.join((PREDICTOR, *COMPONENTS))})"
    return client.CoreV1Api(api).list_pod_for_all_namespaces, {"label_selector": selector}


class Follower:
    """Keeps a mapping of all resources of one sort up to date.

    Args:
        call: The list method and its arguments.
        parse: What is kept of a resource; None: nothing.
        publish: Called with the whole mapping after the list and after each change, in the follower's thread.
    """

    def __init__(
        self,
        api: client.ApiClient,
        call: tuple[Callable[..., Any], dict[str, Any]],
        parse: Callable[[Mapping[str, Any]], Seen | None],
        publish: Callable[[Mapping[str, Seen]], None],
    ) -> None:
        self._list, self._arguments = call
        # The client's own methods carry no types.
        self._plain: Any = api.sanitize_for_serialization
        self._stream: Any = Watch
        self._parse, self._publish = parse, publish
        self._seen: dict[str, Seen] = {}

    def start(self) -> None:
        """Follow in a thread that ends with the process."""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self._watch(self._load())
            except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
                _log.warning("the API server does not answer; the last state stays", error=str(error).splitlines()[0])
                pause.wait(RETRY_SECONDS)

    def _load(self) -> str:
        listing = self._list(**self._arguments, _request_timeout=(CONNECT_SECONDS, 30))
        body: dict[str, Any] = self._plain(listing)
        self._seen = {}
        for resource in body["items"]:
            self._keep(resource)
        self._publish(dict(self._seen))
        return str(body["metadata"]["resourceVersion"])

    def _watch(self, resource_version: str) -> None:
        events = self._stream().stream(
            self._list,
            **self._arguments,
            resource_version=resource_version,
            timeout_seconds=WATCH_SECONDS,
            # A connection that died without a word ends here at the latest.
            _request_timeout=(CONNECT_SECONDS, WATCH_SECONDS + 10),
        )
        for event in events:
            resource = event["raw_object"]
            if event["type"] == "DELETED":
                self._seen.pop(_key(resource), None)
            else:
                self._keep(resource)
            self._publish(dict(self._seen))

    def _keep(self, resource: Mapping[str, Any]) -> None:
        key = _key(resource)
        try:
            seen = self._parse(resource)
        except ValueError as error:
            # Its last readable state stays: one broken object must not take others' traffic, or its own, away.
            _log.error("an object cannot be read; its last state stays", key=key, error=str(error))
            return
        if seen is None:
            self._seen.pop(key, None)
        else:
            self._seen[key] = seen


def _key(resource: Mapping[str, Any]) -> str:
    meta = resource["metadata"]
    return f"{meta['namespace']}/{meta['name']}"
