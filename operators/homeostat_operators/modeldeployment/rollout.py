"""The rollout: from the first ready pod by shadow and canary to promotion, or back, one step at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from homeostat.api.common import format_duration, parse_duration
from homeostat.api.v1alpha1.modeldeployment import (
    Candidate,
    DrainingVersion,
    ModelDeployment,
    ModelDeploymentStatus,
    Outcome,
    RollbackTrigger,
    RolloutStep,
    TrafficTarget,
)
from homeostat.engines.serving import Child, Serving, Version
from homeostat.signals import difference_lower, wilson
from homeostat_operators.modeldeployment import inputs
from homeostat_operators.modeldeployment.candidates import finish
from homeostat_operators.modeldeployment.engine import engine_of
from homeostat_operators.modeldeployment.observed import Answered, ModelDeploymentObservation, StepTraffic

ERROR_REQUESTS = 20
"""Requests below which an error rate says nothing."""

MAX_DRAINING = 8

DRAIN = timedelta(seconds=15)
"""How long a version keeps its pods after its last request was routed to it."""


def advance(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> ModelDeploymentStatus:
    """Status after the rollout's part: the next step, promotion, a rollback, or nothing new."""
    candidate = status.candidate
    if candidate is None or not candidate.gate_passed:
        return status
    serving = observed.servings.get(candidate.version)
    problem = _readiness_problem(resource, candidate, serving, now) or _error_problem(resource, candidate, observed)
    if problem:
        return finish(resource, status, Outcome.ROLLED_BACK, f"Version {candidate.version} {problem}", now)
    if serving is None or not serving.complete or inputs.are_unknown(status, observed):
        return status
    steps = resource.spec.rollout.steps if status.stable else []
    if not _step_is_over(resource, candidate, observed, now):
        return status
    following = 0 if candidate.step_start_time is None else candidate.step + 1
    if following >= len(steps):
        return finish(resource, status, Outcome.PROMOTED, _success(resource, candidate), now)
    step = steps[following]
    update = {"step": following, "step_start_time": now, "weight": step.weight or 0, "mirror": step.mirror or 0}
    return status.model_copy(update={"candidate": candidate.model_copy(update=update)})


class CurrentStep(NamedTuple):
    """The step that a candidate is on, and its earliest end."""

    spec: RolloutStep
    end: datetime


def step_of(resource: ModelDeployment, candidate: Candidate) -> CurrentStep | None:
    """The step that the candidate is on; None before the first, or when the spec has fewer steps by now."""
    start, steps = candidate.step_start_time, resource.spec.rollout.steps
    if start is None or candidate.step >= len(steps):
        return None
    spec = steps[candidate.step]
    return CurrentStep(spec, start + parse_duration(spec.min_duration))


def _success(resource: ModelDeployment, candidate: Candidate) -> str:
    if candidate.step_start_time is None:
        return "All its pods were ready."
    count = len(resource.spec.rollout.steps)
    shadow = candidate.shadow.message if candidate.shadow else ""
    return f"It passed {count} step{'s' if count != 1 else ''}. {shadow}".rstrip()


def _readiness_problem(resource: ModelDeployment, candidate: Candidate, serving: Serving | None, now: datetime) -> str:
    deadline = timedelta(seconds=resource.spec.rollout.progress_deadline_seconds)
    suffix = f": {serving.failure_message}" if serving and serving.failure_message else ""
    ready, desired = (serving.ready, serving.desired) if serving else (0, resource.spec.realtime.replicas)
    if candidate.step_start_time is None:
        if (serving is None or not serving.complete) and now - candidate.since > deadline:
            return f"has {ready} of {desired} pods ready after {format_duration(deadline)}{suffix}."
        return ""
    if serving is None or ready == 0:
        return f"lost its last ready pod with {candidate.share}{suffix}."
    step = step_of(resource, candidate)
    patience = deadline + (parse_duration(step.spec.min_duration) if step else timedelta())
    if not serving.complete and now - candidate.step_start_time > patience:
        return f"has {ready} of {desired} pods ready on step {candidate.step + 1} after {format_duration(patience)}{suffix}."
    return ""


