"""Seldon Core's v1 protocol: a SeldonMessage into rows, predictions into a SeldonMessage, mistakes into its status."""

from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from homeostat_services.predictor.documents import decoder
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.rows import Table, check_count, check_unique
from homeostat_services.shortened import shortened

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
    429: "MICROSERVICE_TOO_MANY_REQUESTS",
    501: "MICROSERVICE_NOT_IMPLEMENTED",
    503: "MICROSERVICE_UNAVAILABLE",
}


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


_decode = decoder(SeldonMessage, "a SeldonMessage")


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
    return _decode(body)


def answer(
    message: SeldonMessage, puid: str, names: list[str], rows: list[list[float]], tags: dict[str, str]
) -> SeldonMessage:
    """The answer to a message, in its form: rows to rows, a tensor to everything else; a column for each name."""
    if message.data is not None and message.data.ndarray is not None:
        data = Data(names, ndarray=rows)
    else:
        data = Data(names, tensor=Tensor([len(rows), len(names)], [value for row in rows for value in row]))
    return SeldonMessage(data=data, meta=Meta(puid, {**message.meta.tags, **tags}))


def failure(info: str, status: int) -> Failure:
    """The body of an error with an HTTP status."""
    return Failure(Status(status, info, _REASONS.get(status, "MICROSERVICE_INTERNAL_ERROR")))


def table(message: SeldonMessage) -> Table:
    """The table in a message.

    Raises:
        InvalidRequest: It has none, or more than one, or one without a form.
    """
    data = message.data or Data()
    match data.ndarray, data.tensor, message.json_data:
        case list() as rows, None, None:
            return _named(data.names, rows, "data.ndarray", "[{row}]")
        case None, Tensor() as tensor, None:
            return _named(data.names, _split(tensor), "data.tensor", ", row {row}")
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
        raise InvalidRequest(f"data.tensor.shape is {shortened(shape)} for {len(values)} values; give [rows, columns]")
    for index, value in enumerate(values):
        if type(value) not in (float, int) and value != "NaN":
            text = shortened(value)
            raise InvalidRequest(f"data.tensor.values[{index}] is {text}; a tensor takes numbers, send data.ndarray")
    return [values[start : start + shape[1]] for start in range(0, len(values), shape[1])]


def _named(names: list[str], rows: list[list[Any]], field: str, row_suffix: str) -> Table:
    if not names:
        raise InvalidRequest("data.names is missing; name the columns")
    check_unique(names, "data.names:")
    check_count(len(rows), field)
    place = field + row_suffix
    for row, values in enumerate(rows):
        if len(values) != len(names):
            raise InvalidRequest(
                f"{place.format(row=row)} has {len(values)} values for {len(names)} names; give one for each"
            )
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return Table(len(rows), columns, "data.names:", place + ", column {name},")


def _keyed(rows: list[Any], place: str) -> Table:
    for row, values in enumerate(rows):
        where = place.format(row=row)
        if not isinstance(values, dict):
            raise InvalidRequest(f"{where} is {shortened(values)}; give an object, a value by name")
        if values.keys() != rows[0].keys():
            raise InvalidRequest(f"{where} has other names than the first row; give each row the same")
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Table(len(rows), columns, "jsonData:", place + ".{name}")
