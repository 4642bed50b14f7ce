"""Where the API server is and how to sign in: from the pod's ServiceAccount, or from a kubeconfig.

An explicit kubeconfig or context comes first, then KUBECONFIG, then the pod's ServiceAccount, then ``~/.kube/config``.
"""

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeostat.cluster.credentials import Credentials, ExecPlugin, StaticToken, TokenFile
from homeostat.reconcile.errors import InvalidSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT = "~/.kube/config"


@dataclass(frozen=True)
class Connection:
    """One API server and one user.

    Attributes:
        server: URL; may have a path, as behind Rancher.
        namespace: The one to use when none is named.
        authority: PEM of the CAs that sign the server's certificate; None: those of the system.
        certificate: PEM of the client certificate.
        key: PEM of its key.
        verify: Whether the server's certificate is checked.
        server_name: Name in the server's certificate, when it is not that of the URL.
        proxy: URL of a proxy; None: that of the environment, empty: none.
        as_user: User to impersonate.
    """

    server: str
    namespace: str = "default"
    authority: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None
    as_user: str = ""
    credentials: Credentials = field(default_factory=StaticToken, repr=False)

    def tls(self) -> ssl.SSLContext:
        """What is checked of the server, and shown of the client."""
        context = ssl.create_default_context(cadata=self.authority)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate and self.key:
            # OpenSSL takes a chain only from files; these are the process's own, and gone at once.
            with tempfile.NamedTemporaryFile("w") as pair:
                pair.write(f"{self.certificate}\n{self.key}\n")
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def load_connection(kubeconfig: str | None = None, context: str | None = None, as_user: str = "") -> Connection:
    """The connection that the environment describes.

    Args:
        kubeconfig: Path, or several separated by colons, as in KUBECONFIG.
        context: Name of a context; None: the current one.
        as_user: User to impersonate.

    Raises:
        InvalidSettings: There is none, or it cannot be used; the text says what to do.
    """
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    if not named and context is None and (SERVICE_ACCOUNT / "token").is_file():
        return _in_cluster(as_user)
    return _from_kubeconfig(named or DEFAULT, context, as_user)


def _in_cluster(as_user: str) -> Connection:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise InvalidSettings("KUBERNETES_SERVICE_HOST is not set, although this is a pod with a ServiceAccount")
    bracketed = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{bracketed}:{port}",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        authority=(SERVICE_ACCOUNT / "ca.crt").read_text(),
        as_user=as_user,
        credentials=TokenFile(SERVICE_ACCOUNT / "token"),
        proxy="",  # that of the environment leads out of the cluster, and NO_PROXY seldom has this address
    )


def _from_kubeconfig(paths: str, context: str | None, as_user: str) -> Connection:
    read = _merged([Path(path).expanduser() for path in paths.split(os.pathsep) if path], paths)
    name = context or read["current-context"]
    if not name:
        raise InvalidSettings(f"kubeconfig {paths} has no current-context; set one with 'kubectl config use-context'")
    chosen = _entry(read, "contexts", name, paths)
    cluster = _entry(read, "clusters", chosen.get("cluster", ""), paths)
    user = _entry(read, "users", chosen["user"], paths) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise InvalidSettings(f"kubeconfig {paths}: cluster {chosen.get('cluster')!r} has no server")
    if user.get("auth-provider") or user.get("username"):
        raise InvalidSettings(
            f"kubeconfig {paths}: user {chosen['user']!r} signs in by auth-provider or password, which Kubernetes no longer "
            "supports; use a token, a client certificate or an exec plugin"
        )
    return Connection(
        server=str(cluster["server"]).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        authority=_text(cluster, "certificate-authority"),
        certificate=_text(user, "client-certificate"),
        key=_text(user, "client-key"),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url") or None,
        as_user=as_user or user.get("as", ""),
        credentials=_credentials(user, cluster),
    )


def _merged(paths: list[Path], named: str) -> dict[str, Any]:
    """Several files as kubectl merges them: the first that gives a name wins, relative paths are of the file."""
    # Only who reads a kubeconfig pays for YAML.
    import yaml  # noqa: PLC0415

    merged: dict[str, Any] = {"current-context": "", "contexts": {}, "clusters": {}, "users": {}}
    for path in (path for path in paths if path.is_file()):
        try:
            document = yaml.safe_load(path.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise InvalidSettings(f"kubeconfig {path} cannot be read: {error}") from error
        merged["current-context"] = merged["current-context"] or document.get("current-context") or ""
        for plural, singular in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
            for entry in document.get(plural) or ():
                value = {**(entry.get(singular) or {}), "": path.parent}
                merged[plural].setdefault(entry["name"], value)
    if not merged["contexts"]:
        raise InvalidSettings(f"no kubeconfig with a context at {named}; set KUBECONFIG to the path of one")
    return merged


def _entry(merged: dict[str, Any], plural: str, name: str, paths: str) -> dict[str, Any]:
    entry: dict[str, Any] | None = merged[plural].get(name)
    if entry is None:
        there = ", ".join(merged[plural]) or "none"
        raise InvalidSettings(f"kubeconfig {paths} has no {plural.removesuffix('s')} {name!r}; it has: {there}")
    return entry


def _text(entry: dict[str, Any], name: str) -> str | None:
    """PEM that an entry holds as base64 or names as a file."""
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"]).decode()
    if not entry.get(name):
        return None
    path = entry[""] / Path(entry[name]).expanduser()
    try:
        return str(path.read_text())
    except OSError as error:
        raise InvalidSettings(f"kubeconfig: {name} {path} cannot be read: {error}") from error


def _credentials(user: dict[str, Any], cluster: dict[str, Any]) -> Credentials:
    if user.get("tokenFile"):
        return TokenFile(user[""] / Path(user["tokenFile"]).expanduser())
    if user.get("token"):
        return StaticToken(user["token"])
    if user.get("exec"):
        return ExecPlugin(user["exec"], {name: value for name, value in cluster.items() if name})
    return StaticToken()
