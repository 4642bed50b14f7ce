"""JSON bodies into the types of a protocol; whatever a body contains, a refusal names what is wrong with it."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from homeostat_services.predictor.errors import InvalidRequest

T = TypeVar("T", bound=msgspec.Struct)

_POSITION = re.compile(r"\(byte (\d+)\)")
_NOT_JSON = re.compile(rb"-?(?:NaN|Infinity)")


def decoder(kind: type[T], noun: str) -> Callable[[bytes], T]:
    """A function from a body to its `kind`, which a refusal calls `noun`; it raises InvalidRequest."""
    decode = msgspec.json.Decoder(kind).decode

    def decoded(body: bytes) -> T:
        try:
            return decode(body)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"body: {_reason(body, error)}; send {noun}, see /openapi.json") from None
        except UnicodeDecodeError:
            raise InvalidRequest(f"body: {_encoding(body)}; send JSON in UTF-8") from None
        except RecursionError:
            raise InvalidRequest(f"body: it is nested too deeply; send {noun}, see /openapi.json") from None

    return decoded


def _reason(body: bytes, error: msgspec.DecodeError) -> str:
    """What msgspec found, or what it is about: some clients write numbers that JSON does not have."""
    if found := _POSITION.search(str(error)):
        at = int(found[1])
        start = max(0, at - len(b"-Infinity"))
        for token in _NOT_JSON.finditer(body, start, at + len(b"-Infinity")):
            if token.start() <= at <= token.end():
                return f"{token[0].decode()} at byte {token.start()} is not JSON; send null for a missing value"
    return str(error)


def _encoding(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        before = body[max(0, error.start - 40) : error.start].decode(errors="replace")
        return f"byte {error.start} is 0x{body[error.start]:02x}, which is not UTF-8, after {before!r}"
    return "a text is not UTF-8"
