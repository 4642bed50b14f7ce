"""Reads what the plan of a ModelDeployment needs; the only input of this kind."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from homeostat import telemetry
from homeostat.api.common import API_VERSION
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, TrainingJob
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.serving import children_of, predictor
from homeostat.engines.serving.table import serving_engine
from homeostat.reconcile.conditions import is_true
from homeostat.reconcile.errors import EngineUnavailable, ObjectNotFound, PlatformError
from homeostat.reconcile.names import child_name, labels_for, number_of
from homeostat.runs import FAILURE, RESULT, EvaluateResult, RunFailure
from homeostat.signals import counter_increase
from homeostat.signals.shadow import ShadowComparison
from homeostat_operators.core.clients import Clients
from homeostat_operators.modeldeployment import children
from homeostat_operators.modeldeployment.engine import engine_name
from homeostat_operators.modeldeployment.observed import (
    Available,
    Evaluation,
    Installation,
    ModelDeploymentObservation,
    StepTraffic,
)

Manifest = dict[str, Any]

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
    found = {kind: clients.cluster.list(api, kind, namespace, labels) for api, kind in kinds}
    jobs = clients.cluster.list("batch/v1", "Job", namespace, labels_for(resource, children.EVALUATE))
    alias, answers = _champion_alias(resource, clients)
    installation = Installation(
        bucket=settings.bucket,
        services_image=settings.services_image,
        pipelines_image=settings.pipelines_image,
        gateway_url=settings.gateway_url,
        seldon_ingress_url=settings.seldon_ingress_url,
    )
    return ModelDeploymentObservation(
        installation=installation,
        engine=name,
        versions=_available(resource, clients),
        servings=engine.servings(found),
        children=tuple(children_of(found, engine)),
        evaluation=_evaluation(resource, jobs, installation.bucket, clients),
        highest_evaluation=max((number_of(job["metadata"]["name"]) or 0 for job in jobs), default=0),
        step=_step(resource, clients, now),
        shadow=_shadow(resource, clients),
        champion_alias=alias,
        registry_answers=answers,
    )


def _available(resource: ModelDeployment, clients: Clients) -> tuple[Available, ...]:
    namespace = resource.metadata.namespace
    model = f"{namespace}.{resource.spec.registered.name}"
    jobs = [TrainingJob.model_validate(one) for one in clients.cluster.list(API_VERSION, TrainingJob.KIND, namespace)]
    return tuple(
        Available(
            version=job.status.model.version,
            digest=job.status.model.digest,
            uri=job.status.model.uri,
            training_job=job.metadata.name,
            feature_set=job.spec.dataset.feature_sets[0].name,
            dataset=BundleRef(uri=job.status.dataset.uri, digest=job.status.dataset.digest),
        )
        for job in jobs
        if job.status.model is not None
        and job.status.dataset is not None
        and job.status.model.name == model
        and job.status.model.version
        and is_true(job.status.conditions, SUCCEEDED)
    )


def _evaluation(resource: ModelDeployment, jobs: list[Manifest], bucket: str, clients: Clients) -> Evaluation | None:
    candidate = resource.status.candidate
    if candidate is None or candidate.gate_passed or candidate.evaluation == 0:
        return None
    number = candidate.evaluation
    name = child_name(resource.metadata.name, children.EVALUATE, number)
    job = next((one for one in jobs if one["metadata"]["name"] == name), None)
    ended = "" if job is None else _ended(job)
    if job is not None and not ended:
        return Evaluation(number, exists=True)
    return _read_evaluation(number, ended, children.evaluation_prefix(resource, number, bucket), clients)


def _read_evaluation(number: int, ended: str, prefix: str, clients: Clients) -> Evaluation:
    """An evaluation whose Job has ended, or is not there (``ended`` is empty): its documents tell how it went."""
    try:
        report = EvaluateResult.model_validate_json(clients.objects.read(f"{prefix}{RESULT}")).report
    except ObjectNotFound:
        failure = (_failure(prefix, clients) or ended) if ended else ""
        return Evaluation(number, exists=bool(ended), failure=failure)
    except EngineUnavailable as error:
        return Evaluation(number, exists=True, outage=f"Its result cannot be read: {error}")
    except ValidationError as error:
        return Evaluation(
            number, exists=True, failure=f"{prefix}{RESULT} cannot be read: {error.error_count()} errors."
        )
    return Evaluation(number, exists=True, report=report)


def _ended(job: Manifest) -> str:
    """How a Job ended, as a sentence; empty while it runs."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition.get("status") == "True" and condition.get("type") == "Failed":
            return f"Job {job['metadata']['name']} failed: {condition.get('message', condition.get('reason', ''))}"
        if condition.get("status") == "True" and condition.get("type") == "Complete":
            return f"Job {job['metadata']['name']} finished without a result."
    return ""


def _failure(prefix: str, clients: Clients) -> str:
    try:
        return RunFailure.model_validate_json(clients.objects.read(f"{prefix}{FAILURE}")).message
    except (PlatformError, ValidationError):
        return ""


def _step(resource: ModelDeployment, clients: Clients, now: datetime) -> StepTraffic | None:
    """Requests of the present step; None when there is none, or Prometheus does not answer."""
    candidate = resource.status.candidate
    if candidate is None or candidate.step_start_time is None:
        return None
    meta = resource.metadata
    selector = telemetry.CANARY_REQUESTS.of(meta.namespace, meta.name, candidate.version)
    start = candidate.step_start_time
    try:
        series = clients.metrics.samples(selector, start - BEFORE, now)
    except EngineUnavailable:
        return None
    counted = [
        (one.labels.get(telemetry.CODE, ""), counter_increase(one.samples, start.timestamp(), now.timestamp()))
        for one in series
    ]
    return StepTraffic(
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


def _champion_alias(resource: ModelDeployment, clients: Clients) -> tuple[str | None, bool]:
    """The alias as the registry has it, and whether it answers; a rollout never waits for it."""
    if resource.status.stable is None and resource.status.candidate is None:
        return None, False
    model = f"{resource.metadata.namespace}.{resource.spec.registered.name}"
    try:
        return clients.registry.get_alias(model, children.champion_alias(resource)), True
    except PlatformError:
        return None, False
