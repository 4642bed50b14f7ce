"""Objects of a ModelDeployment that no serving engine makes, built from values alone."""

from typing import Any

from homeostat.api.v1alpha1.modeldeployment import Candidate, ModelDeployment, ServedVersion
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.runs.jobs import JobShape, run_job
from homeostat.runs import EvaluateInput, run_prefix
from homeostat_operators.modeldeployment.observed import Available, Installation

Manifest = dict[str, Any]

EVALUATE = "evaluate"
EVALUATE_SEED = 42
EVALUATE_SHAPE = JobShape(
    resources=Resources(
        requests={"cpu": "100m", "memory": "512Mi"},
        limits={"cpu": "1", "memory": "2Gi"},
    ),
    deadline_seconds=1800,
    ttl_seconds=3600,
)


def champion_alias(resource: ModelDeployment) -> str:
    """Alias under which the registry knows the champion of this object."""
    return f"{resource.metadata.namespace}-{resource.metadata.name}-champion"


def evaluation_prefix(resource: ModelDeployment, number: int, bucket: str) -> str:
    """Where the evaluate Job of that number leaves its documents."""
    return run_prefix(bucket, resource.metadata.namespace, resource.metadata.uid, number, EVALUATE)


def evaluate_job(
    resource: ModelDeployment,
    candidate: Candidate,
    champion: ServedVersion | None,
    available: Available,
    installation: Installation,
) -> Manifest:
    """The Job that scores challenger and champion on the holdout of the challenger's dataset."""
    document = EvaluateInput(
        namespace=resource.metadata.namespace,
        challenger=BundleRef(uri=candidate.uri, digest=candidate.digest),
        champion=BundleRef(uri=champion.uri, digest=champion.digest) if champion else None,
        dataset=available.dataset,
        gate=resource.spec.promotion.gate,
        seed=EVALUATE_SEED,
        output=evaluation_prefix(resource, candidate.evaluation, installation.bucket),
    )
    image = installation.pipelines_image
    return run_job(resource, EVALUATE, candidate.evaluation, document, image, EVALUATE_SHAPE)
