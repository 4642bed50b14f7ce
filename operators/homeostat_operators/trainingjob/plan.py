"""What to do about a TrainingJob: a pure function of its spec, its status, its attempts and the clock.

First the end of the current attempt is taken into the status; then, if there is neither a result nor a final failure, the
next attempt is reserved as soon as nothing stands against it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from homeostat.api.common import format_time, truncated
from homeostat.api.v1alpha1 import FeatureSet, TrainingJob, TrainingJobStatus
from homeostat.api.v1alpha1.trainingjob import (
    Completion,
    CompletionOutcome,
    Progress,
    Provenance,
    Run,
    StepState,
    TrainingJobReason,
)
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs import DEADLINE_EXCEEDED, TRAIN, RunState, run_name
from homeostat.reconcile.errors import InvalidSpec, ObjectNotFound, PlatformError
from homeostat.reconcile.pods import OUT_OF_MEMORY
from homeostat.reconcile.stored import find
from homeostat.runs import FailureReason, RunProgress
from homeostat_operators.core.actions import Action, Launch, Stop
from homeostat_operators.core.freshness import renewal
from homeostat_operators.core.plan import Plan, pointer_to
from homeostat_operators.core.runs import (
    STRAY_POLL_INTERVAL,
    AwaitStrays,
    Failed,
    GiveUpNumber,
    LaunchRun,
    Nothing,
    RecordedRun,
    Reserve,
    Running,
    RunPolicy,
    Succeeded,
    Suspended,
    decide,
    ending,
    strays,
)
from homeostat_operators.trainingjob import children, conditions, registration, result
from homeostat_operators.trainingjob.conditions import ConditionUpdate, Stage
from homeostat_operators.trainingjob.observed import TrainingJobObservation

REMEDIES = {OUT_OF_MEMORY: "raise spec.placement.resources.limits.memory"}
PROGRESS_POLL_INTERVAL = timedelta(seconds=3)
REGISTRY_POLL_INTERVAL = timedelta(seconds=1)
INPUTS_POLL_INTERVAL = timedelta(seconds=60)
"""Until inputs are looked for again; their own changes queue the TrainingJob sooner."""


@dataclass(frozen=True)
class Step:
    """The outcome of one reconciliation, before it is put into conditions."""

    status: TrainingJobStatus
    update: ConditionUpdate | None
    actions: tuple[Action, ...] = ()
    requeue_after: timedelta | None = None


def plan(resource: TrainingJob, observed: TrainingJobObservation, now: datetime) -> Plan[TrainingJobStatus]:
    """The next status, and the actions that follow from it."""
    step = _step(resource, observed, now)
    # A run that wrote its result ends by itself; deleting its Job in that moment would take its log away.
    delivered = frozenset({step.status.attempt}) if step.status.model is not None else frozenset()
    recorded = _recorded(resource, step.status)
    lingering = strays(recorded, observed.attempts, delivered)
    left_to_end = ending(recorded, now)
    written = conditions.conditions_of(resource, step.update, now) if step.update else resource.status.conditions
    status = step.status.model_copy(update={"observed_generation": resource.metadata.generation, "conditions": written})
    doomed = (run for run in lingering if run.number not in left_to_end and not run.deleting)
    stops = tuple(Stop(observed.engine, run) for run in doomed)
    return Plan(
        status,
        (*stops, *step.actions),
        STRAY_POLL_INTERVAL if lingering and step.requeue_after is None else step.requeue_after,
    )


def _recorded(resource: TrainingJob, status: TrainingJobStatus) -> RecordedRun:
    run = status.run
    return RecordedRun(
        number=status.attempt,
        name=run_name(resource, TRAIN, status.attempt),
        uid=run.uid if run else "",
        ended=run.completion_time if run else None,
        failures=status.failures,
        stopped=run is not None and run.reason in {TrainingJobReason.SUSPENDED, TrainingJobReason.DEADLINE_EXCEEDED},
    )


def _policy(resource: TrainingJob, status: TrainingJobStatus, now: datetime) -> RunPolicy:
    run, spec = status.run, resource.spec
    policy = RunPolicy(
        deadline=timedelta(seconds=spec.active_deadline_seconds),
        due=None if spec.suspend else now,
        suspended=spec.suspend,
        attempts=spec.retry.limit + 1,
        remedies=REMEDIES,
    )
    if run is None or run.completion_time is None or not status.failures or spec.suspend:
        return policy
    if run.reason == TrainingJobReason.SUSPENDED:
        return policy
    return replace(policy, due=run.completion_time + policy.pause(status.failures))


def _is_active(status: TrainingJobStatus) -> bool:
    return status.run is not None and status.run.completion_time is None


def _step(resource: TrainingJob, observed: TrainingJobObservation, now: datetime) -> Step:
    status = resource.status
    if status.completion_time is not None:
        return Step(status, _completed_update(resource))
    if status.model is not None:
        return _registering(resource, status, observed.version, now)
    return _decided(resource, status, observed, now)


def _decided(  # noqa: PLR0911 - one return for each way the attempts can stand
    resource: TrainingJob, status: TrainingJobStatus, observed: TrainingJobObservation, now: datetime
) -> Step:
    """What follows from the attempts, none of which has a recorded result."""
    attempts = observed.attempts
    decision = decide(_recorded(resource, status), attempts, _policy(resource, status, now), resource.metadata.uid, now)
    match decision:
        case Succeeded(delivered):
            status = result.taken(resource, delivered, attempts.state, observed.image, now)
            return _registering(resource, status, None, now)
        case GiveUpNumber():
            # The name belongs to somebody else: the attempt has ended, and nothing has failed.
            return _decided(resource, _ended(resource, "NameTaken", "its name was taken", None, now), observed, now)
        case Failed():
            return _failed(resource, observed, decision, now)
        case Suspended():
            # Its run, if there is one, is a stray from now on: stopped, and waited for before the next attempt.
            ended = _ended(resource, TrainingJobReason.SUSPENDED, "suspended", attempts.state, now)
            return Step(
                ended, ConditionUpdate.suspended(), requeue_after=STRAY_POLL_INTERVAL if attempts.state else None
            )
        case Running(state):
            return _running(resource, observed, state)
        case AwaitStrays():
            message = "The run of an earlier attempt is still being stopped."
            return Step(status, ConditionUpdate(TrainingJobReason.PENDING, message), requeue_after=STRAY_POLL_INTERVAL)
        case LaunchRun():
            return _create(resource, status, observed, now)
        case Reserve(number):
            return _next_attempt(resource, status, observed, number, now)
        case Nothing(until):
            return _idle(status, until, now)
        case _:
            assert_never(decision)


def _idle(status: TrainingJobStatus, until: datetime | None, now: datetime) -> Step:
    """Between two attempts."""
    if until is None:
        return Step(status, ConditionUpdate.suspended())
    why = status.run.message if status.run else ""
    text = f"Attempt {status.attempt} failed and is retried at {format_time(until)}: {why}"
    return Step(status, ConditionUpdate(TrainingJobReason.RETRYING, text), requeue_after=until - now)


def _completed_update(resource: TrainingJob) -> ConditionUpdate | None:
    """Why it ended; None for an object that ended before status.completion existed, whose conditions stay."""
    completion = resource.status.completion
    return conditions.of_completion(completion) if completion is not None else None


def refused(resource: TrainingJob, error: PlatformError, now: datetime) -> TrainingJobStatus | None:
    """The status after an engine or Kubernetes refused what was launched: an end, because a spec cannot be changed.

    None where this is no end: a model that is trained is still to be registered, and an end is not repeated.

    Args:
        resource: The TrainingJob as it is recorded.
        error: InvalidSpec or InvalidData, with the words of who refused.
        now: The time.
    """
    status = resource.status
    if status.completion_time is not None or status.model is not None:
        return None
    message = str(error)
    if _is_active(status):
        status = _ended(resource, TrainingJobReason.INVALID_SPEC, message, None, now)
    update = ConditionUpdate.failure(TrainingJobReason.INVALID_SPEC, message)
    generation, final = resource.metadata.generation, _final(status, update, now).status
    written = conditions.conditions_of(resource, update, now)
    return final.model_copy(update={"observed_generation": generation, "conditions": written})


def _registering(resource: TrainingJob, status: TrainingJobStatus, version: str | None, now: datetime) -> Step:
    """The registration of the trained model, or the end once the registry has its version."""
    name = registration.model_name(resource)
    if version is None:
        update = ConditionUpdate(
            TrainingJobReason.REGISTERING, f"The model is trained and is being registered as {name}."
        )
        return Step(status, update, (registration.register(resource, status),), REGISTRY_POLL_INTERVAL)
    warnings = status.dataset.warnings if status.dataset else []
    pointer = pointer_to(warnings, "status.dataset.warnings")
    update = ConditionUpdate.success(" ".join([f"Model {name} version {version} is registered.", *pointer]))
    return _final(registration.registered(status, version), update, now)


def _because(run: RunState) -> str:
    return f": {run.failure_message}" if run.failure_message else ""


def _running(resource: TrainingJob, observed: TrainingJobObservation, job: RunState) -> Step:
    status, reported = resource.status, observed.attempts.progress
    identity = {"uid": job.uid, "url": job.url, "logs": job.logs}
    run = status.run.model_copy(update=identity) if status.run else None
    progress = _progress(reported, job) or status.progress
    provenance = result.provenance(job, observed.image, resource) or status.provenance
    changes = {"run": run, "progress": progress, "steps": list(job.steps), "provenance": provenance}
    status = status.model_copy(update=changes)
    doing = progress.current_step if progress and progress.current_step else "waiting for its pod"
    message = f"Attempt {status.attempt} runs: {doing}{_because(job)}."
    return Step(status, ConditionUpdate(TrainingJobReason.RUNNING, message), requeue_after=PROGRESS_POLL_INTERVAL)


def _progress(reported: RunProgress | None, job: RunState) -> Progress | None:
    """How far a run is, as it says itself; else as its engine does, which does not know how many steps there will be."""
    if reported is not None:
        summary = f"{min(100, 100 * reported.done // max(reported.total, 1))}% {reported.step}"
        return Progress(
            current_step=truncated(reported.step, 128),
            completed_steps=reported.done,
            total_steps=reported.total,
            summary=truncated(summary, 160),
        )
    done = sum(step.state in {StepState.SUCCEEDED, StepState.SKIPPED} for step in job.steps)
    current = next((step.name for step in job.steps if step.state is StepState.RUNNING), "")
    summary = f"{done} done {current}".strip()
    return Progress(current_step=current, completed_steps=done, summary=summary) if job.steps else None


def _ended(resource: TrainingJob, reason: str, message: str, job: RunState | None, now: datetime) -> TrainingJobStatus:
    """The status with the current attempt ended without a result."""
    status, run = resource.status, resource.status.run
    assert run is not None  # noqa: S101 - the caller's branch
    used = 0
    if run.uid or job is not None:
        # A run that waits for a node uses none of it; one that is gone is taken to have run all the time.
        start = job.start or now if job is not None and job.waiting else run.start_time
        end = job.end if job and job.end else now
        used = resource.spec.placement.gpus_per_node * max(0, int((end - start).total_seconds()))
    return status.model_copy(
        update={
            "run": run.model_copy(update={"completion_time": now, "reason": reason[:63], "message": message}),
            "progress": None,
            "steps": list(job.steps) if job is not None else status.steps,
            "gpu_seconds": status.gpu_seconds + used,
        }
    )


def _failed(resource: TrainingJob, observed: TrainingJobObservation, failed: Failed, now: datetime) -> Step:
    failures = resource.status.failures + 1
    ended = _ended(resource, failed.reason or "Failed", failed.message, observed.attempts.state, now)
    status = ended.model_copy(update={"failures": failures})
    limit = resource.spec.retry.limit
    if failed.reason == FailureReason.INVALID_DATA:
        return _final(status, ConditionUpdate.failure(TrainingJobReason.INVALID_DATA, failed.message), now)
    if not failed.exhausted:
        pause = _policy(resource, status, now).pause(failures)
        text = (
            f"Attempt {status.attempt} failed and is retried at {format_time(now + pause)} "
            f"({failures} of {limit} retries used): {failed.message}"
        )
        return Step(status, ConditionUpdate(TrainingJobReason.RETRYING, text), requeue_after=pause)
    text = f"All {failures} attempts failed; the last one: {failed.message}"
    if failed.reason == DEADLINE_EXCEEDED:
        return _final(status, ConditionUpdate.failure(TrainingJobReason.DEADLINE_EXCEEDED, text), now)
    return _final(status, ConditionUpdate.failure(TrainingJobReason.RETRIES_EXHAUSTED, text), now)


def _final(status: TrainingJobStatus, update: ConditionUpdate, now: datetime) -> Step:
    outcome = CompletionOutcome.SUCCEEDED if update.stage is Stage.SUCCEEDED else CompletionOutcome.FAILED
    completion = Completion(outcome=outcome, reason=update.reason, message=update.message)
    return Step(status.model_copy(update={"completion_time": now, "completion": completion}), update)


def _next_attempt(
    resource: TrainingJob, status: TrainingJobStatus, observed: TrainingJobObservation, number: int, now: datetime
) -> Step:
    """The next attempt, or what stands against it."""
    reserved = status.model_copy(
        update={
            "attempt": number,
            "run": Run(engine=observed.engine, id=run_name(resource, TRAIN, number), start_time=now),
            "progress": None,
            "steps": [],
            "start_time": status.start_time or now,
        }
    )
    step = _create(resource, reserved, observed, now)
    if step.actions:
        return step
    # What cannot be created, now or ever, is not reserved either.
    return Step(
        status.model_copy(
            update={"completion_time": step.status.completion_time, "completion": step.status.completion}
        ),
        step.update,
        requeue_after=step.requeue_after,
    )


def _create(resource: TrainingJob, status: TrainingJobStatus, observed: TrainingJobObservation, now: datetime) -> Step:
    """The run of the reserved attempt, once its inputs are there."""
    sets = [feature_set for feature_set in observed.features.values() if feature_set is not None]
    try:
        children.checked_pool(resource, observed)
        package = children.checked_package(resource, observed)
        if (update := _missing(resource, observed)) is not None:
            return Step(status, update, requeue_after=INPUTS_POLL_INTERVAL)
        request = children.attempt_of(resource, sets, status.attempt, observed)
    except ObjectNotFound as error:
        return Step(status, ConditionUpdate(TrainingJobReason.PENDING, f"{error}."), requeue_after=INPUTS_POLL_INTERVAL)
    except InvalidSpec as error:  # for good, because a spec cannot be changed
        return _final(status, ConditionUpdate.failure(TrainingJobReason.INVALID_SPEC, str(error)), now)
    provenance = Provenance(image=observed.image, seed=resource.spec.seed, pipeline_digest=package.digest)
    status = status.model_copy(update={"provenance": provenance})
    update = ConditionUpdate(TrainingJobReason.PENDING, f"Attempt {status.attempt} starts.")
    # Not every engine lets its runs be watched.
    return Step(status, update, (Launch(observed.engine, request),), requeue_after=PROGRESS_POLL_INTERVAL)


def _missing(resource: TrainingJob, observed: TrainingJobObservation) -> ConditionUpdate | None:
    for name, feature_set in observed.features.items():
        if feature_set is None:
            unreadable = find(observed.unreadable, FeatureSet, name)
            message = str(unreadable) if unreadable else f"FeatureSet {name!r} does not exist; create it."
            return ConditionUpdate(TrainingJobReason.WAITING_FOR_FEATURES, message)
        if not _is_current(feature_set):
            message = f"FeatureSet {name!r} has no snapshot of its current features yet. {renewal(feature_set)}"
            return ConditionUpdate(TrainingJobReason.WAITING_FOR_FEATURES, message)
    for source in resource.spec.dataset.labels:
        if source.outcomes_of and source.outcomes_of not in observed.deployments:
            message = f"ModelDeployment {source.outcomes_of!r}, whose outcomes are labels, does not exist; create it."
            return ConditionUpdate(TrainingJobReason.PENDING, message)
    return None


def _is_current(feature_set: FeatureSet) -> bool:
    return feature_set.status.snapshot is not None and feature_set.status.schema_hash == schema_hash(feature_set)
