"""Parameters of a spec, as a compiled pipeline declares its inputs."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from homeostat.reconcile.errors import InvalidSpec

RESERVED = frozenset({"job", "pipeline_digest"})
"""Inputs that the platform fills in."""

Value = bool | int | float | str | list[Any] | dict[str, Any]


def arguments(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, Value]:
    """Values of the given parameters.

    Args:
        declared: The pipeline's input parameters by name, as its spec has them.
        given: Texts by name.

    Raises:
        InvalidSpec: A parameter is unknown, its text is not of its type, or one that the pipeline needs is not given.
    """
    for name in sorted(declared.keys() - RESERVED - given.keys()):
        if not declared[name].get("isOptional") and "defaultValue" not in declared[name]:
            raise InvalidSpec(f"spec.pipeline.parameters lacks {name!r}, which the pipeline needs; give it a value")
    return {name: _argument(declared, name, text) for name, text in given.items()}


def _argument(declared: Mapping[str, Mapping[str, Any]], name: str, text: str) -> Value:
    allowed = sorted(declared.keys() - RESERVED)
    if name not in allowed:
        has = f"has {', '.join(allowed)}" if allowed else "has none"
        raise InvalidSpec(f"spec.pipeline.parameters {name!r} is unknown; the pipeline {has}")
    kind = declared[name]["parameterType"]
    if kind not in _READERS:
        return text
    read, expected = _READERS[kind]
    try:
        return read(text)
    except ValueError:
        raise InvalidSpec(f"spec.pipeline.parameters {name!r} is {text!r}; write {expected}") from None


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _wrong(text)


def _json(kind: type[bool] | type[list[Any]] | type[dict[str, Any]]) -> Callable[[str], Value]:
    def read(text: str) -> Value:
        value: Value = json.loads(text)
        return value if isinstance(value, kind) else _wrong(text)

    return read


def _wrong(text: str) -> NoReturn:
    raise ValueError(text)


_READERS: dict[str, tuple[Callable[[str], Value], str]] = {
    "NUMBER_INTEGER": (int, "a whole number"),
    "NUMBER_DOUBLE": (_number, "a number"),
    "BOOLEAN": (_json(bool), "true or false"),
    "LIST": (_json(list), "a JSON list"),
    "STRUCT": (_json(dict), "a JSON object"),
}
