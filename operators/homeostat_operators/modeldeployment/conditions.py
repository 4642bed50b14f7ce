"""Conditions of a ModelDeployment: what a person reads first."""

from datetime import datetime

from homeostat.api.common import Condition, ConditionStatus, ConditionType, format_time
from homeostat.api.v1alpha1.modeldeployment import (
    Candidate,
    HistoryEntry,
    ModelDeployment,
    ModelDeploymentReason,
    ModelDeploymentStatus,
    Outcome,
    ServedVersion,
)
from homeostat.engines.serving import Serving
from homeostat.reconcile.conditions import put, ready, reconciling, stalled
from homeostat.reconcile.stored import note
from homeostat_operators.core import versions
from homeostat_operators.modeldeployment import candidates, evaluation, inputs, rollout
from homeostat_operators.modeldeployment.observed import ModelDeploymentObservation

ConditionUpdate = tuple[ModelDeploymentReason, str]
"""Reason and message."""

_ENDED = {
    Outcome.HELD: ModelDeploymentReason.HELD,
    Outcome.REJECTED: ModelDeploymentReason.REJECTED,
    Outcome.ROLLED_BACK: ModelDeploymentReason.ROLLED_BACK,
    Outcome.EVALUATION_FAILED: ModelDeploymentReason.EVALUATION_FAILED,
}


OBSERVED = "Observed"
"""Condition type: whether predictions are recorded, so that outcomes can be matched to them."""


