"""Parameters of a spec, as a compiled pipeline declares its inputs."""

from collections.abc import Mapping
from typing import Any

from homeostat.reconcile.errors import InvalidSpec

RESERVED = frozenset({"job", "pipeline_digest"})
"""Inputs that the platform fills in."""

_NUMBERS: dict[str, type[int] | type[float]] = {"NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}


def arguments(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, int | float | str]:
    """Values of the given parameters.

    Args:
        declared: The pipeline's input parameters by name, as its spec has them.
        given: Texts by name.

    Raises:
        InvalidSpec: A parameter is unknown, or its text is not of its type.
    """
    return {name: _argument(declared, name, text) for name, text in given.items()}


def _argument(declared: Mapping[str, Mapping[str, Any]], name: str, text: str) -> int | float | str:
    allowed = sorted(declared.keys() - RESERVED)
    if name not in allowed:
        raise InvalidSpec(f"spec.pipeline.parameters {name!r} is unknown; the pipeline has {', '.join(allowed)}")
    kind = declared[name]["parameterType"]
    if kind not in _NUMBERS:
        return text
    try:
        number: int | float = _NUMBERS[kind](text)
    except ValueError:
        wanted = "a whole number" if kind == "NUMBER_INTEGER" else "a number"
        raise InvalidSpec(f"spec.pipeline.parameters {name!r} is {text!r}; write {wanted}") from None
    return number
