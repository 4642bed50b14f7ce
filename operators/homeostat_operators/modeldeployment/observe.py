"""Reads what the plan of a ModelDeployment needs; the only input of this kind."""

from datetime import datetime, timedelta

from homeostat import telemetry
from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1.featureset import FeatureSet
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, ServedVersion
from homeostat.api.v1alpha1.trainingjob import TrainingJob
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.features import feature_source
from homeostat.artifacts.model import SIGNATURE, signature
from homeostat.artifacts.storage import fetch
from homeostat.cluster.events import warnings_about
from homeostat.engines.runs import EVALUATE, local
from homeostat.engines.serving import children_of, predictor, unexplained
from homeostat.engines.serving.table import serving_engine
from homeostat.enums import FeatureMode
from homeostat.reconcile.errors import EngineUnavailable, InvalidData, PlatformError
from homeostat.reconcile.stored import Unreadable, read_all
from homeostat.runs import EvaluateResult, FeatureSource
from homeostat.signals import counter_increase
from homeostat.signals.shadow import ShadowComparison
from homeostat_operators.core import versions
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.dependencies import MODEL_OF_TRAINING, at
from homeostat_operators.core.runs import RunObservation, observe_run
from homeostat_operators.modeldeployment import children
from homeostat_operators.modeldeployment.engine import engine_name
from homeostat_operators.modeldeployment.observed import (
    Answered,
    Available,
    Installation,
    ModelDeploymentObservation,
    StepTraffic,
)

BEFORE = timedelta(seconds=30)
"""How far before a step a counter's last value is looked for, to count from."""


def observe(resource: ModelDeployment, clients: Clients, now: datetime) -> ModelDeploymentObservation:
    """Everything that the plan depends on.

    Raises:
        InvalidSpec: The engine of the spec is not installed.
        EngineUnavailable: Kubernetes or the object store does not answer.
    """
    namespace = resource.metadata.namespace
    settings = clients.settings
    name = engine_name(resource, settings.serving_engine, settings.serving_engines)
    engine = serving_engine(name, settings.seldon_ingress_url)
    kinds = (*engine.kinds, ("v1", "Pod"))
    labels = predictor.selecting(resource)
    manifests = {kind: clients.cluster.list(api, kind, namespace, labels) for api, kind in kinds}
    events = warnings_about(clients.cluster.list, namespace, unexplained(manifests, engine))
    manifests = {**manifests, "Event": events}
    alias, answers, registered = _registry(resource, clients)
    recorded, unreadable = _available(resource, clients)
    champion_sources, without = _champion_sources(resource, clients, recorded)
    installation = Installation(
        bucket=settings.bucket,
        services_image=settings.services_image,
        pipelines_image=settings.pipelines_image,
        gateway_url=settings.gateway_url,
        seldon_ingress_url=settings.seldon_ingress_url,
        evaluation_pods=settings.evaluation_pods,
        predictor_pods=settings.predictor_pods,
    )
    return ModelDeploymentObservation(
        installation=installation,
        engine=name,
        versions=recorded,
        servings=engine.servings(manifests),
        children=tuple(children_of(manifests, engine)),
        new_inputs=_new_inputs(resource, clients),
        champion_sources=champion_sources,
        evaluation=_evaluation(resource, clients),
        step=_step(resource, clients, now),
        shadow=_shadow(resource, clients),
        champion_alias=alias,
        registry_answers=answers,
        registered=registered,
        unreadable=(*unreadable, *without),
    )


def _available(resource: ModelDeployment, clients: Clients) -> tuple[tuple[Available, ...], list[Unreadable]]:
    """The versions of the model, and its TrainingJobs that cannot be read."""
    namespace = resource.metadata.namespace
    model = f"{namespace}.{resource.spec.registered.name}"
    manifests = clients.cluster.list(API_VERSION, TrainingJob.KIND, namespace)
    jobs, unreadable = read_all(TrainingJob, manifests)
    trains = {
        one["metadata"]["name"] for one in manifests if at(one, *MODEL_OF_TRAINING) == resource.spec.registered.name
    }
    available = tuple(
        Available(
            version=job.status.model.version,
            digest=job.status.model.digest,
            uri=job.status.model.uri,
            training_job=job.metadata.name,
            feature_sets=tuple(source.name for source in job.spec.dataset.feature_sets),
            dataset=BundleRef(uri=job.status.dataset.uri, digest=job.status.dataset.digest),
            task=job.spec.dataset.task,
            completed=job.status.completion_time,
        )
        for job in jobs
        if job.status.model is not None
        and job.status.dataset is not None
        and job.status.model.name == model
        and job.status.model.version
        and job.status.completion_time is not None
    )
    return available, [one for one in unreadable if one.name in trains]


