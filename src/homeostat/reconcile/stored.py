"""Objects of the kinds as Kubernetes stores them, of which some may not be valid by now.

A CRD refuses less than the models do, and an earlier release may have accepted what this one refuses. Such an object is its
own affair: its operator says what is wrong with it, and whoever lists its kind goes on with all the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from homeostat.api.common import Resource
from homeostat.reconcile.errors import InvalidSpec

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])

MOST_FAULTS = 5
"""Faults of one object that a message names."""

MOST_NAMED = 3
"""Unreadable objects that a message names."""


@dataclass(frozen=True)
class Unreadable:
    """An object that is stored and that this release cannot read."""

    kind: str
    name: str
    faults: str
    """Fields, values and remedies."""

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name} cannot be read and is left out until it is corrected or deleted: {self.faults}."
        )


def parsed(kind: type[ResourceT], manifest: Mapping[str, Any]) -> ResourceT:
    """The object of a manifest.

    Raises:
        InvalidSpec: What users write of it is not valid; with field, value and remedy.
        pydantic.ValidationError: Only its status is not, which the operators alone write.
    """
    try:
        return kind.model_validate(manifest)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if fault["loc"][:1] != ("status",)]
        if not faults:
            raise
        raise InvalidSpec(_sentence(faults)) from error


def read(kind: type[ResourceT], manifest: Mapping[str, Any]) -> ResourceT | Unreadable:
    """The object of a manifest, or why it cannot be read."""
    try:
        return kind.model_validate(manifest)
    except ValidationError as error:
        return Unreadable(kind.KIND, manifest["metadata"]["name"], _sentence(error.errors()))


def read_all(kind: type[ResourceT], manifests: Iterable[Mapping[str, Any]]) -> tuple[list[ResourceT], list[Unreadable]]:
    """The objects that can be read, and those that cannot, each in the order of the manifests."""
    objects, unreadable = [], []
    for one in (read(kind, manifest) for manifest in manifests):
        if isinstance(one, Unreadable):
            unreadable.append(one)
        else:
            objects.append(one)
    return objects, unreadable


def find(unreadable: Iterable[Unreadable], kind: type[Resource[Any, Any]], name: str) -> Unreadable | None:
    """The unreadable object of that kind and name."""
    return next((one for one in unreadable if (one.kind, one.name) == (kind.KIND, name)), None)


def note(unreadable: Iterable[Unreadable]) -> str:
    """A sentence for each of the first unreadable objects, and the number of the others; empty without any."""
    listed = list(unreadable)
    more = f"{len(listed) - MOST_NAMED} more objects cannot be read." if len(listed) > MOST_NAMED else ""
    return " ".join([*map(str, listed[:MOST_NAMED]), more]).strip()


def _sentence(faults: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(_fault(fault) for fault in list(faults)[:MOST_FAULTS])


def _fault(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown field; remove it or correct its name"
    if fault["type"] == "value_error":
        return f"{where}: {message}"
    return f"{where}: {fault['input']!r} is not valid: {message}; correct it"
