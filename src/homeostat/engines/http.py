"""One way to call an engine over HTTP: time limits, and errors that say who must act."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from homeostat.reconcile.errors import EngineUnavailable, PlatformError

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
# Asked to come again later; every other 4xx will be the same the next time.
_LATER = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)


TOKEN_PATH = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class ServiceAccountToken(httpx.Auth):
    """The pod's projected token, read at every request because it is replaced from time to time."""

    def __init__(self, path: Path = TOKEN_PATH) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the token to a request."""
        request.headers["Authorization"] = f"Bearer {self._path.read_text().strip()}"
        yield request


class Refused(PlatformError):  # noqa: N818 - reads as its siblings do
    """The engine answered 4xx.

    Attributes:
        status: HTTP status.
        code: The engine's own error code when its body has one, else empty.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Failed(EngineUnavailable):
    """The engine answered 500: it runs, and something in it went wrong, or in what it was given."""


class Engine:
    """Client of one engine.

    Args:
        name: What people call it, for messages.
        url: Its base.
        variable: Environment variable that the base came from, for messages.
        auth: Authorisation of every request.
        transport: Replaces the network.
    """

    def __init__(
        self,
        name: str,
        url: str,
        variable: str,
        auth: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._variable = variable
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, auth=auth, transport=transport)

    def call(self, method: str, path: str, **request: Any) -> Any:
        """Body of the answer, as JSON.

        Raises:
            Failed: 500.
            EngineUnavailable: No answer, any other 5xx, 408, 425, 429, or an answer that is no JSON.
            Refused: Any other 4xx.
        """
        with self._reached():
            response = self._client.request(method, path, **request)
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            raise Failed(f"{self._name} at {self._url} fails ({method} {path}: 500 {_excerpt(response)}); see its log")
        if response.is_server_error or response.status_code in _LATER:
            raise self._unavailable(f"{method} {path}: {response.status_code} {_excerpt(response)}")
        if response.is_error:
            raise Refused(
                f"{self._name} at {self._url} refused {method} {path}: {response.status_code} {_excerpt(response)}",
                response.status_code,
                _code(response),
            )
        try:
            return response.json()
        except ValueError as error:
            raise self._unavailable(f"{method} {path}: the response is not JSON: {_excerpt(response)}") from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(
            f"{self._name} at {self._url} does not answer ({why}); check that it runs and that {self._variable} is right"
        )


def _excerpt(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:500]


def _code(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return ""
    return str(body.get("error_code", "")) if isinstance(body, dict) else ""
