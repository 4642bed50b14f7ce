"""The CustomResourceDefinition of a kind."""

from typing import Any

from pydantic import BaseModel

from homeostat.api.common import GROUP, NAME_LIMIT, NAME_PATTERN, VERSION, Resource, rule
from homeostat.api.crdgen.schema import Schema, structural

Kind = type[Resource[Any, Any]]

_NAME_RULE = rule(
    f"self.metadata.name.size() <= {NAME_LIMIT} && self.metadata.name.matches('{NAME_PATTERN}')",
    f"metadata.name has at most {NAME_LIMIT} characters, lowercase letters, digits and '-', begins with a letter and "
    "does not end with '-': the names of child objects derive from it",
)
_API_VERSION = {"description": "Version of the schema that the object is written in.", "type": "string"}
_KIND = {"description": "Kind of the object.", "type": "string"}


def spec_schema(kind: Kind) -> Schema:
    """Schema of a kind's spec, without the rules that compare with the old one."""
    return structural(_part(kind, "spec"), f"{kind.KIND}.spec", defaults=True)


def status_schema(kind: Kind) -> Schema:
    """Schema of a kind's status."""
    return structural(_part(kind, "status"), f"{kind.KIND}.status", defaults=False)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    spec = spec_schema(kind)
    rules = [*spec.get("x-kubernetes-validations", []), *kind.TRANSITION_RULES, *_immutable(kind, spec)]
    if rules:
        spec["x-kubernetes-validations"] = rules
    schema = {
        "description": (kind.__doc__ or "").strip(),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": {"type": "object"},
            "spec": spec,
            # kstatus: until an operator has looked at it, an object is behind its generation, and tools wait for it.
            "status": {**status_schema(kind), "default": {"observedGeneration": -1}},
        },
        "x-kubernetes-validations": [_NAME_RULE],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column.model_dump()) for column in kind.COLUMNS],
        "schema": {"openAPIV3Schema": schema},
    }
    names = {
        "kind": kind.KIND,
        "listKind": f"{kind.KIND}List",
        "plural": kind.PLURAL,
        "singular": kind.KIND.lower(),
        "shortNames": [kind.SHORT_NAME],
        "categories": ["homeostat"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _part(kind: Kind, field: str) -> type[BaseModel]:
    model = kind.model_fields[field].annotation
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise TypeError(f"{kind.KIND}.{field} is no model")
    return model


def _column(column: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": column["name"], "type": column["type"], "jsonPath": column["path"]}
    return {**shown, "priority": column["priority"]} if column["priority"] else shown


def _immutable(kind: Kind, spec: Schema) -> list[dict[str, Any]]:
    """A rule for every field that may not change; a field that can be absent must also stay absent, or stay."""
    if kind.MUTABLE_FIELDS is None:
        return []
    rules = []
    for name, field in spec["properties"].items():
        if name in kind.MUTABLE_FIELDS:
            continue
        same = f"self.{name} == oldSelf.{name}"
        if name not in spec.get("required", []) and "default" not in field:
            same = f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})"
        rules.append(rule(same, f"{name} is immutable; create a new {kind.KIND}"))
    return rules
