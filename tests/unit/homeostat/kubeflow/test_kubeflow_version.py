"""The version of Kubeflow Pipelines: told in the log when the backend is first reached, and when it is another one."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.packages import Packages
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.settings import KubeflowSettings
from support.kubeflow_twin import KubeflowServer

SETTINGS = KubeflowSettings(url="http://kubeflow.example.org")
PACKAGES = Packages(Path(), MemoryObjects(), lambda *_: None)


def engine(server: KubeflowServer) -> KubeflowRuns:
    return KubeflowRuns(SETTINGS, "this cluster", PACKAGES, server.listed, httpx.MockTransport(server))


def told(log: list[MutableMapping[str, Any]]) -> list[tuple[str, str]]:
    return [(entry["before"], entry["version"]) for entry in log if entry["event"] == "backend reached"]


def test_the_version_is_logged_when_the_backend_is_first_reached_and_when_it_changes() -> None:
    server = KubeflowServer()
    kubeflow = engine(server)
    with capture_logs() as log:
        server.down = True
        with pytest.raises(EngineUnavailable):
            kubeflow.active_runs()
        assert told(log) == []
        server.down = False
        kubeflow.active_runs()
        kubeflow.active_runs()
        assert told(log) == [("", "2.0.5")]
        server.health = {"tag_name": "2.2.0"}
        kubeflow.active_runs()
        kubeflow.active_runs()
    assert told(log) == [("", "2.0.5"), ("2.0.5", "2.2.0")]


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ({"commit_sha": "c5658f0", "tag_name": "unknown"}, "c5658f0"),
        ({"commit_sha": "unknown", "tag_name": "unknown"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_backend_built_without_a_version_is_reported_by_its_commit_if_by_anything(
    says: dict[str, Any], version: str
) -> None:
    server = KubeflowServer()
    server.health = says
    with capture_logs() as log:
        engine(server).active_runs()
    assert told(log) == [("", version)]


def test_runs_are_listed_although_nobody_may_ask_for_the_version() -> None:
    server = KubeflowServer()
    server.health = None
    with capture_logs() as log:
        assert engine(server).active_runs() == ()
    assert told(log) == []
