"""The Open Inference Protocol v2 over REST: requests into tables, predictions into answers, mistakes into sentences."""

from collections.abc import Mapping
from typing import Any

import msgspec

from homeostat.artifacts.signature import Datatype, Signature
from homeostat_services.predictor import binary
from homeostat_services.predictor.documents import decoder
from homeostat_services.predictor.errors import InvalidRequest
from homeostat_services.predictor.outputs import OutputTensor
from homeostat_services.predictor.rows import Table, check_count, check_unique
from homeostat_services.shortened import shortened

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


class InputParameters(msgspec.Struct):
    """Parameters of an input."""

    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class InputTensor(msgspec.Struct):
    """One input: a value per row, null where it is missing; in `data`, or as bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    data: list[_Scalar | list[_Scalar]] | None = None
    parameters: InputParameters | None = None


class OutputParameters(msgspec.Struct):
    """Parameters of a requested output."""

    binary_data: bool = False
    classification: int = 0
    shared_memory_region: str | None = None


class RequestedOutput(msgspec.Struct):
    """An output that the answer is to have."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """Parameters of a request; `binary_data_output`: outputs come as bytes after the JSON of the answer."""

    binary_data_output: bool = False


class InferRequest(msgspec.Struct):
    """Body of a request; optional fields of the protocol that are not listed here are ignored."""

    inputs: list[InputTensor]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: RequestParameters | None = None


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


def accepted_datatypes(signature: Signature, entity_field: str) -> dict[str, tuple[str, ...]]:
    """Datatypes that a request may give, by the name of the tensor."""
    keys = dict.fromkeys([entity_field, *(each.name for each in signature.others)], _ENTITY)
    return keys | {i.name: ACCEPTED[i.datatype] for i in signature.inputs}


def table(request: InferRequest, content: memoryview, accepted: Mapping[str, tuple[str, ...]]) -> Table:
    """The table in a request.

    Args:
        request: As `decode` gives it.
        content: What follows the JSON: the values of its binary tensors.
        accepted: From `accepted_datatypes`.

    Raises:
        InvalidRequest: Tensors do not fit together, or one has a datatype that its input cannot hold.
    """
    inputs = request.inputs
    if not inputs:
        raise InvalidRequest("inputs is empty; give at least one tensor")
    check_unique([tensor.name for tensor in inputs], "inputs: tensor")
    count = _count(inputs[0])
    flat, columns = [count], {}
    for tensor in inputs:
        name, allowed, values = tensor.name, accepted.get(tensor.name), tensor.data
        if allowed is not None and tensor.datatype not in allowed:
            raise InvalidRequest(
                f"{_field(tensor)}.datatype is {shortened(tensor.datatype)}; this model takes {' or '.join(allowed)}"
            )
        if values is None:
            columns[name], content = _binary(tensor, count, content)
        elif tensor.shape == flat and len(values) == count and tensor.parameters is None:
            columns[name] = values
        else:
            columns[name] = _values(tensor, values, count)
    if content:
        raise InvalidRequest(
            f"body: {len(content)} bytes follow the last binary tensor; give their sizes in parameters"
        )
    return Table(count, columns, "inputs: tensor", _PLACE)


def _field(tensor: InputTensor) -> str:
    return f"inputs[{tensor.name[:60]}]"


def _count(first: InputTensor) -> int:
    if first.data is not None:
        count, field = len(first.data), "data"
    else:
        count, field = (first.shape[0] if first.shape else 0), "shape"
    check_count(count, f"{_field(first)}.{field}")
    return count


def _check_shape(tensor: InputTensor, count: int) -> None:
    if tensor.shape not in ([count], [count, 1]):
        raise InvalidRequest(
            f"{_field(tensor)}.shape is {shortened(tensor.shape)}; give [{count}], as many as the first tensor"
        )


def _values(tensor: InputTensor, values: list[Any], count: int) -> list[Any]:
    """The tensor's values, one per row; a column may be written flat or, as the protocol allows, nested."""
    _check_shape(tensor, count)
    if tensor.parameters is not None and tensor.parameters.binary_data_size is not None:
        raise InvalidRequest(f"{_field(tensor)} has data and parameters.binary_data_size; give one of them")
    if len(tensor.shape) > 1 and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [value[0] for value in values]
    if len(values) != count:
        raise InvalidRequest(f"{_field(tensor)}.data has {len(values)} values for shape {tensor.shape}; give {count}")
    return values


def _binary(tensor: InputTensor, count: int, content: memoryview) -> tuple[list[Any], memoryview]:
    """Values of a tensor that comes as bytes, and the bytes after it."""
    parameters = tensor.parameters or InputParameters()
    if parameters.shared_memory_region is not None:
        raise InvalidRequest(f"{_field(tensor)}.parameters.shared_memory_region is not supported; send the data")
    size = parameters.binary_data_size
    if size is None:
        raise InvalidRequest(f"{_field(tensor)} has neither data nor parameters.binary_data_size; give one of them")
    _check_shape(tensor, count)
    if not 0 <= size <= len(content):
        raise InvalidRequest(
            f"{_field(tensor)}.parameters.binary_data_size is {shortened(size)}, but {len(content)} bytes are left of "
            "the body; send all tensors after the JSON, and its length in the header Inference-Header-Content-Length"
        )
    return binary.decoded(content[:size], tensor.datatype, count, _field(tensor)), content[size:]


def requested(request: InferRequest, names: tuple[str, ...]) -> dict[str, bool]:
    """The outputs that the answer is to have, and whether the values of each are to come as bytes.

    Args:
        request: As `decode` gives it.
        names: The model's outputs; all of them where the request names none.

    Raises:
        InvalidRequest: It asks for an output, or for a form of it, that this model does not have.
    """
    by_default = request.parameters is not None and request.parameters.binary_data_output
    if not request.outputs:
        return dict.fromkeys(names, by_default)
    wanted = {}
    for one in request.outputs:
        if one.name not in names:
            raise InvalidRequest(
                f"outputs: {shortened(one.name)} is not an output of this model; it has {' and '.join(map(repr, names))}"
            )
        parameters = one.parameters or OutputParameters()
        if parameters.classification or parameters.shared_memory_region is not None:
            raise InvalidRequest(
                f"outputs[{one.name}].parameters: classification and shared_memory_region are not supported; omit them"
            )
        wanted[one.name] = by_default if one.parameters is None else parameters.binary_data
    return wanted
