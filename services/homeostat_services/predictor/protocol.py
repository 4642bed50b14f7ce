"""The Open Inference Protocol v2 over REST: requests into columns, and mistakes into sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from homeostat_services.predictor.model import Signature

MAX_ROWS = 1000
MAX_BODY_BYTES = 8 * 1024 * 1024

_WHOLE = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "BYTES": ("BYTES",),
    "BOOL": ("BOOL",),
    "INT64": _WHOLE,
    "FP64": ("FP64", "FP32", "FP16", *_WHOLE),
}
"""Datatypes of a request by the datatype of the model's input."""

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "BYTES": ((str,), "a string"),
    "BOOL": ((bool,), "true or false"),
    "INT64": ((int,), "a whole number"),
    "FP64": ((float, int), "a number"),
}


class InvalidRequest(Exception):  # noqa: N818 - reads as what it says
    """A refused request; the text names field, value and remedy."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class InputTensor(msgspec.Struct):
    """One input: a value per row, null where it is missing."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferRequest(msgspec.Struct):
    """Body of a request; optional fields of the protocol that are not listed here are ignored."""

    inputs: list[InputTensor]
    id: str | None = None


class OutputTensor(msgspec.Struct):
    """One output: a value per row."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class InferResponse(msgspec.Struct):
    """Body of an answer. The prediction ids are `id` for one row, `<id>-<row>` for more."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]
    parameters: dict[str, str]


class Refusal(msgspec.Struct):
    """Body of every error."""

    error: str


_decode = msgspec.json.Decoder(InferRequest).decode


@dataclass(frozen=True)
class Rows:
    """A request, checked.

    Attributes:
        count: Number of rows.
        entities: Entity id per row, empty where the caller gave none.
        columns: Values by input name, one per row.
    """

    count: int
    entities: list[str]
    columns: dict[str, list[Any]]


def decode(body: bytes) -> InferRequest:
    """The request in a body.

    Raises:
        InvalidRequest: The body is not one.
    """
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"body: {error}; send an Open Inference Protocol request, see /openapi.json") from None


def ids_only(request: InferRequest, entity_field: str) -> Rows:
    """Rows of a request that gives entity ids and leaves the features to the online store.

    Raises:
        InvalidRequest: Something else was sent.
    """
    _refuse_others(request, {entity_field})
    rows = _entities(_only(request, entity_field), _count(request))
    for row, entity in enumerate(rows):
        if not entity:
            raise InvalidRequest(f"inputs[{entity_field}].data[{row}] is empty; give the id of an entity")
    return Rows(len(rows), rows, {})


def with_features(request: InferRequest, entity_field: str, signature: Signature) -> Rows:
    """Rows of a request that gives every feature, and the entity id if predictions are to be logged.

    Raises:
        InvalidRequest: A tensor is missing, or is not what the model takes.
    """
    wanted = {i.name: i.datatype for i in signature.inputs}
    _refuse_others(request, wanted.keys() | {entity_field})
    count = _count(request)
    columns = {name: _column(_only(request, name), datatype, count) for name, datatype in wanted.items()}
    named = any(tensor.name == entity_field for tensor in request.inputs)
    entities = _entities(_only(request, entity_field), count) if named else [""] * count
    return Rows(count, entities, columns)


def _refuse_others(request: InferRequest, allowed: set[str]) -> None:
    seen = set()
    for tensor in request.inputs:
        if tensor.name not in allowed:
            raise InvalidRequest(
                f"inputs: tensor {tensor.name!r} is not taken here; the inputs are {', '.join(sorted(allowed))}"
            )
        if tensor.name in seen:
            raise InvalidRequest(f"inputs: tensor {tensor.name!r} is given twice; give it once")
        seen.add(tensor.name)


def _count(request: InferRequest) -> int:
    if not request.inputs:
        raise InvalidRequest("inputs is empty; give at least one tensor")
    first = request.inputs[0]
    count = len(first.data)
    if not 1 <= count <= MAX_ROWS:
        raise InvalidRequest(f"inputs[{first.name}].data has {count} rows; send 1 to {MAX_ROWS} in one request")
    return count


def _only(request: InferRequest, name: str) -> InputTensor:
    for tensor in request.inputs:
        if tensor.name == name:
            return tensor
    raise InvalidRequest(f"inputs: tensor {name!r} is missing; add it, with null where a value is not known")


def _values(tensor: InputTensor, count: int) -> list[Any]:
    """The tensor's values, one per row; a column may be written flat or, as the protocol allows, nested."""
    if tensor.shape not in ([count], [count, 1]):
        raise InvalidRequest(
            f"inputs[{tensor.name}].shape is {tensor.shape}; give [{count}], as many as the first tensor"
        )
    values = tensor.data
    if tensor.shape == [count, 1] and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [value[0] for value in values]
    if len(values) != count:
        raise InvalidRequest(
            f"inputs[{tensor.name}].data has {len(values)} values for shape {tensor.shape}; give {count}"
        )
    return values


def _column(tensor: InputTensor, datatype: str, count: int) -> list[Any]:
    if tensor.datatype not in ACCEPTED[datatype]:
        raise InvalidRequest(
            f"inputs[{tensor.name}].datatype is {tensor.datatype!r}; this model takes {' or '.join(ACCEPTED[datatype])}"
        )
    types, noun = _TYPES[datatype]
    values = _values(tensor, count)
    for row, value in enumerate(values):
        # Exact types: to Python a bool is an int, and true is no number to us.
        if value is not None and type(value) not in types:
            raise InvalidRequest(
                f"inputs[{tensor.name}].data[{row}] is {value!r}; give {noun}, or null if it is not known"
            )
    return values


def _entities(tensor: InputTensor, count: int) -> list[str]:
    if tensor.datatype not in ("BYTES", "INT64"):
        raise InvalidRequest(f"inputs[{tensor.name}].datatype is {tensor.datatype!r}; an entity id is BYTES or INT64")
    values = _values(tensor, count)
    for row, value in enumerate(values):
        if value is not None and type(value) not in (str, int):
            raise InvalidRequest(
                f"inputs[{tensor.name}].data[{row}] is {value!r}; an entity id is a string or an integer"
            )
    return ["" if value is None else str(value) for value in values]
