"""Compressed bodies: gzip and deflate, within the bound on bodies."""

import zlib

from homeostat_services.predictor.bodies import MAX_BODY_BYTES, TOO_LONG
from homeostat_services.predictor.errors import InvalidRequest

WORTHWHILE_BYTES = 1024
"""Answers shorter than this are sent as they are, whatever a client accepts."""
# zlib's notation of a format: 31 is gzip, 15 is zlib, which HTTP calls deflate.
_FORMATS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def decompressed(body: bytes, encoding: str) -> bytes:
    """A body as it was before its Content-Encoding.

    Raises:
        InvalidRequest: With status 415 for another encoding, 413 for a body that is too long, 400 for one that is damaged.
    """
    name = encoding.strip().lower()
    if name == "identity":
        return body
    if name not in _FORMATS:
        raise InvalidRequest(f"header Content-Encoding is {encoding[:60]!r}; send gzip, deflate or no encoding", 415)
    stream = zlib.decompressobj(_FORMATS[name])
    try:
        content = stream.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise InvalidRequest(f"body: it is not {name} ({error}); send what Content-Encoding announces") from None
    if len(content) > MAX_BODY_BYTES:
        raise InvalidRequest(TOO_LONG, 413)
    if not stream.eof:
        raise InvalidRequest(f"body: the {name} stream is cut off; send all of it")
    return content


def accepted(header: str | None) -> str | None:
    """The encoding of an answer to a client that sends this Accept-Encoding: `gzip`, `deflate` or none."""
    weights = dict(map(_weight, (header or "").lower().split(",")))
    return next((name for name in ("gzip", "deflate") if weights.get(name, weights.get("*", 0.0)) > 0), None)


def _weight(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    try:
        return name.strip(), float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return name.strip(), 0.0


def compressed(content: bytes, encoding: str) -> bytes:
    """An answer in an encoding that `accepted` gave."""
    return zlib.compress(content, level=1, wbits=_FORMATS[encoding])