def _error_problem(resource: ModelDeployment, candidate: Candidate, observed: ModelDeploymentObservation) -> str:
    """Why its errors take the candidate back: more of them than the champion had in the same time, beyond chance."""
    answered = observed.step
    watched = RollbackTrigger.ERROR_RATE in resource.spec.rollback.on
    if candidate.step_start_time is None or answered is None or not watched or answered.requests < ERROR_REQUESTS:
        return ""
    lower, bound = _excess_errors(answered), float(resource.spec.rollback.max_error_rate)
    if lower <= bound:
        return ""
    champion = answered.champion
    return (
        f"failed {_counted(answered)} with {candidate.share}"
        f"{f', the champion {_counted(champion)} in the same time' if champion.requests else ''}: "
        f"at least {lower:.1%}{' more' if champion.requests else ''}, beyond rollback.maxErrorRate of {bound:.1%}."
    )


def _excess_errors(answered: StepTraffic) -> float:
    """Lower bound (97.5 %) of the candidate's error rate less that of the champion, or alone while that answers nothing."""
    champion = answered.champion
    if champion.requests:
        return difference_lower((answered.errors, answered.requests), (champion.errors, champion.requests))
    return wilson(answered.errors, answered.requests)[0]


def _counted(answered: Answered) -> str:
    return f"{answered.errors:.0f} of {answered.requests:.0f} requests ({answered.rate:.1%})"


def needs_metrics(resource: ModelDeployment, candidate: Candidate) -> bool:
    """Whether the present step cannot end without figures from Prometheus."""
    step = step_of(resource, candidate)
    return step is not None and (step.spec.min_requests > 0 or RollbackTrigger.ERROR_RATE in resource.spec.rollback.on)


def _step_is_over(
    resource: ModelDeployment, candidate: Candidate, observed: ModelDeploymentObservation, now: datetime
) -> bool:
    step = step_of(resource, candidate)
    if step is None:
        return True
    if now < step.end:
        return False
    if observed.step is None:
        # Going on without knowing how the candidate fares would be a rollout without a canary.
        return not needs_metrics(resource, candidate)
    return observed.step.requests >= step.spec.min_requests


def traffic(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> list[TrafficTarget]:
    """Shares of requests: what the router reads.

    A version is named from when all its pods were ready. The champion stays named when its pods are gone: they come back
    under the same Service, and there is nothing better to send requests to.
    """
    candidate, shares = status.candidate, []
    if status.stable:
        shares.append((status.stable.version, 100 - (candidate.weight if candidate else 0), 0))
    if candidate and (candidate.weight or candidate.mirror):
        shares.append((candidate.version, candidate.weight, candidate.mirror))
    service = partial(engine_of(observed).service, resource)
    return [TrafficTarget(version=v, service=service(v), weight=w, mirror=m) for v, w, m in shares]


def running(status: ModelDeploymentStatus, now: datetime) -> list[Version]:
    """Versions that are kept running: those with a role and, while their last requests are answered, those that drain."""
    shares = {target.version: (target.weight, target.mirror) for target in status.traffic}
    rolling_out = status.candidate if status.candidate and status.candidate.gate_passed else None
    # One that was found without a record of what it is cannot be asked for again.
    draining = [entry for entry in status.draining if entry.uri and now - entry.since < DRAIN]
    return [
        Version(one.version, one.digest, one.uri, *shares.get(one.version, (0, 0)))
        for one in (status.stable, rolling_out, *draining)
        if one is not None
    ]


@dataclass(frozen=True)
class Retirement:
    """Versions that drain, and objects whose time has come."""

    draining: list[DrainingVersion]
    doomed: tuple[Child, ...]


def retire(
    before: ModelDeploymentStatus, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> Retirement:
    """Every version with objects in the cluster that has no role any more drains first and is deleted then."""
    roles = {one.version for one in (status.stable, status.candidate) if one is not None}
    recorded = {one.version: one for one in (before.stable, before.candidate, *before.draining) if one is not None}
    since = {entry.version: entry.since for entry in before.draining}
    there = {child.version for child in observed.children} - {""}
    leftover = sorted(there - roles, key=lambda v: (len(v), v))[:MAX_DRAINING]
    draining = [
        DrainingVersion(
            version=v,
            digest=recorded[v].digest if v in recorded else "",
            uri=recorded[v].uri if v in recorded else "",
            since=since.get(v, now),
        )
        for v in leftover
    ]
    drained = {entry.version for entry in draining if now - entry.since >= DRAIN}
    doomed = [child for child in observed.children if child.version in drained]
    # An object that serves several versions goes with the last of them.
    if not roles and drained == set(leftover):
        doomed += [child for child in observed.children if not child.version]
    return Retirement(draining, tuple(doomed))
