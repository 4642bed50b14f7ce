"""The Open Inference Protocol v2 over REST: requests into tables, and mistakes into sentences."""

from collections.abc import Mapping
from typing import Any

import msgspec

from homeostat.artifacts.signature import Datatype, Signature
from homeostat_services.predictor.documents import decoder
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.rows import Table, check_count, check_unique
from homeostat_services.shortened import shortened

MAX_ID = 120
"""Characters of the id of a request; the observer takes no longer ones, with the row's number added."""

_WHOLE = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
_NUMBERS = (*_WHOLE, "FP64", "FP32", "FP16")
ACCEPTED: Mapping[Datatype, tuple[str, ...]] = {
    Datatype.BYTES: ("BYTES",),
    Datatype.BOOL: ("BOOL", *_NUMBERS),
    Datatype.INT64: _NUMBERS,
    Datatype.FP64: _NUMBERS,
}
"""Datatypes of a request by the datatype of the model's input; a value must be one that the input can hold."""
_ENTITY = ("BYTES", *_NUMBERS)

_PLACE = "inputs[{name}].data[{row}]"
"""Where a value stands in a request."""

_Scalar = str | int | float | bool | None


class InputTensor(msgspec.Struct):
    """One input: a value per row, null where it is missing."""

    name: str
    shape: list[int]
    datatype: str
    data: list[_Scalar | list[_Scalar]]


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


decode = decoder(InferRequest, "an Open Inference Protocol request")


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


def accepted_datatypes(signature: Signature, entity_field: str) -> dict[str, tuple[str, ...]]:
    """Datatypes that a request may give, by the name of the tensor."""
    return {entity_field: _ENTITY} | {i.name: ACCEPTED[i.datatype] for i in signature.inputs}


def table(request: InferRequest, accepted: Mapping[str, tuple[str, ...]]) -> Table:
    """The table in a request.

    Args:
        request: As `decode` gives it.
        accepted: From `accepted_datatypes`.

    Raises:
        InvalidRequest: Tensors do not fit together, or one has a datatype that its input cannot hold.
    """
    if not request.inputs:
        raise InvalidRequest("inputs is empty; give at least one tensor")
    check_unique([tensor.name for tensor in request.inputs], "inputs: tensor")
    first = request.inputs[0]
    count = len(first.data)
    check_count(count, f"{_field(first)}.data")
    for tensor in request.inputs:
        if tensor.name in accepted and tensor.datatype not in accepted[tensor.name]:
            raise InvalidRequest(
                f"{_field(tensor)}.datatype is {shortened(tensor.datatype)}; "
                f"this model takes {' or '.join(accepted[tensor.name])}"
            )
    columns = {tensor.name: _values(tensor, count) for tensor in request.inputs}
    return Table(count, columns, "inputs: tensor", _PLACE)


def _field(tensor: InputTensor) -> str:
    return f"inputs[{tensor.name[:60]}]"


def _values(tensor: InputTensor, count: int) -> list[Any]:
    """The tensor's values, one per row; a column may be written flat or, as the protocol allows, nested."""
    if tensor.shape not in ([count], [count, 1]):
        raise InvalidRequest(
            f"{_field(tensor)}.shape is {shortened(tensor.shape)}; give [{count}], as many as the first tensor"
        )
    values = tensor.data
    if tensor.shape == [count, 1] and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [value[0] for value in values if isinstance(value, list)]
    if len(values) != count:
        raise InvalidRequest(f"{_field(tensor)}.data has {len(values)} values for shape {tensor.shape}; give {count}")
    return values
