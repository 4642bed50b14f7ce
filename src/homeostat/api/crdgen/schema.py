"""pydantic's JSON Schema → Kubernetes' structural OpenAPI v3 schema.

The rules are those of https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
under "Specifying a structural schema": no references, no null, no ``const``, one type for every value.
"""

from typing import Any

from pydantic import BaseModel

from homeostat.api.common import INT_OR_STRING

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_DROPPED = ("title", "default", "properties", "items", "additionalProperties", "$defs")


class SchemaError(Exception):
    """A model cannot become a structural schema, or is not bounded."""


def structural(model: type[BaseModel], path: str, *, defaults: bool) -> Schema:
    """Structural schema of a model.

    Args:
        model: The model.
        path: What it is called, for messages.
        defaults: Whether the API server shall fill in defaults; not in a status, which its one writer writes whole.

    Raises:
        SchemaError: Something has no structural form, no description, or no bound.
    """
    document = model.model_json_schema(by_alias=True)
    return _Rewriter(document.get("$defs", {}), defaults).rewrite(document, path)


class _Rewriter:
    def __init__(self, definitions: Schema, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults
        self._lists = 0

    def rewrite(self, node: Schema, path: str, described: str = "") -> Schema:
        """The structural schema of a node; `described` is its description when it has none itself."""
        node = {"description": described, **self._flattened(node, path)}
        unknown = [key for key in node if key not in (*_KEPT, *_DROPPED) and not key.startswith("x-kubernetes-")]
        if unknown or "type" not in node:
            raise SchemaError(f"{path}: {', '.join(unknown) or 'a value of any type'} has no structural form")
        if not node["description"]:
            raise SchemaError(f"{path} has no description; write one for kubectl explain")
        schema: Schema = {"description": node["description"]}
        schema |= {"anyOf": _INT_OR_STRING} if node.get(INT_OR_STRING) else {"type": node["type"]}
        schema |= {key: value for key, value in node.items() if key in _KEPT and key not in (*schema, "type")}
        self._add_default(schema, node)
        if "items" in node:
            # An item says what it is by its own class or, if it is plain, by the list that holds it.
            self._lists += 1
            schema["items"] = self.rewrite(node["items"], f"{path}[]", node["description"])
            self._lists -= 1
        if "properties" in node:
            schema["properties"] = {name: self.rewrite(p, f"{path}.{name}") for name, p in node["properties"].items()}
        elif isinstance(node.get("additionalProperties"), dict):
            values = node["additionalProperties"]
            schema["additionalProperties"] = self.rewrite(values, f"{path}{{}}", node["description"])
        schema |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
        _demand_bound(schema, path)
        return schema

    def _add_default(self, schema: Schema, node: Schema) -> None:
        default = node.get("default")
        if not self._defaults or default is None:
            return
        if self._lists:
            # Tools compare lists as a whole: a default that the API server fills into an item is a difference from git
            # that never goes away. The operators apply it instead, and the description names it.
            if default not in ([], {}, "") and "properties" not in node:
                schema["description"] = f"{schema['description'].rstrip('.')}; default {default}."
            return
        # The API server fills in an object's fields after the object itself: repeating them here could contradict them.
        schema["default"] = {} if "properties" in node else default

    def _flattened(self, node: Schema, path: str) -> Schema:
        """The node with its reference resolved, its null dropped, and numbers as the API server wants them."""
        node = dict(node)
        if "$ref" in node:
            name = node.pop("$ref").removeprefix("#/$defs/")
            return self._flattened({**self._definitions[name], **node}, path)
        if "anyOf" in node:
            choices = [choice for choice in node.pop("anyOf") if choice != {"type": "null"}]
            if len(choices) != 1:
                raise SchemaError(f"{path} may be one of {len(choices)} types; give each a field of its own")
            return self._flattened({**choices[0], **node}, path)
        if "const" in node:
            node["enum"] = [node.pop("const")]
        if node.get("type") == "integer":
            node["format"] = "int64"
            for bound, inclusive, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
                if bound in node:
                    node[inclusive] = node.pop(bound) + step
        return node


def _demand_bound(schema: Schema, path: str) -> None:
    """Without bounds the API server cannot tell what a CEL rule costs, and one object could fill etcd."""
    match schema:
        case {"anyOf": _} if "maxLength" not in schema:
            raise SchemaError(f"{path} has no maxLength")
        case {"type": "string"} if not schema.keys() & {"maxLength", "enum"} and schema.get("format") != "date-time":
            raise SchemaError(f"{path} has no maxLength")
        case {"type": "array"} if "maxItems" not in schema:
            raise SchemaError(f"{path} has no maxItems")
        case {"type": "object"} if "properties" not in schema and "maxProperties" not in schema:
            raise SchemaError(f"{path} has no maxProperties")
        case {"type": "number"}:
            raise SchemaError(f"{path} is a float; write a decimal as text")