def _new_inputs(resource: ModelDeployment, clients: Clients) -> tuple[str, ...] | None:
    """What callers would have to send in addition, before the candidate meets their requests."""
    stable, candidate = resource.status.stable, resource.status.candidate
    mode = resource.spec.realtime.features
    if stable is None or candidate is None or candidate.step_start_time is not None:
        return None
    try:
        sent, needed = _inputs(clients, stable, mode), _inputs(clients, candidate, mode)
    except EngineUnavailable:
        return None
    except InvalidData:
        return ()  # without its files a version does not become ready, and with them gone there is nothing to compare
    return tuple(name for name in needed if name not in sent)


def _inputs(clients: Clients, version: ServedVersion, mode: FeatureMode) -> list[str]:
    """Names of the inputs that callers of a version send."""
    signed = signature(fetch(clients.objects, BundleRef(uri=version.uri, digest=version.digest), [SIGNATURE]))
    if mode is FeatureMode.REQUEST:
        return [*signed.datatypes]
    return [*(each.name for each in signed.others), *signed.sent]


def _champion_sources(
    resource: ModelDeployment, clients: Clients, recorded: tuple[Available, ...]
) -> tuple[tuple[FeatureSource, ...], list[Unreadable]]:
    """Materialised FeatureSets of the champion, for the gate, and those that cannot be read.

    They are those of its TrainingJob, or the one that status has without it.
    """
    stable, candidate = resource.status.stable, resource.status.candidate
    if stable is None or (candidate is not None and candidate.gate_passed):
        return (), []
    trained = next((one for one in recorded if versions.is_same(one, stable)), None)
    names = trained.feature_sets if trained else (stable.feature_set,)
    namespace = resource.metadata.namespace
    manifests = (clients.cluster.get(API_VERSION, FeatureSet.KIND, namespace, name) for name in names if name)
    feature_sets, unreadable = read_all(FeatureSet, (manifest for manifest in manifests if manifest))
    sources = (feature_source(one) for one in feature_sets)
    return tuple(source for source in sources if source.snapshot_uri), unreadable


def _evaluation(resource: ModelDeployment, clients: Clients) -> RunObservation[EvaluateResult]:
    """Evaluations; whether they can be read just now holds up nothing else of a rollout."""
    candidate = resource.status.candidate
    number = candidate.evaluation if candidate is not None and not candidate.gate_passed else 0
    engine, bucket = clients.runs[local.NAME], clients.settings.bucket
    try:
        return observe_run(engine, clients.objects, bucket, resource, EVALUATE, number, EvaluateResult)
    except EngineUnavailable as error:
        return RunObservation(outage=f"Its result cannot be read: {error}")


def _step(resource: ModelDeployment, clients: Clients, now: datetime) -> StepTraffic | None:
    """Requests of the present step; None when there is none, or Prometheus does not answer."""
    candidate = resource.status.candidate
    if candidate is None or candidate.step_start_time is None:
        return None
    stable, start = resource.status.stable, candidate.step_start_time
    try:
        answered = _answered(resource, clients, candidate.version, start, now)
        champion = _answered(resource, clients, stable.version, start, now) if stable else Answered()
    except EngineUnavailable:
        return None
    return StepTraffic(answered.requests, answered.errors, champion)


def _answered(resource: ModelDeployment, clients: Clients, version: str, start: datetime, now: datetime) -> Answered:
    meta = resource.metadata
    selector = telemetry.ROLLOUT_REQUESTS.of(meta.namespace, meta.name, version)
    counted = [
        (one.labels.get(telemetry.CODE, ""), counter_increase(one.samples, start.timestamp(), now.timestamp()))
        for one in clients.metrics.samples(selector, start - BEFORE, now)
    ]
    return Answered(
        requests=sum(count for _, count in counted),
        errors=sum(count for code, count in counted if telemetry.is_server_error(code)),
    )


def _shadow(resource: ModelDeployment, clients: Clients) -> ShadowComparison | None:
    """What the candidate said on its shadow step; a rollout never waits for it."""
    candidate, meta = resource.status.candidate, resource.metadata
    if candidate is None or candidate.step_start_time is None or not candidate.mirror:
        return None
    try:
        return clients.outcomes.shadow(meta.namespace, meta.name, candidate.version, candidate.step_start_time)
    except PlatformError:
        return None


def _registry(resource: ModelDeployment, clients: Clients) -> tuple[str | None, bool, dict[str, str | None]]:
    """The alias as the registry has it, whether it answers, and the digests of what will be written to it.

    A rollout never waits for it.
    """
    stable, candidate = resource.status.stable, resource.status.candidate
    if stable is None and candidate is None:
        return None, False, {}
    model = f"{resource.metadata.namespace}.{resource.spec.registered.name}"
    try:
        alias = clients.registry.get_alias(model, children.champion_alias(resource))
        written = [stable] if stable is not None and alias != stable.version else []
        written += [candidate] if candidate is not None and not candidate.gate_passed else []
        return alias, True, {one.version: clients.registry.digest(model, one.version) for one in written}
    except PlatformError:
        return None, False, {}
