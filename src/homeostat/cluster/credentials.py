"""How a client proves who it is: a token from a text, a file that is replaced, or an exec plugin of kubeconfig."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from homeostat.reconcile.errors import EngineUnavailable, InvalidSettings

EXEC_SECONDS = 60
EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
EARLY = timedelta(seconds=30)
"""A token is replaced this long before it expires."""


class Credentials(Protocol):
    """Where the bearer token of a request comes from; used from several threads."""

    def token(self) -> str | None:
        """The token to send now; None when the client certificate says who calls, or nobody does.

        Raises:
            EngineUnavailable: There is none right now.
        """
        ...

    def rejected(self) -> None:
        """The API server did not accept the last token."""
        ...


class StaticToken:
    """The same token for ever, or none."""

    def __init__(self, token: str | None = None) -> None:
        self._token = token

    def token(self) -> str | None:
        """See Credentials."""
        return self._token

    def rejected(self) -> None:
        """See Credentials."""


class TokenFile:
    """A projected token. The kubelet replaces it about once an hour, so every request reads the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def token(self) -> str | None:
        """See Credentials."""
        try:
            return self._path.read_text().strip()
        except OSError as error:
            raise EngineUnavailable(f"the token in {self._path} cannot be read: {error}") from error

    def rejected(self) -> None:
        """See Credentials."""


class ExecPlugin:
    """The command of a kubeconfig user that prints an ExecCredential; its token is kept until it expires.

    Args:
        spec: ``exec`` of the user.
        cluster: What the plugin is given about the cluster when it asks for it (``provideClusterInfo``).
        clock: The time now.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        cluster: Mapping[str, Any],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._version = str(spec.get("apiVersion", ""))
        if self._version not in EXEC_VERSIONS:
            raise InvalidSettings(
                f"kubeconfig: exec.apiVersion is {self._version!r}; use {EXEC_VERSIONS[0]}, which the plugin must support"
            )
        self._command = [str(spec["command"]), *map(str, spec.get("args") or ())]
        self._hint = str(spec.get("installHint") or "")
        self._environment = {str(one["name"]): str(one["value"]) for one in spec.get("env") or ()}
        info: dict[str, Any] = {"interactive": False}
        if spec.get("provideClusterInfo"):
            info["cluster"] = dict(cluster)
        request = {"apiVersion": self._version, "kind": "ExecCredential", "spec": info}
        self._environment["KUBERNETES_EXEC_INFO"] = json.dumps(request)
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires: datetime | None = None

    def token(self) -> str | None:
        """See Credentials."""
        with self._lock:
            if self._token is None or (self._expires is not None and self._clock() >= self._expires - EARLY):
                self._token, self._expires = self._run()
            return self._token

    def rejected(self) -> None:
        """See Credentials."""
        with self._lock:
            self._token = None

    def _run(self) -> tuple[str, datetime | None]:
        name = self._command[0]
        try:
            done = subprocess.run(
                self._command,
                env={**os.environ, **self._environment},
                capture_output=True,
                check=True,
                text=True,
                timeout=EXEC_SECONDS,
            )
            status = json.loads(done.stdout)["status"]
            token = str(status["token"])
        except subprocess.CalledProcessError as error:
            raise EngineUnavailable(f"kubeconfig: {name} failed: {error.stderr.strip()[:500]}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineUnavailable(f"kubeconfig: {name} cannot be run: {error}. {self._hint}".strip()) from error
        except (ValueError, KeyError, TypeError) as error:
            raise EngineUnavailable(f"kubeconfig: {name} printed no ExecCredential with a token") from error
        expires = status.get("expirationTimestamp")
        return token, None if expires is None else datetime.fromisoformat(expires)
