"""Engines of runs for the contract suite, each with what goes on around it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from homeostat.cluster import ClusterAccess
from homeostat.cluster.memory import MemoryCluster
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import RunEngine, RunState
from homeostat.engines.runs.jobs import JOB_UID_LABEL
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.kubeflow.records import RUN_LABEL
from homeostat.engines.runs.local import LocalRuns
from homeostat.engines.runs.packages import Packages
from homeostat.settings import KubeflowSettings
from support.kubeflow_twin import KubeflowServer
from tools.waiting import until

COMPILED = Path(__file__).parents[3] / "pipelines" / "compiled"
# Not the installed operator's own, which ends runs that have no TrainingJob.
IDENTITY = "the contract suite"


@dataclass(frozen=True)
class Place:
    """An engine under the contract.

    Attributes:
        engine: The engine.
        outlives: Its runs outlive their owner, because Kubernetes knows nothing of them.
        needs_package: It carries out compiled pipelines only.
        starts_at_once: A run could run as soon as it is submitted, for all that the engine shows.
        refuses_pods: No pod can be made here, because the ServiceAccount of runs is missing.
        refuses_to_schedule: Makes the pod of a run wait for a node, with these words of the scheduler; None: it cannot.
        objects: Where packages are read from.
        passes: Lets time go by, where it does not by itself.
        close: Closes connections.
    """

    engine: RunEngine
    outlives: bool = False
    needs_package: bool = False
    starts_at_once: bool = False
    refuses_pods: bool = False
    refuses_to_schedule: Callable[[RunState, str], None] | None = None
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    passes: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None

    def ended(self, look: Callable[[], RunState | None]) -> RunState | None:
        """A run that is being stopped, once it has ended; None if nothing is left of it."""

        def looked() -> RunState | None:
            self.passes()
            return look()

        return until("the run ends", looked, lambda seen: seen is None or seen.finished)


def a_waiting_pod(labels: dict[str, str], words: str) -> dict[str, Any]:
    """A pod that the scheduler finds no node for."""
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    return {
        "metadata": {"name": "waits", "namespace": "churn", "labels": labels},
        "status": {"phase": "Pending", "conditions": [unscheduled]},
    }


def local_on_twin() -> Place:
    """Jobs on a Kubernetes API in memory."""
    cluster = MemoryCluster()

    def waits(run: RunState, words: str) -> None:
        cluster.put({"apiVersion": "v1", "kind": "Pod", **a_waiting_pod({JOB_UID_LABEL: run.uid}, words)})

    return Place(LocalRuns(cluster, COMPILED), passes=cluster.finish_deletions, refuses_to_schedule=waits)


def local(cluster: ClusterAccess) -> Place:
    """Jobs on a real API server."""
    return Place(LocalRuns(cluster, COMPILED), refuses_pods=True)


def kubeflow_on_twin() -> Place:
    """A backend in memory."""
    server = KubeflowServer()

    def waits(run: RunState, words: str) -> None:
        server.pods.append(a_waiting_pod({RUN_LABEL: run.uid}, words))

    place = _kubeflow("kubeflow.example.org", server.listed, lambda: server.passes(1), httpx.MockTransport(server))
    return replace(place, refuses_to_schedule=waits)


def kubeflow(cluster: ClusterAccess, address: str) -> Place:
    """A real backend at host:port."""
    return _kubeflow(address, cluster.list, lambda: None)


def _kubeflow(
    address: str, listed: Any, passes: Callable[[], None], transport: httpx.BaseTransport | None = None
) -> Place:
    objects = MemoryObjects()
    packages = Packages(COMPILED, objects, lambda *_: None)
    settings = KubeflowSettings(url=f"http://{address}")
    engine = KubeflowRuns(settings, IDENTITY, packages, listed, transport)
    return Place(
        engine,
        outlives=True,
        needs_package=True,
        starts_at_once=True,
        objects=objects,
        passes=passes,
        close=engine.close,
    )
