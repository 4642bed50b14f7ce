"""The platform on a cluster: Helm's release, ways to its Services, and the objects of the stories."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.cluster import settings
from tools.cluster.helm import helm
from tools.cluster.progress import step
from tools.cluster.settings import REPOSITORY, UserError
from tools.waiting import until

RELEASE = "homeostat"
SYSTEM = "homeostat-system"
NAMESPACE = "churn"
CHART = REPOSITORY / "charts" / "homeostat"
GROUP_KINDS = ("monitors", "modeldeployments", "trainingjobs", "featuresets")


@dataclass(frozen=True)
class Platform:
    """One cluster with the release on it.

    `context` names an existing cluster of the user's kubeconfig; empty: the local one of this checkout. `namespace` is
    where objects are looked for that are named without one.
    """

    local: settings.Settings
    context: str = ""
    namespace: str = NAMESPACE

    @property
    def address(self) -> str:
        """Where node ports, or the port-forwards that stand for them, are reached."""
        return "127.0.0.1" if self.context else self.local.address

    @property
    def directory(self) -> Path:
        """Where the story of the namespace keeps its plan of traffic, counts and logs."""
        return self.local.state / "demo" / self.namespace

    @property
    def environment(self) -> dict[str, str]:
        """Environment of kubectl and helm."""
        own = {} if self.context else {"KUBECONFIG": str(self.local.kubeconfig)}
        return {**os.environ, **own}

    @property
    def program(self) -> str:
        """The kubectl to run: the local cluster's, else the one on PATH.

        Raises:
            UserError: there is neither.
        """
        if self.local.kubectl.exists():
            return str(self.local.kubectl)
        if found := shutil.which("kubectl"):
            return found
        raise UserError("kubectl is not on PATH, and no local cluster was ever built here; install kubectl.")

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """Runs kubectl and returns what it printed.

        Raises:
            UserError: it failed; the message is kubectl's own.
        """
        context = ["--context", self.context] if self.context else []
        done = subprocess.run(
            [self.program, *context, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )
        if check and done.returncode:
            raise UserError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object, or None where there is none."""
        found = self.kubectl("-n", namespace or self.namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def listing(self, kind: str, namespace: str = "", *arguments: str) -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        return list(
            json.loads(self.kubectl("-n", namespace or self.namespace, "get", kind, "-o", "json", *arguments))["items"]
        )

    def token(self, account: str, hours: int = 12, namespace: str = "") -> str:
        """A bearer token of a ServiceAccount."""
        words = ("create", "token", account, f"--duration={hours}h")
        return self.kubectl("-n", namespace or self.namespace, *words).strip()

    def secret(self, name: str, namespace: str = SYSTEM) -> dict[str, str]:
        """A Secret's values."""
        found = self.get("secret", name, namespace)
        if found is None:
            raise UserError(f"Secret {namespace}/{name} does not exist; is the chart installed?")
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def helm(self, *arguments: str) -> str:
        """Runs helm and returns what it printed.

        Raises:
            UserError: it failed; the message is helm's own.
        """
        return helm(self.local, *arguments, context=self.context)

    @contextmanager
    def forward(self, service: str, port: int, namespace: str = SYSTEM) -> Iterator[str]:
        """A way to a Service for the time of a block; gives ``127.0.0.1:port``."""
        context = ["--context", self.context] if self.context else []
        with subprocess.Popen(
            [self.program, *context, "-n", namespace, "port-forward", f"service/{service}", f":{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                if "Forwarding from 127.0.0.1:" not in line:
                    raise UserError(
                        f"no port forward to service/{service}: {process.stderr.read() if process.stderr else ''}"
                    )
                yield "127.0.0.1:" + line.split("127.0.0.1:")[1].split(" ")[0]
            finally:
                process.terminate()


def install(
    platform: Platform, images: Path, extra: tuple[str, ...] = (), namespaces: Sequence[str] = (NAMESPACE,)
) -> None:
    """Installs or upgrades the release for these namespaces and waits until every part is ready."""
    values = ["--values", str(CHART / "values-local.yaml"), "--values", str(images)]
    public = f"gateway.publicUrl=http://{platform.address}:{settings.NODE_PORTS['router']}"
    with step("platform: helm upgrade --install") as shown:
        platform.helm(
            "upgrade", "--install", RELEASE, str(CHART), "--namespace", SYSTEM, "--create-namespace",
            *values, "--set", f"namespaces={{{','.join(namespaces)}}}", "--set", public, *extra, "--timeout", "5m",
        )  # fmt: skip

        def read() -> list[str]:
            waiting = unready(platform)
            shown.detail = "waiting for " + ", ".join(waiting)
            return waiting

        until(
            "readiness of every part of the release", read, lambda waiting: not waiting, 420,
            every=1, diagnose=lambda: diagnose(platform), error=UserError,
        )  # fmt: skip
        shown.detail = "every part is ready"


def unready(platform: Platform) -> list[str]:
    """Deployments of the release that lack ready pods."""
    rows = platform.listing("deployments", SYSTEM)
    return [
        row["metadata"]["name"].removeprefix("homeostat-")
        for row in rows
        if row.get("status", {}).get("observedGeneration", 0) < row["metadata"]["generation"]
        or row.get("status", {}).get("updatedReplicas", 0) < row["spec"]["replicas"]
        or row.get("status", {}).get("readyReplicas", 0) < row["spec"]["replicas"]
    ]


def diagnose(platform: Platform, namespace: str = SYSTEM) -> str:
    """What a person would look at first when something does not become ready."""
    parts = [
        platform.kubectl("get", "homeostat", "-A", check=False),
        platform.kubectl("-n", namespace, "get", "pods", "-o", "wide", check=False),
        platform.kubectl("-n", namespace, "get", "events", "--sort-by=.lastTimestamp", check=False)[-4000:],
    ]
    for pod in platform.listing("pods", namespace):
        states = pod.get("status", {}).get("containerStatuses", [])
        if pod["status"].get("phase") != "Succeeded" and not all(state.get("ready") for state in states):
            name = pod["metadata"]["name"]
            logs = platform.kubectl("-n", namespace, "logs", name, "--tail=30", check=False)
            parts.append(f"--- {name}\n{logs}")
    return "\n".join(parts)


def installed(platform: Platform) -> bool:
    """True if the release is there, whole or not."""
    # Helm's own records: `helm list` took other flags in every major version.
    return bool(platform.listing("secrets", SYSTEM, "-l", f"owner=helm,name={RELEASE}"))


def uninstall(platform: Platform, namespaces: Sequence[str] = (NAMESPACE,)) -> None:
    """Takes the stories' objects, the release, its data and its kinds away."""
    for namespace in namespaces:
        for kind in GROUP_KINDS:
            platform.kubectl("-n", namespace, "delete", kind, "--all", "--timeout=60s", check=False)
    platform.kubectl("delete", "namespace", *namespaces, "--ignore-not-found", "--timeout=120s", check=False)
    if installed(platform):
        platform.helm("uninstall", RELEASE, "--namespace", SYSTEM, "--wait", "--timeout", "3m")
    platform.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=120s", check=False)
    kinds = [f"{plural}.homeostat.dev" for plural in GROUP_KINDS]
    platform.kubectl("delete", "customresourcedefinition", *kinds, "--ignore-not-found", check=False)
