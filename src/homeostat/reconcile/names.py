"""Names, labels and owner references of children: deterministic, so that a repeated create is harmless."""

import hashlib
import re
from typing import Any

from homeostat.api.common import GROUP, NAME_LIMIT, Resource

KIND_LABEL = f"{GROUP}/kind"
NAME_LABEL = f"{GROUP}/name"
PURPOSE_LABEL = f"{GROUP}/purpose"
NUMBER_LABEL = f"{GROUP}/number"
VERSION_LABEL = f"{GROUP}/version"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "homeostat"

_HASH_LENGTH = 8


def child_name(parent: str, purpose: str, n: int) -> str:
    """``<parent>-<purpose>-<n>``; a parent that is too long is cut and marked with a hash of its whole name.

    No name is longer than those of our own kinds may be, because a child can be one (a Monitor's TrainingJob).
    """
    tail = f"-{purpose}-{n}"
    room = NAME_LIMIT - len(tail)
    if len(parent) > room:
        mark = hashlib.sha256(parent.encode()).hexdigest()[:_HASH_LENGTH]
        parent = f"{parent[: room - _HASH_LENGTH - 1].rstrip('-')}-{mark}"
    return parent + tail


def number_of(name: str) -> int | None:
    """The number at the end of a child's name, or None."""
    match = re.search(r"-([0-9]+)$", name)
    return int(match[1]) if match else None


def version_name(parent: str, version: str) -> str:
    """``<parent>-v<version>``: Deployment and Service of one version of a model; ≤ 63 characters for versions up to nine digits."""
    return f"{parent}-v{version}"


def labels_for(
    resource: Resource[Any, Any], purpose: str = "", *, number: int | None = None, version: str = ""
) -> dict[str, str]:
    """Labels of a child, by which it is found again; what is not given is left out."""
    optional = {
        PURPOSE_LABEL: purpose,
        NUMBER_LABEL: "" if number is None else str(number),
        VERSION_LABEL: version,
    }
    return {
        KIND_LABEL: resource.kind,
        NAME_LABEL: resource.metadata.name,
        MANAGED_BY_LABEL: MANAGED_BY,
        **{label: value for label, value in optional.items() if value},
    }


def owner_reference(resource: Resource[Any, Any]) -> dict[str, Any]:
    """The controller reference to put on a child."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
