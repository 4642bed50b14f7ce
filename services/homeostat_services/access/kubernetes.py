"""The real reviews, asked with the service's own ServiceAccount (which needs `system:auth-delegator`)."""

from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from homeostat_services.access.ports import Access, Caller, ReviewsUnavailable

TIMEOUT_SECONDS = 5
DOWN = "the Kubernetes API server cannot be asked who calls and what they may do ({why}); try again in a few seconds"


def load_client() -> client.ApiClient:
    """A client from the pod's ServiceAccount, or from KUBECONFIG outside a cluster."""
    configuration = client.Configuration()
    # The first request after an outage should reach the API server, not a queue of retries.
    configuration.retries = False
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return client.ApiClient(configuration)


class KubernetesReviews:
    """`Reviews` by the API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._authentication = client.AuthenticationV1Api(api)
        self._authorization = client.AuthorizationV1Api(api)

    def who(self, token: str) -> Caller | None:
        """See `Reviews.who`."""
        review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
        status = _ask(self._authentication.create_token_review, review)
        if not status.authenticated:
            return None
        user = status.user
        extra = tuple(sorted((key, tuple(values)) for key, values in (user.extra or {}).items()))
        return Caller(user.username or "", user.uid or "", tuple(user.groups or ()), extra)

    def may(self, caller: Caller, access: Access) -> bool:
        """See `Reviews.may`."""
        attributes = client.V1ResourceAttributes(
            group=access.group,
            resource=access.resource,
            subresource=access.subresource or None,
            verb=access.verb,
            namespace=access.namespace,
            name=access.name or None,
        )
        spec = client.V1SubjectAccessReviewSpec(
            user=caller.name,
            uid=caller.uid or None,
            groups=list(caller.groups),
            extra={key: list(values) for key, values in caller.extra},
            resource_attributes=attributes,
        )
        review = client.V1SubjectAccessReview(spec=spec)
        return bool(_ask(self._authorization.create_subject_access_review, review).allowed)


def _ask(create: Any, review: Any) -> Any:
    """The status of a review.

    A refused review (this service lacks system:auth-delegator) is an outage too: it must not pass for a decision.
    """
    try:
        return create(review, _request_timeout=TIMEOUT_SECONDS).status
    except ApiException as error:
        raise ReviewsUnavailable(DOWN.format(why=f"{error.status} {error.reason}")) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ReviewsUnavailable(DOWN.format(why=type(error).__name__)) from error
