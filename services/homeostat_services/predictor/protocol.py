"""The Open Inference Protocol v2 over REST: requests into columns, and mistakes into sentences."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from homeostat.artifacts.signature import Signature

MAX_ROWS = 1000
MAX_ID, MAX_ENTITY = 120, 256
"""Characters of the ids of a request and of an entity; the observer takes no longer ones, with the row's number added."""
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


_PLACE = "inputs[{name}].data[{row}]"
"""Where a value stands in a request."""


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
_name = attrgetter("name")


@dataclass(frozen=True)
class Rows:
    """A request, checked.

    Attributes:
        count: Number of rows.
        entities: Entity id per row, empty where the caller gave none.
        columns: Values by input name, one per row.
        place: Where the request gave an entity id, with {name} and {row} to be filled in.
    """

    count: int
    entities: list[str]
    columns: dict[str, list[Any]]
    place: str = _PLACE


def decode(body: bytes) -> InferRequest:
    """The request in a body.

    Raises:
        InvalidRequest: The body is not one.
    """
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"body: {error}; send an Open Inference Protocol request, see /openapi.json") from None


def check_id(value: str, field: str) -> str:
    """The id of a request, as it was given in a field.

    Raises:
        InvalidRequest: It is too long.
    """
    if len(value) > MAX_ID:
        raise InvalidRequest(
            f"{field} has {len(value)} characters; give at most {MAX_ID}, or omit it to have one generated"
        )
    return value


def ids_only(request: InferRequest, entity_field: str) -> Rows:
    """Rows of a request that gives entity ids and leaves the features to the online store.

    Raises:
        InvalidRequest: Something else was sent.
    """
    check_names(map(_name, request.inputs), {entity_field}, "inputs: tensor")
    rows = _entities(_only(request, entity_field), _count(request))
    check_all_named(rows, entity_field, _PLACE)
    return Rows(len(rows), rows, {})


def with_features(request: InferRequest, entity_field: str, signature: Signature) -> Rows:
    """Rows of a request that gives every feature, and the entity id if predictions are to be logged.

    Raises:
        InvalidRequest: A tensor is missing, or is not what the model takes.
    """
    expected = signature.datatypes
    given = check_names(map(_name, request.inputs), expected.keys() | {entity_field}, "inputs: tensor")
    count = _count(request)
    columns = {name: _column(_only(request, name), datatype, count) for name, datatype in expected.items()}
    entities = _entities(_only(request, entity_field), count) if entity_field in given else [""] * count
    return Rows(count, entities, columns)


def check_names(given: Iterable[str], allowed: Collection[str], field: str) -> set[str]:
    """The names; refuse those that are not inputs, or are given twice, in a sentence that begins with `field`.

    Raises:
        InvalidRequest: For the first such name.
    """
    names: set[str] = set()
    for name in given:
        if name not in allowed:
            raise InvalidRequest(
                f"{field} {name!r} is not an input of this model; the inputs are {', '.join(sorted(allowed))}"
            )
        if name in names:
            raise InvalidRequest(f"{field} {name!r} is given twice; give it once")
        names.add(name)
    return names


def check_count(count: int, field: str) -> None:
    """Refuse more rows than one request may have, or none.

    Raises:
        InvalidRequest: With the field that has them.
    """
    if not 1 <= count <= MAX_ROWS:
        raise InvalidRequest(f"{field} has {count} rows; send 1 to {MAX_ROWS} in one request")


def check_values(values: Sequence[Any], datatype: str, name: str, place: str) -> None:
    """Refuse values that are not of the input's datatype; `place` says where one stands, by {name} and {row}.

    Raises:
        InvalidRequest: For the first such value.
    """
    types, noun = _TYPES[datatype]
    for row, value in enumerate(values):
        # Exact types: to Python a bool is an int, and true is no number to us.
        if type(value) not in types and value is not None:
            where = place.format(name=name, row=row)
            raise InvalidRequest(f"{where} is {value!r}; give {noun}, or null if it is not known")


def entity_ids(values: Sequence[Any], name: str, place: str) -> list[str]:
    """Entity ids as text, empty where there is none; `name` and `place` as for `check_values`.

    Raises:
        InvalidRequest: A value is neither a string nor an integer, or too long.
    """
    entities = ["" if value is None else str(value) for value in values]
    for row, (value, entity) in enumerate(zip(values, entities, strict=True)):
        if type(value) not in (str, int) and value is not None:
            where = place.format(name=name, row=row)
            raise InvalidRequest(f"{where} is {value!r}; an entity id is a string or an integer")
        if len(entity) > MAX_ENTITY:
            where = place.format(name=name, row=row)
            raise InvalidRequest(f"{where} has {len(entity)} characters; an entity id has at most {MAX_ENTITY}")
    return entities


def check_all_named(entities: Sequence[str], name: str, place: str) -> None:
    """Refuse rows without an entity id; `name` and `place` as for `check_values`.

    Raises:
        InvalidRequest: For the first such row.
    """
    for row, entity in enumerate(entities):
        if not entity:
            raise InvalidRequest(f"{place.format(name=name, row=row)} is empty; give the id of an entity")


def _count(request: InferRequest) -> int:
    if not request.inputs:
        raise InvalidRequest("inputs is empty; give at least one tensor")
    first = request.inputs[0]
    count = len(first.data)
    check_count(count, f"inputs[{first.name}].data")
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
    values = _values(tensor, count)
    check_values(values, datatype, tensor.name, _PLACE)
    return values


def _entities(tensor: InputTensor, count: int) -> list[str]:
    if tensor.datatype not in ("BYTES", "INT64"):
        raise InvalidRequest(f"inputs[{tensor.name}].datatype is {tensor.datatype!r}; an entity id is BYTES or INT64")
    return entity_ids(_values(tensor, count), tensor.name, _PLACE)
