"""Requests for runs: complete, so that a test says only what it is about."""

from typing import Any

from homeostat.api.v1alpha1 import TrainingJob
from homeostat.api.v1alpha1.pods import Resources
from homeostat.engines.runs import TRAIN, Owner, PackageRequest, RunRequest, RunShape
from homeostat.engines.runs.kubeflow import manifests
from homeostat.engines.runs.packages import Package
from homeostat.pod_settings import GPU, NodePool
from homeostat.runs import TrainInput

IMAGE = "registry.example.org/pipelines:7"


def a_train_input(**changes: Any) -> TrainInput:
    """Input of a training without data."""
    fields: dict[str, Any] = {
        "namespace": "churn", "model": "churn", "feature_sets": [], "labels": [], "window_seconds": None,
        "holdout_percent": 20, "pipeline": "tabular", "parameters": {}, "seed": 1, "image": IMAGE, "gpus": 0,
        "datasets": "s3://none/d/", "models": "s3://none/m/", "output": "s3://none/o/",
    }  # fmt: skip
    return TrainInput(**{**fields, **changes})


def a_request(
    owner: Owner,
    number: int = 1,
    purpose: str = TRAIN,
    package: Package | None = None,
    image: str = IMAGE,
    resources: Resources | None = None,
    pool: NodePool | None = None,
    gpus: int = 0,
    parameters: dict[str, str] | None = None,
) -> RunRequest:
    """A run with the input of a training, whatever its purpose: engines hand a document on without reading it."""
    template = pool.pod_template if pool else None
    accelerator = pool.resource_name if pool else GPU
    shape = RunShape(resources or Resources(), 3600, 3600, template, gpus, accelerator)
    document = a_train_input(image=image, gpus=gpus, parameters=parameters or {})
    return RunRequest(owner, purpose, number, document, image, shape, package, parameters or {})


def package_of(job: TrainingJob, pool: NodePool | None = None) -> PackageRequest:
    """Asks for the pipeline of a TrainingJob."""
    return PackageRequest(job.metadata.namespace, job.spec.pipeline, job.spec.placement, pool)


def rendered(request: RunRequest) -> str:
    """The package of a request as Kubeflow Pipelines is given it."""
    assert request.package is not None
    return manifests.rendered(request.package, request.image, request.shape)
