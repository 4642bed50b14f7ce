"""Objects of a ModelDeployment that no serving engine makes, built from values alone."""

from homeostat.api.v1alpha1.modeldeployment import Candidate, ModelDeployment, ServedVersion
from homeostat.api.v1alpha1.trainingjob import Resources
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.runs import EVALUATE, RunRequest, RunShape
from homeostat.runs import EvaluateInput, run_prefix
from homeostat_operators.modeldeployment.observed import Available, Installation

EVALUATE_SEED = 42
EVALUATE_SHAPE = RunShape(
    resources=Resources(
        requests={"cpu": "100m", "memory": "512Mi"},
        limits={"cpu": "1", "memory": "2Gi"},
    ),
    # A hung evaluation would keep the candidate waiting for ever.
    deadline_seconds=1800,
    ttl_seconds=3600,
)


def champion_alias(resource: ModelDeployment) -> str:
    """Alias under which the registry knows the champion of this object."""
    return f"{resource.metadata.namespace}-{resource.metadata.name}-champion"


def evaluation(
    resource: ModelDeployment,
    candidate: Candidate,
    champion: ServedVersion | None,
    available: Available,
    installation: Installation,
) -> RunRequest:
    """The run that scores challenger and champion on the holdout of the challenger's dataset."""
    meta, number = resource.metadata, candidate.evaluation
    document = EvaluateInput(
        namespace=meta.namespace,
        challenger=BundleRef(uri=candidate.uri, digest=candidate.digest),
        champion=BundleRef(uri=champion.uri, digest=champion.digest) if champion else None,
        dataset=available.dataset,
        gate=resource.spec.promotion.gate,
        seed=EVALUATE_SEED,
        output=run_prefix(installation.bucket, meta.namespace, meta.uid, number, EVALUATE),
    )
    return RunRequest(resource, EVALUATE, number, document, installation.pipelines_image, EVALUATE_SHAPE)
