"""Bodies of requests, read within a bound each and a bound together: many large ones at once would not fit a pod's memory."""

from typing import Any

from homeostat_services.predictor.errors import InvalidRequest

MAX_BODY_BYTES = 8 * 1024 * 1024
SMALL_BYTES = 64 * 1024
"""Bodies up to this length are always read: a few large ones that arrive slowly must not keep them out."""
BUDGET_BYTES = 4 * MAX_BODY_BYTES
"""Large bodies that are being received, together."""
DRAINED_BYTES = 8 * MAX_BODY_BYTES
"""How much of a refused body is received and discarded: a client that is cut off while it sends would not see why."""

TOO_LONG = f"the body is longer than {MAX_BODY_BYTES} bytes; send fewer rows in one request"
TOO_MANY = "too many large bodies are being received; send this request again later, or fewer at a time"


class BodyReader:
    """Reads bodies through Granian's protocol (RSGI)."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._free = budget

    async def read(self, announced: str | None, protocol: Any) -> bytes:
        """The body of a request.

        Args:
            announced: The header Content-Length; None for a body that is sent in chunks.
            protocol: Of the request.

        Raises:
            InvalidRequest: With status 413 for a body that is too long, 429 for one that is one too many.
        """
        length = int(announced) if announced is not None and announced.isdecimal() else None
        if length is None:
            return await self._chunked(protocol)
        if length <= SMALL_BYTES:
            return await _whole(protocol)
        if length > MAX_BODY_BYTES or length > self._free:
            await _drain(protocol)
            raise _refusal(length)
        self._free -= length
        try:
            return await _whole(protocol)
        finally:
            self._free += length

    async def _chunked(self, protocol: Any) -> bytes:
        body, taken, received, refused = bytearray(), 0, 0, None
        try:
            # A body can be iterated over only once.
            async for chunk in protocol:
                received += len(chunk)
                more = max(0, received - SMALL_BYTES) - taken
                if refused is None and (received > MAX_BODY_BYTES or more > self._free):
                    refused = _refusal(received)
                    body.clear()
                if refused is None:
                    body += chunk
                    self._free -= more
                    taken += more
                elif received > DRAINED_BYTES:
                    break
            if refused is not None:
                raise refused
            return bytes(body)
        finally:
            self._free += taken


async def _whole(protocol: Any) -> bytes:
    body: bytes = await protocol()
    return body


async def _drain(protocol: Any) -> None:
    left = DRAINED_BYTES
    async for chunk in protocol:
        left -= len(chunk)
        if left < 0:
            return


def _refusal(length: int) -> InvalidRequest:
    return InvalidRequest(TOO_LONG, 413) if length > MAX_BODY_BYTES else InvalidRequest(TOO_MANY, 429)
