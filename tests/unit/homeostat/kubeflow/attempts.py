"""Attempts of a TrainingJob at a Kubeflow Pipelines in memory."""

from pathlib import Path
from typing import Any

import httpx

from homeostat.api.v1alpha1.pods import Resources
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs import RunRequest, RunState
from homeostat.engines.runs.kubeflow.client import KubeflowRuns
from homeostat.engines.runs.packages import Packages, bundled
from homeostat.pod_settings import NodePool
from homeostat.settings import KubeflowSettings
from homeostat.testing.builders import a_training_job
from support.kubeflow_twin import KubeflowServer
from support.runs import a_request

COMPILED = Path(__file__).parents[4] / "pipelines" / "compiled"
SETTINGS = KubeflowSettings(url="http://kubeflow.example.org", ui_url="http://ui.example.org/")
NAME = "tabular"
PACKAGE = bundled(COMPILED, NAME)
CLUSTER = "5b1d3a0e-1c7f-4b55-9d0b-6c8c0b1f7a11"


def an_attempt(number: int = 1, pool: NodePool | None = None, **spec: Any) -> RunRequest:
    job = a_training_job(**spec)
    resources = Resources(requests={"cpu": "500m"}, limits={"memory": "2Gi"})
    gpus, given = job.spec.placement.gpus_per_node, {p.name: p.value for p in job.spec.pipeline.parameters}
    return a_request(job, number, package=PACKAGE, resources=resources, pool=pool, gpus=gpus, parameters=given)


def engine(server: KubeflowServer, settings: KubeflowSettings = SETTINGS, cluster: str = CLUSTER) -> KubeflowRuns:
    packages = Packages(COMPILED, MemoryObjects(), lambda *_: None)
    return KubeflowRuns(settings, cluster, packages, server.listed, httpx.MockTransport(server))


def found(kubeflow: KubeflowRuns, attempt: RunRequest) -> RunState:
    seen = kubeflow.find(attempt.owner, attempt.purpose, attempt.number)
    assert seen is not None
    return seen
