"""An ASGI application behind an RSGI server, for the routes that are not hot: no streaming, no web sockets."""

from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


async def respond(app: ASGIApp, scope: Any, protocol: Any, body: bytes) -> None:
    """Let `app` answer the RSGI request `scope`, whose body was read already, through `protocol`."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    answer: list[Message] = []

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.append(message)

    await app(_scope(scope), receive, send)
    start = answer[0]
    headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in start["headers"]]
    protocol.response_bytes(start["status"], headers, b"".join(part.get("body", b"") for part in answer[1:]))


def _scope(scope: Any) -> dict[str, Any]:
    host, _, port = scope.server.rpartition(":")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "method": scope.method,
        "scheme": scope.scheme,
        "path": unquote(scope.path),
        "raw_path": scope.path.encode("latin-1"),
        "query_string": scope.query_string.encode("latin-1"),
        "root_path": "",
        "headers": [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in scope.headers.items()],
        "client": None,
        "server": (host, int(port)) if port.isdigit() else None,
    }
