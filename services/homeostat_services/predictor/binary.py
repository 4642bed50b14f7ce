"""The binary tensor extension of the Open Inference Protocol: values as bytes behind the JSON of a message.

Formats: little-endian numbers, one byte for a boolean, and for BYTES the length of each text as 32 bits before its bytes.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from homeostat_services.predictor.errors import InvalidRequest

JSON_LENGTH_HEADER = "inference-header-content-length"
"""Length of the JSON at the start of a body; what follows are the tensors, in their order."""

_NUMBERS = {
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    "BOOL": np.dtype("u1"),
}
_LENGTH = struct.Struct("<I")


def split(body: bytes, announced: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and what follows it.

    Args:
        body: The whole body.
        announced: The header `JSON_LENGTH_HEADER`, if the request has it.

    Raises:
        InvalidRequest: The header is not a length within the body.
    """
    if announced is None:
        return body, memoryview(b"")
    if not announced.isdecimal() or len(announced) > 12 or int(announced) > len(body):
        raise InvalidRequest(
            f"header Inference-Header-Content-Length is {announced[:60]!r} for a body of {len(body)} bytes; "
            "give the length of its JSON"
        )
    return body[: int(announced)], memoryview(body)[int(announced) :]


def decoded(content: memoryview, datatype: str, count: int, field: str) -> list[Any]:
    """Values of one tensor, NaN where a floating-point number is missing.

    Args:
        content: The bytes of the tensor.
        datatype: As the request gives it.
        count: Number of values.
        field: The tensor's place in the request.

    Raises:
        InvalidRequest: The bytes are not `count` values of that datatype.
    """
    if datatype == "BYTES":
        return _texts(content, count, field)
    kind = _NUMBERS.get(datatype)
    if kind is None:
        raise InvalidRequest(f"{field}.datatype is {datatype[:60]!r}, which has no binary form here; send it as JSON")
    if len(content) != count * kind.itemsize:
        raise InvalidRequest(
            f"{field}.parameters.binary_data_size is {len(content)}; "
            f"{count} values of {datatype} have {count * kind.itemsize} bytes"
        )
    numbers = np.frombuffer(content, dtype=kind)
    values: list[Any] = (numbers.astype(bool) if datatype == "BOOL" else numbers).tolist()
    return values


def _texts(content: memoryview, count: int, field: str) -> list[str]:
    texts, at = [], 0
    for row in range(count):
        start = at + _LENGTH.size
        length = _LENGTH.unpack_from(content, at)[0] if start <= len(content) else len(content)
        if start + length > len(content):
            raise InvalidRequest(
                f"{field}: the binary data end within value {row}; send {count} values with their lengths"
            )
        try:
            texts.append(str(content[start : start + length], "utf-8"))
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"{field}: value {row} of the binary data is not UTF-8; encode texts as UTF-8"
            ) from None
        at = start + length
    if at != len(content):
        raise InvalidRequest(
            f"{field}: the binary data have {len(content) - at} bytes after {count} values; send {count}"
        )
    return texts


def encoded(values: Sequence[Any], datatype: str) -> bytes:
    """Values of an FP64 or a BYTES tensor as bytes; a text that is missing is empty."""
    if datatype == "FP64":
        return np.array(values, dtype="<f8").tobytes()
    texts = [(value or "").encode() for value in values]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
