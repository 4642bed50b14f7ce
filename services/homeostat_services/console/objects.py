"""Objects of the four kinds for the read API and the trigger: by plural, and refused in the API server's own words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from homeostat.api.common import API_VERSION, GROUP
from homeostat.api.v1alpha1 import KINDS, TrainingJob
from homeostat.cluster import ClusterAccess, Conflict, Manifest, refusal_behind
from homeostat.reconcile.errors import PlatformError
from homeostat_services.access import Refused
from homeostat_services.console.trigger import is_same_request

KIND_OF = {kind.PLURAL: kind.KIND for kind in KINDS}
*_FIRST, _LAST = map(repr, KIND_OF)
_PLURALS = f"{', '.join(_FIRST)} or {_LAST}"


def _plural(text: str) -> str:
    if text not in KIND_OF:
        raise PydanticCustomError("enum", "Input should be {plurals}", {"plurals": _PLURALS})
    return text


Plural = Annotated[str, AfterValidator(_plural)]
"""A kind, as it is spelt in paths."""


class ClusterRefused(Refused):
    """The API server refused; status and text are its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def listing(cluster: ClusterAccess, plural: str, namespace: str) -> Manifest:
    """The objects of a kind in a namespace, as the API server lists them."""
    with _refused():
        objects = cluster.listing(API_VERSION, KIND_OF[plural], namespace)
    metadata = {"continue": "", "resourceVersion": objects.resource_version}
    return {"apiVersion": API_VERSION, "kind": f"{KIND_OF[plural]}List", "metadata": metadata, "items": objects.items}


def get(cluster: ClusterAccess, plural: str, namespace: str, name: str) -> Manifest:
    """One object.

    Raises:
        ClusterRefused: It is not there, or the API server refuses or does not answer.
    """
    with _refused():
        manifest = cluster.get(API_VERSION, KIND_OF[plural], namespace, name)
    if manifest is None:
        raise ClusterRefused(404, f'{plural}.{GROUP} "{name}" not found')
    return manifest


def create_once(cluster: ClusterAccess, training_job: Manifest, *, retried: bool) -> Manifest:
    """The TrainingJob, created now or by an earlier try of the same request; unknown fields are refused.

    Raises:
        ClusterRefused: The name or key is taken by something else, or the API server refuses or does not answer.
    """
    namespace, name = training_job["metadata"]["namespace"], training_job["metadata"]["name"]
    try:
        with _refused():
            return cluster.create(training_job, strict=True)
    except ClusterRefused as error:
        if error.status != 409 or not retried:
            raise
    existing = get(cluster, TrainingJob.PLURAL, namespace, name)
    if not is_same_request(existing, training_job):
        raise ClusterRefused(
            409,
            f"TrainingJob {name!r} exists and was created by a different request; use a new Idempotency-Key or another name",
        )
    return existing


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except (PlatformError, Conflict) as error:
        answer = refusal_behind(error)
        if answer is None:
            raise ClusterRefused(503, "the API server does not answer; try again") from error
        raise ClusterRefused(answer.status, answer.message) from error
