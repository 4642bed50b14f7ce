"""Inference by each protocol: a body into an answer, or into the protocol's own form of a refusal."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from homeostat_services.predictor import binary, protocol, seldon
from homeostat_services.predictor.outputs import Parameters
from homeostat_services.predictor.protocol import InferResponse, Refusal
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
        self._outputs = predictor.model.outputs
        self._served = (settings.deployment, settings.version)

    async def answer(self, body: bytes, headers: Mapping[str, str], origin: Origin) -> tuple[Headers, bytes]:
        """See Endpoint."""
        document, content = binary.split(body, headers.get(binary.JSON_LENGTH_HEADER))
        request = protocol.decode(document)
        wanted = protocol.requested(request, self._outputs.names)
        table = protocol.table(request, content, self._accepted)
        predicted = await self._predictor.predict(table, request.id or "", "id", origin)
        outputs, values = [], b""
        for name, as_bytes in wanted.items():
            output = self._outputs.tensor(name, predicted.scores)
            if as_bytes:
                content_of = binary.encoded(output.data or (), output.datatype)
                parameters = output.parameters or Parameters()
                output.data, output.parameters = None, Parameters(len(content_of), parameters.classes)
                values += content_of
            outputs.append(output)
        answer = encode(InferResponse(*self._served, predicted.request_id, outputs, predicted.about))
        if not any(wanted.values()):
            return JSON, answer
        return [("content-type", BYTES_TYPE), (binary.JSON_LENGTH_HEADER, str(len(answer)))], answer + values

    def refusal(self, text: str, status: int) -> bytes:  # noqa: ARG002 - this form does not repeat the status
        """See Endpoint."""
        return encode(Refusal(text))


class SeldonEndpoint:
    """Seldon Core's v1 protocol."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._outputs = predictor.model.outputs
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
        return JSON, encode(
            seldon.answer(
                message, predicted.request_id, self._outputs.columns, self._outputs.table(predicted.scores), tags
            )
        )

    def refusal(self, text: str, status: int) -> bytes:
        """See Endpoint."""
        return encode(seldon.failure(text, status))
