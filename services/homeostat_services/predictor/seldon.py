"""Seldon Core's v1 protocol: a SeldonMessage into rows, predictions into a SeldonMessage, mistakes into its status."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from homeostat.artifacts.signature import Signature
from homeostat_services.predictor.protocol import (
    InvalidRequest,
    Rows,
    check_all_named,
    check_count,
    check_names,
    check_values,
    entity_ids,
)

PREDICT = ("/predict", "/api/v1.0/predictions")
FEEDBACK = ("/send-feedback", "/api/v1.0/feedback")
"""What can be asked of a component, and the same of a deployment."""

NO_FEEDBACK = (
    "feedback is not accepted here; post outcomes to the observer, /v1/outcomes, "
    "with the answer's meta.puid as the prediction's id"
)
_REASONS = {
    400: "MICROSERVICE_BAD_DATA",
    404: "MICROSERVICE_NOT_FOUND",
    413: "MICROSERVICE_TOO_LONG",
    501: "MICROSERVICE_NOT_IMPLEMENTED",
    503: "MICROSERVICE_UNAVAILABLE",
}
_EXACT = 2**53
"""Beyond it a double skips whole numbers."""


class Tensor(msgspec.Struct):
    """Numbers, row by row; "NaN" where one is missing."""

    shape: list[int]
    values: list[Any]


class Data(msgspec.Struct, omit_defaults=True):
    """A table: the names of its columns, and its rows in one of two forms."""

    names: list[str] = msgspec.field(default_factory=list)
    ndarray: list[list[Any]] | None = None
    tensor: Tensor | None = None


class Meta(msgspec.Struct, omit_defaults=True):
    """What goes with a message. The prediction ids are `puid` for one row, `<puid>-<row>` for more."""

    puid: str = ""
    tags: dict[str, Any] = msgspec.field(default_factory=dict)


class SeldonMessage(msgspec.Struct, rename="camel", omit_defaults=True):
    """Body of a request and of an answer; fields of the protocol that are not listed here are ignored."""

    data: Data | None = None
    json_data: Any = None
    meta: Meta = msgspec.field(default_factory=Meta)


class Status(msgspec.Struct):
    """Why a request was refused; `code` is the HTTP status, `info` names field, value and remedy."""

    code: int
    info: str
    reason: str
    status: str = "FAILURE"


class Failure(msgspec.Struct):
    """Body of every error."""

    status: Status


@dataclass(frozen=True)
class Table:
    """What a message gives, whatever its form.

    Attributes:
        columns: Values by name, one per row.
        names_field: Where the names stand.
        place: Where a value stands, with {name} and {row} to be filled in.
    """

    columns: dict[str, list[Any]]
    names_field: str
    place: str


_decode = msgspec.json.Decoder(SeldonMessage).decode


def paths(call: tuple[str, str], namespace: str, deployment: str) -> tuple[str, ...]:
    """Where `PREDICT` or `FEEDBACK` are answered.

    A gateway of Seldon's takes its prefix away, but Seldon's clients ask with it even where there is no gateway.
    """
    component, whole = call
    return (component, whole, f"/seldon/{deployment}{whole}", f"/seldon/{namespace}/{deployment}{whole}")


def decode(body: bytes) -> SeldonMessage:
    """The message in a body: JSON, or a form whose field `json` has it, as `SeldonClient.microservice` sends it.

    Raises:
        InvalidRequest: The body is not one.
    """
    if body.startswith(b"json="):
        body = unquote_to_bytes(body.removeprefix(b"json=").replace(b"+", b" "))
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"body: {error}; send a SeldonMessage, see /openapi.json") from None


def ids_only(message: SeldonMessage, entity_field: str) -> Rows:
    """Rows of a message that gives entity ids and leaves the features to the online store.

    Raises:
        InvalidRequest: Something else was sent.
    """
    table = _table(message)
    check_names(table.columns, {entity_field}, table.names_field)
    entities = _entities(table, entity_field)
    check_all_named(entities, entity_field, table.place)
    return Rows(len(entities), entities, {}, table.place)


def with_features(message: SeldonMessage, entity_field: str, signature: Signature) -> Rows:
    """Rows of a message that gives every feature, and the entity id if predictions are to be logged.

    Raises:
        InvalidRequest: A column is missing, or is not what the model takes.
    """
    table = _table(message)
    expected = signature.datatypes
    check_names(table.columns, expected.keys() | {entity_field}, table.names_field)
    columns = {name: _column(table, name, datatype) for name, datatype in expected.items()}
    count = len(next(iter(columns.values())))
    entities = _entities(table, entity_field) if entity_field in table.columns else [""] * count
    return Rows(count, entities, columns, table.place)


def answer(message: SeldonMessage, puid: str, output: str, scores: list[float], tags: dict[str, str]) -> SeldonMessage:
    """The answer to a message, in its form: rows to rows, a tensor to everything else."""
    if message.data is not None and message.data.ndarray is not None:
        data = Data([output], ndarray=[[score] for score in scores])
    else:
        data = Data([output], tensor=Tensor([len(scores), 1], [*scores]))
    return SeldonMessage(data=data, meta=Meta(puid, {**message.meta.tags, **tags}))


def failure(info: str, status: int) -> Failure:
    """The body of an error with an HTTP status."""
    return Failure(Status(status, info, _REASONS.get(status, "MICROSERVICE_INTERNAL_ERROR")))


def _table(message: SeldonMessage) -> Table:
    data = message.data or Data()
    match data.ndarray, data.tensor, message.json_data:
        case list() as rows, None, None:
            check_count(len(rows), "data.ndarray")
            return _named(data.names, rows, "data.ndarray[{row}]")
        case None, Tensor() as tensor, None:
            return _named(data.names, _split(tensor), "data.tensor, row {row}")
        case None, None, dict() as row:
            return _keyed([row], "jsonData")
        case None, None, list() as rows:
            check_count(len(rows), "jsonData")
            return _keyed(rows, "jsonData[{row}]")
        case _:
            raise InvalidRequest(
                "body: give exactly one of data.ndarray, data.tensor and jsonData, the last an object or a list of them"
            )


def _split(tensor: Tensor) -> list[list[Any]]:
    shape, values = tensor.shape, tensor.values
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != len(values):
        raise InvalidRequest(f"data.tensor.shape is {shape} for {len(values)} values; give [rows, columns]")
    check_count(shape[0], "data.tensor")
    for index, value in enumerate(values):
        if type(value) not in (float, int) and value != "NaN":
            raise InvalidRequest(f"data.tensor.values[{index}] is {value!r}; a tensor takes numbers, send data.ndarray")
    return [values[start : start + shape[1]] for start in range(0, len(values), shape[1])]


def _named(names: list[str], rows: list[list[Any]], place: str) -> Table:
    if not names:
        raise InvalidRequest("data.names is missing; name the columns")
    check_names(names, names, "data.names:")
    for row, values in enumerate(rows):
        if len(values) != len(names):
            raise InvalidRequest(
                f"{place.format(row=row)} has {len(values)} values for {len(names)} names; give one for each"
            )
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return Table(columns, "data.names:", place + ", column {name},")


def _keyed(rows: list[Any], place: str) -> Table:
    for row, values in enumerate(rows):
        if not isinstance(values, dict):
            raise InvalidRequest(f"{place.format(row=row)} is {values!r}; give an object, a value by name")
        if values.keys() != rows[0].keys():
            raise InvalidRequest(f"{place.format(row=row)} has other names than the first row; give each row the same")
    return Table({name: [row[name] for row in rows] for name in rows[0]}, "jsonData:", place + ".{name}")


def _values(table: Table, name: str) -> list[Any]:
    if name not in table.columns:
        raise InvalidRequest(f"{table.names_field} {name!r} is missing; add it, with null where a value is not known")
    return table.columns[name]


def _column(table: Table, name: str, datatype: str) -> list[Any]:
    values = [_natural(value, datatype) for value in _values(table, name)]
    check_values(values, datatype, name, table.place)
    return values


def _entities(table: Table, name: str) -> list[str]:
    return entity_ids([_natural(value, "INT64") for value in _values(table, name)], name, table.place)


def _natural(value: Any, datatype: str) -> Any:
    """The value as its datatype has it: to Seldon's clients every number is a double, and a missing one is NaN."""
    if datatype == "BYTES":
        return value
    if value == "NaN":
        return None
    if datatype == "BOOL" and type(value) in (int, float) and value in (0, 1):
        return bool(value)
    if datatype == "INT64" and type(value) is float and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value
