"""The real reviews, made with the service's own ServiceAccount (which needs `system:auth-delegator`)."""

from http import HTTPStatus

from homeostat.cluster import ClusterAccess, Manifest, refusal_behind
from homeostat.cluster.connection import load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.reconcile.errors import PlatformError
from homeostat_services.access.ports import Access, Caller, ReviewsUnavailable

TIMEOUT = (3.0, 5.0)
"""Seconds to connect and to read: a caller waits for it."""
DOWN = "the Kubernetes API server cannot be reached to authenticate and authorize the caller ({why}); try again in a few seconds"


def connect(service: str) -> KubernetesCluster:
    """The API server, from the pod's ServiceAccount, or from KUBECONFIG outside a cluster."""
    return KubernetesCluster(load_connection(), service, timeout=TIMEOUT)


class KubernetesReviews:
    """`Reviews` by the API server."""

    def __init__(self, cluster: ClusterAccess) -> None:
        self._cluster = cluster

    def authenticate(self, token: str) -> Caller | None:
        """See `Reviews.authenticate`."""
        status = self._review("authentication.k8s.io/v1", "TokenReview", {"token": token})
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        extra = tuple(sorted((key, tuple(values)) for key, values in (user.get("extra") or {}).items()))
        return Caller(user.get("username", ""), user.get("uid", ""), tuple(user.get("groups") or ()), extra)

    def is_allowed(self, caller: Caller, access: Access) -> bool:
        """See `Reviews.is_allowed`."""
        attributes = {
            "group": access.group,
            "resource": access.resource,
            "subresource": access.subresource,
            "verb": access.verb,
            "namespace": access.namespace,
            "name": access.name,
        }
        spec = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": {key: list(values) for key, values in caller.extra},
            "resourceAttributes": attributes,
        }
        return bool(self._review("authorization.k8s.io/v1", "SubjectAccessReview", spec).get("allowed"))

    def _review(self, api_version: str, kind: str, spec: Manifest) -> Manifest:
        """The status of a review.

        A refused review (this service lacks system:auth-delegator) is an outage too: it must not pass for a decision.
        """
        try:
            review = self._cluster.create({"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec})
        except PlatformError as error:
            answer = refusal_behind(error)
            why = f"{answer.status} {HTTPStatus(answer.status).phrase}" if answer else "no answer"
            raise ReviewsUnavailable(DOWN.format(why=why)) from error
        return review.get("status") or {}
