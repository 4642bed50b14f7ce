"""What is there of a TrainingJob's attempts, inputs and result; the only place of this operator that reads."""

from dataclasses import replace
from datetime import datetime

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, TrainingJob
from homeostat.engines.runs import TRAIN, SeenRun
from homeostat.engines.runs.jobs import read_document
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, ObjectNotFound
from homeostat.runs import FAILURE, PROGRESS, RESULT, RunFailure, RunProgress, TrainResult, run_prefix
from homeostat_operators.core.clients import Clients
from homeostat_operators.trainingjob.names import engine_name, intent_of, model_name
from homeostat_operators.trainingjob.observed import PackageFailure, TrainingJobObservation


def observe(resource: TrainingJob, clients: Clients, _now: datetime) -> TrainingJobObservation:
    """Reads no more than the state of the TrainingJob asks for.

    Raises:
        EngineUnavailable: Kubernetes, the object store or the registry does not answer.
    """
    settings = clients.settings
    status, engines = resource.status, frozenset(clients.pipelines)
    engine = engine_name(resource, settings.pipelines_engine)
    seen = TrainingJobObservation(settings.bucket, settings.pipelines_image, engine, engines, settings.node_pools)
    seen = replace(seen, runs=_runs(resource, engine, clients))
    if status.completion_time is not None:
        return seen
    if status.model is not None:
        return replace(seen, version=clients.registry.find(model_name(resource), intent_of(resource)))
    seen = _with_inputs(seen, resource, clients)
    if status.run is not None and status.run.completion_time is None:
        seen = _with_attempt(seen, resource, clients)
    runs = seen.run is not None and seen.run.owner == resource.metadata.uid
    if runs or seen.result is not None or resource.spec.suspend:
        return seen  # nothing is launched in this turn
    return _with_package(seen, resource, clients)


def _runs(resource: TrainingJob, engine: str, clients: Clients) -> tuple[SeenRun, ...]:
    if engine not in clients.pipelines:
        return ()
    try:
        return clients.pipelines[engine].runs(resource)
    except EngineUnavailable:
        if resource.status.completion_time is None:
            raise
        return ()  # it has ended, and an engine that is down changes nothing about that


def _with_inputs(seen: TrainingJobObservation, resource: TrainingJob, clients: Clients) -> TrainingJobObservation:
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


def _with_package(seen: TrainingJobObservation, resource: TrainingJob, clients: Clients) -> TrainingJobObservation:
    if seen.engine not in clients.pipelines:
        return seen
    pool = seen.pools.get(resource.spec.placement.node_pool or "")
    try:
        return replace(seen, package=clients.pipelines[seen.engine].package(resource, pool))
    except InvalidSpec as error:
        return replace(seen, package_failure=PackageFailure(str(error)))
    except ObjectNotFound as error:
        return replace(seen, package_failure=PackageFailure(str(error), missing=True))


def _with_attempt(seen: TrainingJobObservation, resource: TrainingJob, clients: Clients) -> TrainingJobObservation:
    meta, attempt = resource.metadata, resource.status.attempt
    if seen.engine in clients.pipelines:
        seen = replace(seen, run=clients.pipelines[seen.engine].find(resource, attempt))
    prefix = run_prefix(seen.bucket, meta.namespace, meta.uid, attempt, TRAIN)
    if seen.run is not None and not seen.run.finished:
        if resource.spec.suspend:
            return seen  # it is being stopped, even while the object store is away
        progress = read_document(clients.objects, f"{prefix}{PROGRESS}", RunProgress)
        return replace(seen, progress=progress if isinstance(progress, RunProgress) else None)
    result = read_document(clients.objects, f"{prefix}{RESULT}", TrainResult)
    if isinstance(result, TrainResult):
        return replace(seen, result=result)
    return replace(seen, failure=result or read_document(clients.objects, f"{prefix}{FAILURE}", RunFailure))
