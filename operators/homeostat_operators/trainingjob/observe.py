"""What is there of a TrainingJob's attempts, inputs and result; the only place of this operator that reads."""

from dataclasses import dataclass, field, replace

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, TrainingJob
from homeostat.reconcile.names import child_name, labels_for
from homeostat.runs import FAILURE, PROGRESS, RESULT, RunFailure, RunProgress, TrainResult, run_prefix
from homeostat.settings import NodePool
from homeostat_operators.clients import Clients
from homeostat_operators.jobs import JOB, SeenJob, read_document

PURPOSE = "train"


@dataclass(frozen=True)
class Observed:
    """What a plan looks at.

    Attributes:
        bucket: Bucket of the platform.
        image: Container image of runs.
        pools: Node pools by name.
        features: The FeatureSets that are joined, by name; None for one that does not exist.
        deployments: Names of the ModelDeployments that exist, of those whose outcomes are labels.
        job: Job with the name of the current attempt, whoever made it.
        jobs: All Jobs that carry our labels and belong to this object.
        progress: How far the current attempt says it is.
        result: What it delivered, if it has ended.
        failure: Why it failed, if it said so.
        version: Version in the registry that was made for this object.
    """

    bucket: str
    image: str
    pools: dict[str, NodePool] = field(default_factory=dict)
    features: dict[str, FeatureSet | None] = field(default_factory=dict)
    deployments: frozenset[str] = frozenset()
    job: SeenJob | None = None
    jobs: tuple[SeenJob, ...] = ()
    progress: RunProgress | None = None
    result: TrainResult | None = None
    failure: RunFailure | None = None
    version: str | None = None


def model_name(resource: TrainingJob) -> str:
    """Name of the model in the registry, whose names are global."""
    return f"{resource.metadata.namespace}.{resource.spec.output.model}"


def intent_of(resource: TrainingJob) -> str:
    """What a registered version stands for: this object, whichever of its attempts succeeded."""
    return resource.metadata.uid


def observe(resource: TrainingJob, clients: Clients) -> Observed:
    """Reads no more than the state of the TrainingJob asks for.

    Raises:
        EngineUnavailable: Kubernetes, the object store or the registry does not answer.
    """
    settings = clients.settings
    seen = Observed(settings.bucket, settings.pipelines_image, settings.node_pools)
    status, namespace = resource.status, resource.metadata.namespace
    labelled = clients.cluster.list(*JOB, namespace, labels_for(resource, PURPOSE))
    jobs = tuple(job for job in map(SeenJob.of, labelled) if job.owner == resource.metadata.uid)
    seen = replace(seen, jobs=jobs)
    if status.completion_time is not None:
        return seen
    if status.model is not None:
        return replace(seen, version=clients.registry.find(model_name(resource), intent_of(resource)))
    seen = _with_inputs(seen, resource, clients)
    if status.run is None or status.run.completion_time is not None:
        return seen
    return _with_attempt(seen, resource, clients)


def _with_inputs(seen: Observed, resource: TrainingJob, clients: Clients) -> Observed:
    namespace, dataset = resource.metadata.namespace, resource.spec.dataset
    names = [reference.name for reference in dataset.feature_sets]
    found = {name: clients.cluster.get(API_VERSION, FeatureSet.KIND, namespace, name) for name in names}
    sources = {source.outcomes_of for source in dataset.labels if source.outcomes_of}
    kind = ModelDeployment.KIND
    return replace(
        seen,
        features={name: FeatureSet.model_validate(raw) if raw else None for name, raw in found.items()},
        deployments=frozenset(name for name in sources if clients.cluster.get(API_VERSION, kind, namespace, name)),
    )


def _with_attempt(seen: Observed, resource: TrainingJob, clients: Clients) -> Observed:
    meta, attempt = resource.metadata, resource.status.attempt
    found = clients.cluster.get(*JOB, meta.namespace, child_name(meta.name, PURPOSE, attempt))
    seen = replace(seen, job=SeenJob.of(found) if found else None)
    prefix = run_prefix(seen.bucket, meta.namespace, meta.uid, attempt, PURPOSE)
    if seen.job is not None and not seen.job.finished:
        if resource.spec.suspend:
            return seen  # it is being stopped, even while the object store is away
        progress = read_document(clients.objects, f"{prefix}{PROGRESS}", RunProgress)
        return replace(seen, progress=progress if isinstance(progress, RunProgress) else None)
    result = read_document(clients.objects, f"{prefix}{RESULT}", TrainResult)
    if isinstance(result, TrainResult):
        return replace(seen, result=result)
    return replace(seen, failure=result or read_document(clients.objects, f"{prefix}{FAILURE}", RunFailure))
