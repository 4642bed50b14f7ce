"""Engines of trainings for the contract suite, each with what goes on around it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from homeostat.cluster import ClusterAccess
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import PipelineEngine, SeenRun
from homeostat.engines.runs.kubeflow.client import KubeflowPipelines
from homeostat.engines.runs.local import LocalPipelines
from homeostat.engines.runs.packages import Packages
from homeostat.settings import KubeflowSettings
from support.kubeflow_twin import KubeflowServer
from support.waiting import until

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
# Not the installed operator's own, which ends runs that have no TrainingJob.
IDENTITY = "the contract suite"


@dataclass(frozen=True)
class Place:
    """An engine under the contract.

    Attributes:
        engine: The engine.
        outlives: Its runs outlive their TrainingJob, because Kubernetes knows nothing of them.
        objects: Where packages are read from.
        passes: Lets time go by, where it does not by itself.
        close: Closes connections.
    """

    engine: PipelineEngine
    outlives: bool = False
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    passes: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None

    def ended(self, look: Callable[[], SeenRun | None]) -> SeenRun | None:
        """A run that is being stopped, once it has ended; None if nothing is left of it."""

        def looked() -> SeenRun | None:
            self.passes()
            return look()

        return until("the run ends", looked, lambda seen: seen is None or seen.finished)


def local_on_twin() -> Place:
    """Jobs on a Kubernetes API in memory."""
    cluster = MemoryCluster()
    return Place(LocalPipelines(cluster, COMPILED), passes=cluster.finish_deletions)


def local(cluster: ClusterAccess) -> Place:
    """Jobs on a real API server."""
    return Place(LocalPipelines(cluster, COMPILED))


def kubeflow_on_twin() -> Place:
    """A backend in memory."""
    server = KubeflowServer()
    return _kubeflow("kubeflow.example.org", server.listed, lambda: server.passes(1), httpx.MockTransport(server))


def kubeflow(cluster: ClusterAccess, address: str) -> Place:
    """A real backend at host:port."""
    return _kubeflow(address, cluster.list, lambda: None)


def _kubeflow(
    address: str, listed: Any, passes: Callable[[], None], transport: httpx.BaseTransport | None = None
) -> Place:
    objects = MemoryObjects()
    packages = Packages(COMPILED, objects, lambda *_: None)
    settings = KubeflowSettings(url=f"http://{address}")
    engine = KubeflowPipelines(settings, IDENTITY, packages, listed, transport)
    return Place(engine, outlives=True, objects=objects, passes=passes, close=engine.close)
