"""Each bound of each field of a spec with a value just beyond it, derived from the kinds, so that none is forgotten."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from contract.crds.manifests import ABSENT, Manifest, valid
from homeostat.api.crdgen.definition import spec_schema
from homeostat.api.crdgen.schema import Schema
from homeostat.api.v1alpha1 import KINDS

TEMPLATE = ("spec", "retrain", "template", "spec")
"""The spec of another kind, whose bounds are its own."""

_EXAMPLES: dict[str, Any] = {"string": "a", "integer": 1, "boolean": True, "object": {}}


@dataclass(frozen=True)
class Beyond:
    """A field with a value that breaks one of its bounds."""

    kind: str
    path: tuple[str | int, ...]
    bound: str
    value: Any

    def __str__(self) -> str:
        return f"{self.kind}:{self.field}:{self.bound}"

    @property
    def field(self) -> str:
        """The field as the API server names it."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).lstrip(".")

    def manifest(self) -> Manifest:
        """A valid manifest, but for this field."""
        result = copy.deepcopy(valid(self.kind))
        node: Any = result
        for step, following in pairwise(self.path):
            inner: Any = [] if isinstance(following, int) else {}
            if isinstance(step, int) and step == len(node):
                node.append(inner)
            node = node[step] if isinstance(step, int) else node.setdefault(step, inner)
        last = self.path[-1]
        if self.value is ABSENT:
            node.pop(last, None)
        elif last == len(node) and isinstance(last, int):
            node.append(self.value)
        else:
            node[last] = self.value
        return result


def beyond() -> Iterator[Beyond]:
    """A case for each bound of each field of each kind."""
    for kind in KINDS:
        yield from _below(kind.KIND, spec_schema(kind), ("spec",))


def _below(kind: str, node: Schema, path: tuple[str | int, ...]) -> Iterator[Beyond]:
    if path == TEMPLATE:
        return
    for bound, value in _values(node):
        yield Beyond(kind, path, bound, value)
    for name in node.get("required", []):
        yield Beyond(kind, (*path, name), "required", ABSENT)
    for name, field in node.get("properties", {}).items():
        yield from _below(kind, field, (*path, name))
    if "items" in node:
        yield from _below(kind, node["items"], (*path, 0))
    if "additionalProperties" in node:
        yield from _below(kind, node["additionalProperties"], (*path, "memory"))


def _values(node: Schema) -> Iterator[tuple[str, Any]]:
    """The node's bounds, each with a value that breaks it."""
    for bound, limit in node.items():
        match bound:
            case "minimum" | "maximum":
                yield bound, limit + (1 if bound == "maximum" else -1)
            case "maxLength":
                yield bound, "a" * (limit + 1)
            case "minLength":
                yield bound, "a" * (limit - 1)
            case "pattern" | "enum":
                yield bound, "!"
            case "minItems":
                yield bound, [_EXAMPLES[node["items"]["type"]]] * (limit - 1)
            case "maxItems":
                yield bound, [_EXAMPLES[node["items"]["type"]]] * (limit + 1)
            case "maxProperties":
                inner = _EXAMPLES[node["additionalProperties"].get("type", "integer")]
                yield bound, {f"name-{number}": inner for number in range(limit + 1)}