def conditions_of(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> list[Condition]:
    """Ready, Reconciling and Stalled as kstatus defines them, and whether predictions are observed."""
    new = _kstatus(resource, status, observed, now)
    generation = resource.metadata.generation
    if resource.spec.observation is None:
        message = (
            "Predictions are served but not recorded: set spec.observation to match outcomes and monitor performance."
        )
        return put(new, OBSERVED, "False", ModelDeploymentReason.NOT_OBSERVED, message, generation, now)
    message = f"{resource.spec.observation.payload.percent} % of predictions are recorded."
    return put(new, OBSERVED, "True", ModelDeploymentReason.RECORDING, message, generation, now)


def _kstatus(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, now: datetime
) -> list[Condition]:
    """Ready says whether the champion answers; Reconciling whether something is on its way; Stalled who must act."""
    generation = resource.metadata.generation
    moving = _on_its_way(resource, status, observed)
    ended = (
        _unknown_metric(resource, status, observed)
        or _ambiguous(resource, status, observed)
        or _ended(resource, status, observed)
    )
    old, left_out = status.conditions, note(observed.unreadable)
    if status.stable is None:
        reason, message = moving or ended or _waiting(resource)
        message = f"{message} {left_out}".rstrip()
        if moving is None and ended is not None:
            return stalled(old, reason, message, generation, now)
        return reconciling(old, reason, message, generation, now)
    champion = observed.servings.get(status.stable.version)
    if champion is None or champion.ready == 0:
        suffix = f": {champion.failure_message}" if champion and champion.failure_message else ""
        message = f"Version {status.stable.version} has no ready pod{suffix}."
        return reconciling(old, ModelDeploymentReason.UNAVAILABLE, message, generation, now)
    reason, message = moving or ended or (ModelDeploymentReason.SERVING, "")
    message = f"{message} {left_out}".strip()
    serves = f"Version {status.stable.version} serves with {_pods(champion)}."
    serves += _unregistered(status.stable, observed)
    new = ready(old, reason, f"{serves} {message}".strip(), generation, now)
    if moving is not None:
        new = put(new, ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message, generation, now)
    return new


def _pods(serving: Serving) -> str:
    why = f" ({serving.failure_message})" if serving.failure_message and serving.ready < serving.desired else ""
    return f"{serving.ready} of {serving.desired} pods ready{why}"


def _on_its_way(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> ConditionUpdate | None:
    candidate, pin = status.candidate, resource.spec.registered.version
    if candidate is not None and evaluation.unknown_metrics(resource, status, observed):
        return None
    if candidate is not None:
        return _candidate(resource, candidate, observed)
    if pin is not None and not observed.numbered(pin) and (status.stable is None or status.stable.version != pin):
        return _waiting(resource)
    return None


def _waiting(resource: ModelDeployment) -> ConditionUpdate:
    model = resource.spec.registered
    what = f"version {model.version}" if model.version else "a version"
    message = (
        f"No succeeded TrainingJob of namespace {resource.metadata.namespace} with spec.output.model {model.name} "
        f"has recorded {what} yet; waiting for it."
    )
    return ModelDeploymentReason.WAITING_FOR_MODEL, message


def _candidate(
    resource: ModelDeployment, candidate: Candidate, observed: ModelDeploymentObservation
) -> ConditionUpdate:
    version = candidate.version
    serving = observed.servings.get(version)
    if not candidate.gate_passed:
        attempt = f", attempt {candidate.evaluation_failures + 1}" if candidate.evaluation_failures else ""
        against = "the champion" if candidate.champion_digest else "the gate's minimum"
        state = observed.evaluation.state
        obstacle = observed.evaluation.outage or (state.failure_message if state and not state.finished else "")
        failure, again = candidate.last_evaluation_failure, evaluation.retry_time(candidate)
        if failure is not None and again is not None and candidate.evaluation == 0 and not obstacle:
            obstacle = f"It starts at {format_time(again)}, because the last attempt failed: {failure.message}"
        message = f"Version {version} is evaluated against {against} on the holdout{attempt}.{f' {obstacle}' if obstacle else ''}"
        return ModelDeploymentReason.EVALUATING, message
    pods = _pods(serving) if serving else f"0 of {resource.spec.realtime.replicas} pods ready"
    if candidate.step_start_time is None:
        waits = inputs.are_unknown(resource.status, observed)
        reading = (
            " Its inputs cannot be compared with the champion's yet: the object store does not answer." if waits else ""
        )
        return ModelDeploymentReason.STARTING, f"Version {version} is starting: {pods}.{reading}"
    reason = ModelDeploymentReason.SHADOW if candidate.mirror else ModelDeploymentReason.CANARY
    return reason, _step(resource, candidate, observed, pods)


def _step(resource: ModelDeployment, candidate: Candidate, observed: ModelDeploymentObservation, pods: str) -> str:
    steps = len(resource.spec.rollout.steps)
    step = rollout.step_of(resource, candidate)
    place = f"step {candidate.step + 1} of {steps}"
    message = f"Version {candidate.version} answers {candidate.share}, {place}, {pods}"
    if step is None:
        return f"{message}."
    before = resource.status.candidate
    continues = before is not None and before.step_start_time == candidate.step_start_time
    # A step that begins in this reconciliation has no observation yet.
    if continues and observed.step is None and rollout.needs_metrics(resource, candidate):
        return f"{message}; the step does not advance because Prometheus does not answer."
    counted = (
        f", {observed.step.requests:.0f} of {step.spec.min_requests} requests"
        if observed.step and step.spec.min_requests
        else ""
    )
    compared = _compared(candidate, observed) if continues and candidate.mirror else ""
    return f"{message}, for at least {step.spec.min_duration}{counted}. {compared}".rstrip()


def _compared(candidate: Candidate, observed: ModelDeploymentObservation) -> str:
    if observed.shadow is None:
        return "Its scores cannot be compared: the observer does not answer."
    return candidate.shadow.message if candidate.shadow else ""


def _unregistered(stable: ServedVersion, observed: ModelDeploymentObservation) -> str:
    if observed.registered.get(stable.version, stable.digest) == stable.digest:
        return ""
    return f" The registry does not have its files as version {stable.version}: {candidates.COUNTED_ANEW}."


def _unknown_metric(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> ConditionUpdate | None:
    why = evaluation.unknown_metrics(resource, status, observed)
    if status.candidate is None or not why:
        return None
    message = f"Version {status.candidate.version} is not evaluated: {why}. Correct spec.promotion.gate."
    return ModelDeploymentReason.UNKNOWN_METRIC, message


def _ambiguous(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> ConditionUpdate | None:
    message = candidates.ambiguity(resource, status, observed)
    return None if message is None else (ModelDeploymentReason.AMBIGUOUS_VERSION, message)


def _ended(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation
) -> ConditionUpdate | None:
    """How the last version's way ended, if not well."""
    last = status.history[0] if status.history else None
    if last is None or last.outcome is Outcome.PROMOTED:
        return None
    verb = {
        Outcome.HELD: "was held",
        Outcome.REJECTED: "was rejected by the gate",
        Outcome.ROLLED_BACK: "was rolled back",
        Outcome.EVALUATION_FAILED: "could not be evaluated",
    }[last.outcome]
    again = _again(resource, status, observed, last)
    return _ENDED[last.outcome], f"Version {last.version} {verb}: {last.message} {again}".rstrip()


def _again(
    resource: ModelDeployment, status: ModelDeploymentStatus, observed: ModelDeploymentObservation, last: HistoryEntry
) -> str:
    """How that version is tried again; empty if the spec asks for another one by now."""
    wanted = candidates.wanted_version(resource, status, observed)
    if wanted is None or not versions.is_same(wanted, last):
        return ""
    meta, value = resource.metadata, candidates.next_retry_request(status, last.digest)
    return (
        f"To try it again: kubectl annotate modeldeployment {meta.name} -n {meta.namespace} "
        f"{candidates.RETRY_ANNOTATION}={value} --overwrite"
    )
