"""The console's sight of the cluster: custom resources and their Events, as plain documents."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from homeostat.api.common import API_VERSION, GROUP, VERSION
from homeostat.api.v1alpha1 import KINDS
from homeostat_services.access import Refused

PLURALS = tuple(kind.PLURAL for kind in KINDS)
TIMEOUT_SECONDS = 10

Document = dict[str, Any]


class ClusterRefused(Refused):
    """The API server said no; status and text are its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Snapshot:
    """All objects of the platform at one time, by plural, and their Events."""

    objects: dict[str, list[Document]] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)

    def of(self, plural: str, namespace: str) -> list[Document]:
        """Objects of one kind and namespace, oldest first."""
        return sorted(
            (o for o in self.objects.get(plural, []) if o["metadata"]["namespace"] == namespace),
            key=lambda o: (o["metadata"].get("creationTimestamp", ""), o["metadata"]["name"]),
        )

    def namespaces(self) -> list[str]:
        """Namespaces that hold any object."""
        return sorted({o["metadata"]["namespace"] for objects in self.objects.values() for o in objects})


class Cluster(Protocol):
    """What the console asks of the API server; every method blocks and raises `ClusterRefused`."""

    def read(self) -> Snapshot:
        """Every object of the platform and its Events."""
        ...

    def listing(self, plural: str, namespace: str) -> Document:
        """The objects of a kind in a namespace, as the API server lists them."""
        ...

    def get(self, plural: str, namespace: str, name: str) -> Document:
        """One object."""
        ...

    def create(self, plural: str, namespace: str, document: Document) -> Document:
        """The object as created; unknown fields are refused."""
        ...


class KubernetesCluster:
    """`Cluster` by the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    def read(self) -> Snapshot:
        """See `Cluster.read`."""
        objects = {plural: self._call("GET", f"/apis/{GROUP}/{VERSION}/{plural}")["items"] for plural in PLURALS}
        query = [("fieldSelector", f"involvedObject.apiVersion={API_VERSION}")]
        return Snapshot(objects, self._call("GET", "/api/v1/events", query)["items"])

    def listing(self, plural: str, namespace: str) -> Document:
        """See `Cluster.listing`."""
        return self._call("GET", f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}")

    def get(self, plural: str, namespace: str, name: str) -> Document:
        """See `Cluster.get`."""
        return self._call("GET", f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}/{name}")

    def create(self, plural: str, namespace: str, document: Document) -> Document:
        """See `Cluster.create`."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}"
        return self._call(
            "POST", path, [("fieldValidation", "Strict"), ("fieldManager", "homeostat-console")], document
        )

    def _call(
        self, method: str, path: str, query: list[tuple[str, str]] | None = None, body: Document | None = None
    ) -> Document:
        # Plain documents: the typed models of the client would drop what they do not know.
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = self._api.param_serialize(
            method, path, None, query or [], headers, body, auth_settings=["BearerToken"]
        )
        try:
            response = self._api.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            content = response.read()  # type: ignore[no-untyped-call]
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterRefused(503, f"the API server does not answer ({type(error).__name__}); try again") from error
        if response.status >= 400:
            raise ClusterRefused(response.status, _text(content, response.status))
        document: Document = json.loads(content)
        return document


def _text(content: bytes, status: int) -> str:
    """The server's own sentence."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the API server answered {status}"
