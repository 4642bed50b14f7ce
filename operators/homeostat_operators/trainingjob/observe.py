"""What is there of a TrainingJob's attempts, inputs and result; the only place of this operator that reads."""

from dataclasses import replace
from datetime import datetime

from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, TrainingJob
from homeostat.engines.runs import TRAIN, PackageRequest
from homeostat.reconcile.errors import EngineUnavailable, InvalidSpec, ObjectNotFound
from homeostat.reconcile.stored import read_all
from homeostat.runs import TrainResult
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.runs import RunObservation, observe_run
from homeostat_operators.trainingjob.engine import engine_name
from homeostat_operators.trainingjob.observed import PackageFailure, TrainingJobObservation
from homeostat_operators.trainingjob.registration import intent_of, model_name


def observe(resource: TrainingJob, clients: Clients, _now: datetime) -> TrainingJobObservation:
    """Reads no more than the state of the TrainingJob asks for.

    Raises:
        EngineUnavailable: Kubernetes, the object store or the registry does not answer.
    """
    settings = clients.settings
    status, engines = resource.status, frozenset(clients.runs)
    engine = engine_name(resource, settings.pipelines_engine)
    observation = TrainingJobObservation(
        settings.bucket, settings.pipelines_image, engine, engines, settings.node_pools, settings.training_pods
    )
    if status.completion_time is not None:
        return replace(observation, attempts=_left_over(resource, engine, clients))
    observation = replace(observation, attempts=_attempts(resource, engine, clients))
    if status.model is not None:
        return replace(observation, version=clients.registry.find(model_name(resource), intent_of(resource)))
    observation = _with_inputs(observation, resource, clients)
    current = observation.attempts.state
    runs = current is not None and current.owner == resource.metadata.uid
    if runs or observation.attempts.result is not None or resource.spec.suspend:
        return observation  # nothing is launched in this reconciliation
    return _with_package(observation, resource, clients)


def _attempts(resource: TrainingJob, engine: str, clients: Clients) -> RunObservation[TrainResult]:
    status, settings = resource.status, clients.settings
    is_active = status.model is None and status.run is not None and status.run.completion_time is None
    return observe_run(
        clients.runs.get(engine),
        clients.objects,
        settings.bucket,
        resource,
        TRAIN,
        status.attempt if is_active else 0,
        TrainResult,
        progress=not resource.spec.suspend,  # a suspended one is stopped even while the object store is away
    )


def _left_over(resource: TrainingJob, engine: str, clients: Clients) -> RunObservation[TrainResult]:
    """Runs of a TrainingJob that has ended: an engine that is down changes nothing about that."""
    try:
        return _attempts(resource, engine, clients)
    except EngineUnavailable:
        return RunObservation()


def _with_inputs(
    observation: TrainingJobObservation, resource: TrainingJob, clients: Clients
) -> TrainingJobObservation:
    namespace, dataset = resource.metadata.namespace, resource.spec.dataset
    names = [reference.name for reference in dataset.feature_sets]
    manifests = [clients.cluster.get(API_VERSION, FeatureSet.KIND, namespace, name) for name in names]
    found, unreadable = read_all(FeatureSet, (manifest for manifest in manifests if manifest))
    by_name = {feature_set.metadata.name: feature_set for feature_set in found}
    sources = {source.outcomes_of for source in dataset.labels if source.outcomes_of}
    kind = ModelDeployment.KIND
    return replace(
        observation,
        features={name: by_name.get(name) for name in names},
        unreadable=tuple(unreadable),
        deployments=frozenset(name for name in sources if clients.cluster.get(API_VERSION, kind, namespace, name)),
    )


def _with_package(
    observation: TrainingJobObservation, resource: TrainingJob, clients: Clients
) -> TrainingJobObservation:
    if observation.engine not in clients.runs:
        return observation
    spec = resource.spec
    pool = observation.pools.get(spec.placement.node_pool or "")
    request = PackageRequest(resource.metadata.namespace, spec.pipeline, spec.placement, pool)
    try:
        return replace(observation, package=clients.runs[observation.engine].package(request))
    except InvalidSpec as error:
        return replace(observation, package_failure=PackageFailure(str(error)))
    except ObjectNotFound as error:
        return replace(observation, package_failure=PackageFailure(str(error), missing=True))
