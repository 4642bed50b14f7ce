"""The engines of an installed release, reached by kubectl port-forward; each has a variable that names another one.

HOMEOSTAT_S3_ENDPOINT (with HOMEOSTAT_S3_ACCESS_KEY, HOMEOSTAT_S3_SECRET_KEY), HOMEOSTAT_MLFLOW_URL,
HOMEOSTAT_PROMETHEUS_URL, HOMEOSTAT_ONLINE_STORE_URL and HOMEOSTAT_OBSERVER_URL: an engine named so needs no release.
"""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from kubernetes import client

from homeostat.settings import (
    MlflowSettings,
    ObserverSettings,
    OnlineStoreSettings,
    PrometheusSettings,
    S3Settings,
    load,
)

RELEASE = "homeostat-system"
SECRET = "homeostat-platform"
REPOSITORY = Path(__file__).parents[3]

Forward = Callable[[str, int], str]


def kubectl() -> str:
    """The local cluster's kubectl; without a local cluster the one on PATH."""
    command = [sys.executable, "-m", "tools.cluster", "kubectl"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    said = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    found = said.stdout.strip()
    return found if Path(found).exists() else "kubectl"


@contextmanager
def forwarded(program: str, kubeconfig: Path, service: str, port: int, namespace: str = RELEASE) -> Iterator[str]:
    """host:port on this machine that leads to a service, of the release if no namespace is given."""
    command = [
        program,
        "--kubeconfig",
        str(kubeconfig),
        "-n",
        namespace,
        "port-forward",
        f"service/{service}",
        f":{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.match(r"Forwarding from (127\.0\.0\.1:\d+)", said)
            assert found, f"kubectl port-forward to {namespace}/{service}: {said}{process.stdout.read()}"
            yield found[1]
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def forward(request: pytest.FixtureRequest) -> Iterator[Forward]:
    """Opens a way to a service of the release, for the whole session."""
    with ExitStack() as opened:

        def to(service: str, port: int) -> str:
            kubeconfig: Path = request.getfixturevalue("kubeconfig")
            return opened.enter_context(forwarded(kubectl(), kubeconfig, service, port))

        yield to


@pytest.fixture(scope="session")
def credential(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A value of the release's Secret."""

    def of(key: str) -> str:
        core = client.CoreV1Api(request.getfixturevalue("kubernetes_client"))
        secret = core.read_namespaced_secret(SECRET, RELEASE)
        return base64.b64decode((secret.data or {})[key]).decode()

    return of


@pytest.fixture(scope="session")
def s3_settings(forward: Forward, credential: Callable[[str], str]) -> S3Settings:
    if "HOMEOSTAT_S3_ENDPOINT" in os.environ:
        return load(S3Settings)
    return S3Settings.model_validate(
        {
            "endpoint": f"http://{forward('homeostat-s3', 8333)}",
            "access_key": credential("HOMEOSTAT_S3_ACCESS_KEY"),
            "secret_key": credential("HOMEOSTAT_S3_SECRET_KEY"),
            "bucket": credential("HOMEOSTAT_S3_BUCKET"),
        }
    )


@pytest.fixture(scope="session")
def mlflow_settings(forward: Forward) -> MlflowSettings:
    if "HOMEOSTAT_MLFLOW_URL" in os.environ:
        return load(MlflowSettings)
    return MlflowSettings(url=f"http://{forward('homeostat-mlflow', 5000)}")


@pytest.fixture(scope="session")
def prometheus_settings(forward: Forward) -> PrometheusSettings:
    if "HOMEOSTAT_PROMETHEUS_URL" in os.environ:
        return load(PrometheusSettings)
    return PrometheusSettings(url=f"http://{forward('homeostat-prometheus', 9090)}")


@pytest.fixture(scope="session")
def online_store_settings(forward: Forward, credential: Callable[[str], str]) -> OnlineStoreSettings:
    if "HOMEOSTAT_ONLINE_STORE_URL" in os.environ:
        return load(OnlineStoreSettings)
    url = urlsplit(credential("HOMEOSTAT_ONLINE_STORE_URL"))
    user = f"{url.netloc.rpartition('@')[0]}@" if "@" in url.netloc else ""
    return OnlineStoreSettings(url=urlunsplit(url._replace(netloc=user + forward("homeostat-valkey", 6379))))


@pytest.fixture(scope="session")
def observer_settings(forward: Forward) -> ObserverSettings:
    if "HOMEOSTAT_OBSERVER_URL" in os.environ:
        return load(ObserverSettings)
    return ObserverSettings(url=f"http://{forward('homeostat-observer', 8080)}")
