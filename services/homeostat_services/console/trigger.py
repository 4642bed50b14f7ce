"""The API trigger: which TrainingJob a request asks for; pure."""

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from homeostat.api.common import API_VERSION, NAME_PATTERN, ResourceName, truncated
from homeostat.api.v1alpha1 import TrainingJob
from homeostat.cluster import Manifest
from homeostat.documents import StrictDocument
from homeostat_services.access import Caller

NAME_LENGTH = 52
SUFFIX_LENGTH = 10

REQUESTED_BY = "homeostat.dev/requested-by"
REQUEST = "homeostat.dev/request"
"""Digest of the request that made an object: the same key with another request is a mistake."""


class TrainingRequest(StrictDocument):
    """A training asked for through the API: with a spec of its own, or as an earlier one was."""

    namespace: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=63)]
    name: ResourceName | None = None
    generate_name: Annotated[
        str | None, StringConstraints(pattern=r"^[a-z0-9][-a-z0-9]*$", max_length=NAME_LENGTH - SUFFIX_LENGTH)
    ] = None
    spec: Annotated[dict[str, Any] | None, Field(description="spec of the TrainingJob; its trigger is filled in.")] = (
        None
    )
    source: Annotated[
        ResourceName | None, Field(alias="from", description="A TrainingJob of the namespace whose spec is taken.")
    ] = None
    message: Annotated[str, Field(description="Human-readable explanation.", max_length=800)] = ""

    @model_validator(mode="after")
    def _has_one_spec(self) -> Self:
        if (self.spec is None) == (self.source is None):
            raise ValueError("give exactly one of spec and from")
        if self.name is not None and self.generate_name is not None:
            raise ValueError("give at most one of name and generateName")
        return self

    def digest(self) -> str:
        """Digest of what is asked for."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def training_job(request: TrainingRequest, spec: dict[str, Any], caller: Caller, key: str) -> Manifest:
    """The TrainingJob to create.

    Args:
        request: What was asked for.
        spec: Its spec, or that of the TrainingJob it names.
        caller: Who asked.
        key: The same for retries of one request: from its Idempotency-Key, else drawn at random.
    """
    unique = hashlib.sha256(json.dumps([caller.name, key]).encode()).hexdigest()[:SUFFIX_LENGTH]
    base = request.generate_name or f"{request.source or 'api'}-"
    message = request.message or "Requested through the console's API"
    kept = {field: value for field, value in spec.items() if field not in {"trigger", "suspend"}}
    return {
        "apiVersion": API_VERSION,
        "kind": TrainingJob.KIND,
        "metadata": {
            "name": request.name or base[: NAME_LENGTH - SUFFIX_LENGTH] + unique,
            "namespace": request.namespace,
            "labels": {"homeostat.dev/trigger": "api"},
            "annotations": {REQUESTED_BY: caller.name, REQUEST: request.digest()},
        },
        "spec": kept | {"trigger": {"type": "API", "message": truncated(f"{message} (by {caller.name})")}},
    }


def is_same_request(existing: Manifest, requested: Manifest) -> bool:
    """Whether an object with the wanted name is what this very request made before."""
    return bool(
        existing["metadata"].get("annotations", {}).get(REQUEST) == requested["metadata"]["annotations"][REQUEST]
    )
