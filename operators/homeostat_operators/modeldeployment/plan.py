"""What to do about a ModelDeployment: a pure function of its spec, its status, the world and the clock.

One reconciliation runs choose → judge → compare → hold → advance → retire over the status; every action follows from the resulting
status, so that a reconciliation which is repeated, or stopped half way, asks for the same again.
"""

from datetime import datetime, timedelta

from homeostat.api.v1alpha1.gate import GateRecord
from homeostat.api.v1alpha1.modeldeployment import Candidate, ModelDeployment, ModelDeploymentStatus
from homeostat.engines.runs import local
from homeostat_operators.core.actions import Action, Apply, Delete, Launch, SetAlias, Stop, TagVersion
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.runs import LaunchRun, ending, strays
from homeostat_operators.core.versions import Identified
from homeostat_operators.modeldeployment import candidates, children, conditions, evaluation, inputs, mirroring, rollout
from homeostat_operators.modeldeployment.engine import engine_of
from homeostat_operators.modeldeployment.observed import Available, ModelDeploymentObservation

ROLLOUT_POLL_INTERVAL = timedelta(seconds=2)
"""Between two observations of a rollout."""
UNREADY_POLL_INTERVAL = timedelta(seconds=10)
"""While pods of the version in service are not ready: pods and their Events, which say why, queue nothing."""
IDLE_POLL_INTERVAL = timedelta(seconds=60)
"""Between two observations of a deployment with nothing in flight; events come sooner."""


def plan(resource: ModelDeployment, observed: ModelDeploymentObservation, now: datetime) -> Plan[ModelDeploymentStatus]:
    """The next status, and the actions that follow from it."""
    before = resource.status
    status = before.model_copy(
        update={
            "observed_generation": resource.metadata.generation,
            "engine": observed.engine,
            "routing": engine_of(observed).routing,
            "evaluations": max(before.evaluations, observed.evaluation.highest),
            "url": _url(resource, observed),
        }
    )
    for stage in (candidates.choose, evaluation.judge, mirroring.record, inputs.hold, rollout.advance):
        status = stage(resource, status, observed, now)
    retirement = rollout.retire(before, status, observed, now)
    traffic = rollout.traffic(resource, status, observed)
    serving = observed.servings.get(status.stable.version) if status.stable else None
    replicas = serving.ready if serving else 0
    status = status.model_copy(update={"traffic": traffic, "draining": retirement.draining, "replicas": replicas})
    status = status.model_copy(update={"conditions": conditions.conditions_of(resource, status, observed, now)})
    deletes = (
        Delete(child.api_version, child.kind, resource.metadata.namespace, child.name, child.uid)
        for child in retirement.doomed
    )
    actions = (
        *_serve(resource, status, observed, now),
        *_evaluate(resource, status, observed, now),
        *deletes,
        *_update_registry(resource, status, observed),
    )
    is_well = status.stable is None or (serving is not None and serving.complete)
    is_waiting = bool(evaluation.unknown_metrics(resource, status, observed))
    requeue = _requeue_after(resource, status, now, is_well=is_well, is_waiting=is_waiting)
    return Plan(status=status, actions=actions, requeue_after=requeue)


def _url(resource: ModelDeployment, observed: ModelDeploymentObservation) -> str:
    if own := engine_of(observed).url(resource):
        return own
    base = observed.installation.gateway_url.rstrip("/")
    return f"{base}/{resource.metadata.namespace}/{resource.metadata.name}"


def _serve(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> tuple[Action, ...]:
    """The objects of every version with a role, and of those that drain: applied at every reconciliation, so that they heal."""
    installation, versions = observed.installation, rollout.running(status, now)
    objects = engine_of(observed).objects(resource, versions, installation.services_image, installation.predictor_pods)
    return tuple(Apply(manifest) for manifest in objects)


def _evaluate(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> tuple[Action, ...]:
    """Evaluations that nobody waits for any more are stopped, and the reserved one is launched after them."""
    recorded = evaluation.recorded_evaluation(resource, status)
    doomed = strays(recorded, observed.evaluation, ending(recorded, now))
    stops = tuple(Stop(local.NAME, run) for run in doomed if not run.deleting)
    match status.candidate, evaluation.decision_on(resource, status, observed, now):
        case Candidate() as candidate, LaunchRun():
            available = observed.available(candidate.version, candidate.digest)
            if available is None:
                return stops
            request = children.evaluation(resource, candidate, status.stable, available, observed)
            return (*stops, Launch(local.NAME, request))
        case _:
            return stops


def _update_registry(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> tuple[Action, ...]:
    """What the registry is told; it is never waited for, and comes last."""
    if not observed.registry_answers:
        return ()
    model = f"{resource.metadata.namespace}.{resource.spec.registered.name}"
    actions: list[Action] = []
    is_new = status.gate != resource.status.gate
    match status.gate, _judged(resource, status, observed):
        case (GateRecord() as record, Available() as judged) if is_new and _is_registered(judged, observed):
            champion = evaluation.champion_of(resource.status)  # the version itself may have taken its place since
            tag = evaluation.verdict_tag(resource, record, judged.dataset.digest, champion)
            actions.append(TagVersion(model, record.version, *tag))
    stable = status.stable
    if stable is not None and observed.champion_alias != stable.version and _is_registered(stable, observed):
        actions.append(SetAlias(model, children.champion_alias(resource), stable.version))
    return tuple(actions)


def _judged(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> Available | None:
    """The version of the newest verdict; the same reconciliation may have ended its rollout."""
    candidate = status.candidate or resource.status.candidate
    return observed.available(candidate.version, candidate.digest) if candidate else None


def _is_registered(version: Identified, observed: ModelDeploymentObservation) -> bool:
    """Whether the registry has these files under this number, as far as it was asked: it may have been restored."""
    return observed.registered.get(version.version, version.digest) == version.digest


def _requeue_after(
    resource: ModelDeployment, status: ModelDeploymentStatus, now: datetime, *, is_well: bool, is_waiting: bool
) -> timedelta:
    delays = [IDLE_POLL_INTERVAL if is_well else UNREADY_POLL_INTERVAL]
    if status.candidate is not None and not is_waiting:
        delays.append(_candidate_poll_interval(resource, status.candidate, now))
    delays += [entry.since + rollout.DRAIN - now for entry in status.draining]
    return max(min(delays), timedelta(seconds=1))


def _candidate_poll_interval(resource: ModelDeployment, candidate: Candidate, now: datetime) -> timedelta:
    step = rollout.step_of(resource, candidate)
    if step is None:
        return ROLLOUT_POLL_INTERVAL
    return min(ROLLOUT_POLL_INTERVAL, max(step.end - now, timedelta(seconds=1)))
