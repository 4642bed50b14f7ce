"""Observations as JSON: whoever records one can replay the plan that followed from it, without a cluster."""

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

ObservationT = TypeVar("ObservationT")


# Building the serialiser of a class takes milliseconds, so each is built once.
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(observation: Any) -> bytes:
    """An observation of any kind as JSON."""
    # Not dump_json: it writes null for an infinite float, which would come back as no value at all.
    content = _adapter(type(observation)).dump_python(observation, mode="json", by_alias=True)
    return json.dumps(content).encode()


def from_json(kind: type[ObservationT], content: bytes) -> ObservationT:
    """The observation that `to_json` wrote: equal to it, so the same plan follows from it.

    Args:
        kind: Class of the observation, such as ``MonitorObservation``.
        content: What `to_json` returned.

    Raises:
        pydantic.ValidationError: The content is not of this class.
    """
    observation: ObservationT = _adapter(kind).validate_json(content)
    return observation
