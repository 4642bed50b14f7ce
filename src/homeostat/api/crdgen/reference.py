"""The API reference: one table per spec and status, from the same schemas as the CRDs."""

import json
from collections.abc import Iterator, Sequence

from homeostat.api.common import API_VERSION
from homeostat.api.crdgen.definition import Kind, definition, spec_schema
from homeostat.api.crdgen.schema import Schema

_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "minItems": "≥ {} items",
    "maxItems": "≤ {} items",
    "maxProperties": "≤ {} entries",
    "pattern": "`{}`",
}
_HEADER = "| field | type | default | bounds | description |\n|---|---|---|---|---|"


def reference(kinds: Sequence[Kind]) -> str:
    """The reference of all kinds as Markdown."""
    specs = {kind.KIND: spec_schema(kind) for kind in kinds}
    parts = [
        f"# API reference: {API_VERSION}\n\nGenerated from `src/homeostat/api`. Fields in **bold** are required.\n"
    ]
    for kind in kinds:
        schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        others = {name: spec for name, spec in specs.items() if name != kind.KIND}
        parts.append(
            f"## {kind.KIND}\n\n{schema['description']}\n\nShort name `{kind.SHORT_NAME}`, category `homeostat`.\n"
        )
        for part in ("spec", "status"):
            table = "\n".join(_rows(schema["properties"][part], part, others))
            parts.append(f"### {kind.KIND} {part}\n\n{_HEADER}\n{table}\n")
        rules = "\n".join(f"- {text}" for text in _rules(schema, "", others))
        parts.append(f"### {kind.KIND} rules\n\n{rules}\n")
    return "\n".join(parts)


def _rows(node: Schema, path: str, others: dict[str, Schema]) -> Iterator[str]:
    """A row for each field below a node; the spec of another kind is named and not repeated."""
    for name, field in node.get("properties", {}).items():
        where = f"{path}.{name}" if path not in ("spec", "status") else name
        required = name in node.get("required", [])
        same = next((kind for kind, spec in others.items() if _shape(field) == _shape(spec)), None)
        description = (
            f"{field['description']} See [{same} spec](#{same.lower()}-spec)." if same else field["description"]
        )
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        label = f"**{where}**" if required else where
        yield f"| {label} | {_type(field)} | {default} | {_bounds(field)} | {description} |"
        if not same:
            inner = field.get("items", field)
            yield from _rows(inner, f"{where}[]" if "items" in field else where, others)


def _shape(schema: Schema) -> Schema:
    properties: Schema = schema.get("properties", {})
    return properties


def _type(field: Schema) -> str:
    match field:
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": values}:
            return f"map to {_type(values)}"
        case {"format": "date-time"}:
            return "time"
        case {"anyOf": _}:
            return "string or integer"
    return str(field["type"])


def _bounds(field: Schema) -> str:
    inner: Schema = field.get("items") or field.get("additionalProperties") or {}
    bounds = [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    bounds += [f"each {text.format(inner[key])}" for key, text in _BOUNDS.items() if key in inner]
    return ", ".join(bounds).replace("|", "\\|")


def _rules(node: Schema, path: str, others: dict[str, Schema]) -> Iterator[str]:
    """What the API server refuses beyond the tables, by the messages that it gives."""
    for rule in node.get("x-kubernetes-validations", []):
        yield f"`{path}`: {rule['message']}" if path else rule["message"]
    if any(_shape(node) == _shape(spec) for spec in others.values()):
        return
    for name, field in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield from _rules(field, where, others)
        if "items" in field:
            yield from _rules(field["items"], f"{where}[]", others)
