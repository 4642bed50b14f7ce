"""The few questions that bringing a cluster up asks its API server; everything else goes through kubectl."""

import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from typing import Any

from tools.cluster.settings import Settings


def _get(settings: Settings, path: str) -> bytes | None:
    pki = settings.directory / "pki"
    try:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with direct.open(settings.server + path, timeout=2) as response:
            return bytes(response.read())
    except OSError:  # refused, reset, timed out, no such object, no certificates yet: not there in any case
        return None


def get(settings: Settings, path: str) -> Any:
    """The object at `path`, or None where there is none or nobody answers."""
    body = _get(settings, path)
    return None if body is None else json.loads(body)


def ready(settings: Settings) -> bool:
    """Whether the API server answers and calls itself ready."""
    return _get(settings, "/readyz") == b"ok"


def node_ready(settings: Settings) -> bool:
    """Whether pods can be created and will be started."""
    node = get(settings, "/api/v1/nodes/local")
    account = get(settings, "/api/v1/namespaces/default/serviceaccounts/default")
    if node is None or account is None:
        return False
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def kubectl(settings: Settings, *args: str, stdin: str | None = None) -> str:
    """Runs kubectl against the cluster and returns what it printed.

    Raises:
        subprocess.CalledProcessError: kubectl failed; `stderr` says why.
    """
    argv = [str(settings.kubectl), f"--kubeconfig={settings.kubeconfig}", *args]
    environment = {**os.environ, "KUBECACHEDIR": str(settings.directory / "kubectl")}  # not below ~/.kube
    return subprocess.run(argv, input=stdin, env=environment, capture_output=True, text=True, check=True).stdout
