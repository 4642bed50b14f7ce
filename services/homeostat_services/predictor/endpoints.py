"""Inference by each protocol: a body into an answer, or into the protocol's own form of a refusal."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from homeostat_services.predictor import binary, protocol, seldon
from homeostat_services.predictor.protocol import InferResponse, OutputTensor, Refusal, ResultParameters
from homeostat_services.predictor.service import Predictor
from homeostat_services.request_origin import Origin

Headers = list[tuple[str, str]]

JSON_TYPE, BYTES_TYPE = "application/json", "application/octet-stream"
JSON: Headers = [("content-type", JSON_TYPE)]

encode = msgspec.json.Encoder().encode


class Endpoint(Protocol):
    """Answers requests of one protocol."""

    async def answer(self, body: bytes, headers: Mapping[str, str], origin: Origin) -> tuple[Headers, bytes]:
        """Headers and body of the answer to a request with these headers; raises InvalidRequest or PlatformError."""
        ...

    def refusal(self, text: str, status: int) -> bytes:
        """Body of an error."""
        ...


class V2Endpoint:
    """The Open Inference Protocol."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        signature, settings = predictor.model.signature, predictor.settings
        self._accepted = protocol.accepted_datatypes(signature, predictor.entity_field)
        self._output = signature.output.name
        self._served = (settings.deployment, settings.version)

    async def answer(self, body: bytes, headers: Mapping[str, str], origin: Origin) -> tuple[Headers, bytes]:
        """See Endpoint."""
        document, content = binary.split(body, headers.get(binary.JSON_LENGTH_HEADER))
        request = protocol.decode(document)
        as_bytes = protocol.wants_binary(request, self._output)
        table = protocol.table(request, content, self._accepted)
        predicted = await self._predictor.predict(table, request.id or "", "id", origin)
        values = binary.doubles(predicted.scores) if as_bytes else b""
        output = OutputTensor(self._output, "FP64", [len(predicted.scores)])
        if as_bytes:
            output.parameters = ResultParameters(len(values))
        else:
            output.data = predicted.scores
        answer = encode(InferResponse(*self._served, predicted.request_id, [output], predicted.about))
        if not as_bytes:
            return JSON, answer
        return [("content-type", BYTES_TYPE), (binary.JSON_LENGTH_HEADER, str(len(answer)))], answer + values

    def refusal(self, text: str, status: int) -> bytes:  # noqa: ARG002 - this form does not repeat the status
        """See Endpoint."""
        return encode(Refusal(text))


class SeldonEndpoint:
    """Seldon Core's v1 protocol."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._output = predictor.model.signature.output.name
        self._tags = {"version": predictor.settings.version}

    async def answer(
        self,
        body: bytes,
        headers: Mapping[str, str],  # noqa: ARG002 - this protocol has none of its own
        origin: Origin,
    ) -> tuple[Headers, bytes]:
        """See Endpoint."""
        message = seldon.decode(body)
        table = seldon.table(message)
        predicted = await self._predictor.predict(table, message.meta.puid, "meta.puid", origin)
        tags = {**predicted.about, **self._tags}
        return JSON, encode(seldon.answer(message, predicted.request_id, self._output, predicted.scores, tags))

    def refusal(self, text: str, status: int) -> bytes:
        """See Endpoint."""
        return encode(seldon.failure(text, status))
