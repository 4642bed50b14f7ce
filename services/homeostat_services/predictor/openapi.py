"""The OpenAPI document of a predictor, made from its table of routes and the types of its protocols."""

import re
from typing import Any

import msgspec

from homeostat_services.predictor import seldon
from homeostat_services.predictor.protocol import ACCEPTED, InferRequest, InferResponse, Refusal
from homeostat_services.predictor.routes import ROUTES, Route

_STATUSES = {
    "400": "A mistake in the request; the text names field, value and remedy.",
    "404": "Another model or version, or an entity that is not known.",
    "413": "The body is too long.",
    "415": "The body has an encoding other than gzip or deflate.",
    "429": "Too many large bodies are being received.",
    "503": "The online store does not answer.",
}
_SELDON_FORMS = "Rows by data.names and data.ndarray, data.names and data.tensor (numbers only), or jsonData (objects)."


def document(version: str) -> dict[str, Any]:
    """The document of a predictor that serves this version of a model."""
    numbers = "; ".join(f"{ours}: {', '.join(theirs)}" for ours, theirs in ACCEPTED.items())
    inference = {
        "v2": _inference(InferRequest, InferResponse, Refusal, f"Datatypes by the model's input: {numbers}."),
        "seldon": _inference(seldon.SeldonMessage, seldon.SeldonMessage, seldon.Failure, _SELDON_FORMS),
    }
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        if route.path in seldon.FEEDBACK or route.path == "/openapi.json":
            continue
        operation = {
            **_operation(route),
            **inference.get(route.protocol, {"responses": {"200": {"description": "OK"}}}),
        }
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "Homeostat predictor", "version": version}, "paths": paths}


def _operation(route: Route) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", route.path)
    place = {"in": "path", "required": True, "schema": {"type": "string"}}
    return {"summary": route.summary, "parameters": [{"name": name, **place} for name in names]}


def _inference(request: type, response: type, refusal: type, description: str) -> dict[str, Any]:
    template = "#/components/schemas/{name}"
    (body, answered, refused), components = msgspec.json.schema_components(
        (request, response, refusal), ref_template=template
    )

    def whole(schema: dict[str, Any]) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": _inlined(schema, components)}}}

    return {
        "requestBody": {"required": True, "description": description, **whole(body)},
        "responses": {
            "200": {"description": "Predictions.", **whole(answered)},
            **{status: {"description": text, **whole(refused)} for status, text in _STATUSES.items()},
        },
    }


def _inlined(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with its references replaced, so that each route stands alone; none of the types is recursive."""
    match schema:
        case {"$ref": str(reference)}:
            return _inlined(components[reference.rpartition("/")[2]], components)
        case dict():
            return {key: _inlined(value, components) for key, value in schema.items()}
        case list():
            return [_inlined(value, components) for value in schema]
        case _:
            return schema
