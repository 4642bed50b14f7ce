"""Objects of a ModelDeployment that no serving engine makes, built from values alone."""

from homeostat.api.v1alpha1.modeldeployment import Candidate, ModelDeployment, ServedVersion
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.runs import EVALUATE, RunRequest, RunShape
from homeostat.reconcile.pod_templates import completed
from homeostat.runs import EvaluateInput, run_prefix
from homeostat_operators.modeldeployment.observed import Available, ModelDeploymentObservation

EVALUATE_SEED = 42
EVALUATE_DEADLINE_SECONDS = 1800
"""A hung evaluation would keep the candidate waiting for ever."""

EVALUATE_TTL_SECONDS = 3600


def champion_alias(resource: ModelDeployment) -> str:
    """Alias under which the registry knows the champion of this object."""
    return f"{resource.metadata.namespace}-{resource.metadata.name}-champion"


def evaluation(
    resource: ModelDeployment,
    candidate: Candidate,
    champion: ServedVersion | None,
    available: Available,
    observed: ModelDeploymentObservation,
) -> RunRequest:
    """The run that scores challenger and champion on the holdout of the challenger's dataset."""
    meta, number, installation = resource.metadata, candidate.evaluation, observed.installation
    document = EvaluateInput(
        namespace=meta.namespace,
        challenger=BundleRef(uri=candidate.uri, digest=candidate.digest),
        champion=BundleRef(uri=champion.uri, digest=champion.digest) if champion else None,
        champion_version=champion.version if champion else "",
        champion_sources=list(observed.champion_sources) if champion else [],
        dataset=available.dataset,
        gate=resource.spec.promotion.gate,
        seed=EVALUATE_SEED,
        output=run_prefix(installation.bucket, meta.namespace, meta.uid, number, EVALUATE),
    )
    pods = completed(resource.spec.promotion.evaluation, installation.evaluation_pods)
    shape = RunShape(pods.resources, EVALUATE_DEADLINE_SECONDS, EVALUATE_TTL_SECONDS, pods.pod_template)
    return RunRequest(resource, EVALUATE, number, document, installation.pipelines_image, shape)
