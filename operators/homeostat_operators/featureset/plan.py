"""What to do about a FeatureSet: a pure function of its spec, its status, its runs and the clock.

First the end of the newest run is taken into the status, then a new run is reserved if there is a reason for one.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.api.v1alpha1.featureset import LastMaterialization, MaterializationRun, RunOutcome, Snapshot, SourceRead
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs import DEADLINE_EXCEEDED, MATERIALIZE, RunState, local, run_name
from homeostat.reconcile.pods import OUT_OF_MEMORY
from homeostat.runs import MaterializeResult
from homeostat_operators.core.actions import Action, Launch, Stop
from homeostat_operators.core.freshness import REQUEST_ANNOTATION
from homeostat_operators.core.plan import Plan, pointer_to
from homeostat_operators.core.runs import (
    STRAY_POLL_INTERVAL,
    Failed,
    GiveUpNumber,
    LaunchRun,
    RecordedRun,
    Reserve,
    Running,
    RunPolicy,
    Succeeded,
    decide,
    ending,
    strays,
)
from homeostat_operators.featureset import children, conditions
from homeostat_operators.featureset.observed import FeatureSetObservation
from homeostat_operators.featureset.schedule import due_slot, next_slot

RUN_POLL_INTERVAL = timedelta(seconds=10)
"""Until it is looked whether a run that waits for its pod still does; its end queues the FeatureSet by itself."""

REMEDIES = {OUT_OF_MEMORY: "raise spec.placement.resources.limits.memory, or reduce the rows of spec.source"}
POLICY = RunPolicy(
    deadline=timedelta(seconds=children.DEADLINE_SECONDS), longest_pause=timedelta(minutes=10), remedies=REMEDIES
)


def plan(resource: FeatureSet, observed: FeatureSetObservation, now: datetime) -> Plan[FeatureSetStatus]:
    """The next status, and the actions that follow from it.

    Raises:
        InvalidSpec: The schedule makes no sense.
    """
    schedule = resource.spec.materialization
    slot = next_slot(schedule, now) if schedule else None
    status = _decided(resource, resource.status, observed, now)
    status = status.model_copy(
        update={
            "observed_generation": resource.metadata.generation,
            "next_run_time": _next_run_time(resource, status, slot),
        }
    )
    status = status.model_copy(update={"conditions": conditions.conditions_of(resource, status, now)})
    recorded = _recorded(resource, status)
    lingering = strays(recorded, observed.runs)
    doomed = strays(recorded, observed.runs, ending(recorded, now))
    return Plan(
        status, _actions(resource, status, observed, doomed, now), _requeue_after(resource, status, now, lingering)
    )


def _recorded(resource: FeatureSet, status: FeatureSetStatus) -> RecordedRun:
    run = status.run
    if run is None:
        return RecordedRun()
    return RecordedRun(
        number=run.number,
        name=run_name(resource, MATERIALIZE, run.number),
        uid=run.job_uid,
        ended=(run.completion_time or run.start_time) if run.outcome is not None else None,
        failures=status.failures,
        stopped=run.reason == DEADLINE_EXCEEDED,
    )


def _policy(resource: FeatureSet, status: FeatureSetStatus, now: datetime) -> RunPolicy:
    return replace(POLICY, due=_due(resource, status, now))


def _decided(
    resource: FeatureSet, status: FeatureSetStatus, observed: FeatureSetObservation, now: datetime
) -> FeatureSetStatus:
    """The status with what is known of the newest run, and with the next one where there is a reason for it."""
    run, policy = status.run, _policy(resource, status, now)
    decision = decide(_recorded(resource, status), observed.runs, policy, resource.metadata.uid, now)
    match decision:
        case Succeeded(result) if run is not None:
            return _decided(resource, _delivered(resource, run, result, now), observed, now)
        case Failed() if run is not None:
            return _decided(resource, _failed(status, run, decision, now), observed, now)
        case GiveUpNumber(number) if run is not None:
            return status.model_copy(update={"run": run.model_copy(update={"number": number, "job_uid": ""})})
        case Running(state) if run is not None:
            # While it goes on, the message is what holds it up.
            shown = {"job_uid": state.uid, "message": state.failure_message}
            return status.model_copy(update={"run": run.model_copy(update=shown)})
        case Reserve(number):
            return status.model_copy(update={"run": _reserved(resource, status, number, now)})
        case _:  # nothing is due, or it waits; the launch follows from the status
            return status


def _failed(status: FeatureSetStatus, run: MaterializationRun, failed: Failed, now: datetime) -> FeatureSetStatus:
    message = f"{failed.reason}: {failed.message}" if failed.reason else failed.message
    ended = {"outcome": RunOutcome.FAILED, "permanent": failed.permanent, "completion_time": now}
    run = run.model_copy(update={**ended, "reason": failed.reason[:63], "message": message})
    return status.model_copy(update={"run": run, "failures": status.failures + 1})


def _delivered(
    resource: FeatureSet, run: MaterializationRun, result: MaterializeResult, now: datetime
) -> FeatureSetStatus:
    status = resource.status
    failed = (expectation.message for expectation in result.expectations if expectation.failures)
    pointer = pointer_to(result.warnings, "status.lastMaterialization.warnings")
    message = " ".join([*failed, *_read_text(result.source), *pointer])
    run = run.model_copy(update={"completion_time": now, "message": message})
    if result.blocked or result.snapshot is None:
        run = run.model_copy(update={"outcome": RunOutcome.BLOCKED})
        return status.model_copy(update={"run": run, "failures": 0})
    old, new = status.snapshot, result.snapshot
    version = 1 if old is None else old.version + (old.digest != new.digest)
    return status.model_copy(
        update={
            "run": run.model_copy(update={"outcome": RunOutcome.MATERIALIZED}),
            "failures": 0,
            "snapshot": Snapshot(
                version=version, digest=new.digest, uri=new.uri, rows=new.rows, watermark=new.watermark
            ),
            # Of the spec that the run read, which is not always today's.
            "schema_hash": schema_hash(resource)
            if run.input_hash == children.input_hash(resource)
            else status.schema_hash,
            "last_materialization": LastMaterialization(
                number=run.number,
                through=result.through.replace(microsecond=0),
                time=now,
                online_rows=result.online_rows,
                source=result.source,
                warnings=result.warnings,
            ),
        }
    )


def _read_text(read: SourceRead | None) -> list[str]:
    """A sentence on what was read, for a condition; runs of v0.1.0 have not recorded it."""
    if read is None:
        return []
    if read.full_read_reason:
        return [f"Files read: all {read.files:,} ({read.rows:,} rows), because {read.full_read_reason}."]
    return [f"Files read: {read.files:,} new ({read.rows:,} rows); unchanged: {read.unchanged_files:,}."]


def _due(resource: FeatureSet, status: FeatureSetStatus, now: datetime) -> datetime | None:
    """When the next run may start; None: not before a slot, a change or a request comes."""
    run = status.run
    if _suspended(resource):
        return None
    if (
        run is None
        or run.input_hash != children.input_hash(resource)
        or _request(resource) not in ("", run.request)
        or _due_slot(resource, run.start_time, now) is not None
    ):
        return now
    return _retry_time(status)


def _suspended(resource: FeatureSet) -> bool:
    return resource.spec.materialization is not None and resource.spec.materialization.suspend


def _due_slot(resource: FeatureSet, since: datetime, now: datetime) -> datetime | None:
    schedule = resource.spec.materialization
    return due_slot(schedule, since, now) if schedule else None


def _request(resource: FeatureSet) -> str:
    return resource.metadata.annotations.get(REQUEST_ANNOTATION, "")[:256]


def _retry_time(status: FeatureSetStatus) -> datetime | None:
    """When a failed run is tried again; None: not before the next slot, change or request."""
    run = status.run
    if run is None or run.outcome is not RunOutcome.FAILED or run.permanent or run.completion_time is None:
        return None
    return run.completion_time + POLICY.pause(status.failures)


def _next_run_time(resource: FeatureSet, status: FeatureSetStatus, slot: datetime | None) -> datetime | None:
    """The next slot, or the retry of a failed run where that comes first; None: a run starts only for a change or a request."""
    if _suspended(resource):
        return None
    return min((time for time in (slot, _retry_time(status)) if time is not None), default=None)


def _reserved(resource: FeatureSet, status: FeatureSetStatus, number: int, now: datetime) -> MaterializationRun:
    """The next run; it answers every reason that there is for one."""
    before, request = status.run, _request(resource)
    since = before.start_time if before else now
    requested = request.startswith(children.FULL) and (before is None or request != before.request)
    owed = before is not None and before.full and before.outcome is not RunOutcome.MATERIALIZED
    return MaterializationRun(
        number=number,
        scheduled_time=_due_slot(resource, since, now),
        request=request,
        full=requested or owed,
        input_hash=children.input_hash(resource),
        start_time=now,
    )


def _actions(
    resource: FeatureSet,
    status: FeatureSetStatus,
    observed: FeatureSetObservation,
    doomed: tuple[RunState, ...],
    now: datetime,
) -> tuple[Action, ...]:
    recorded, policy = _recorded(resource, status), _policy(resource, status, now)
    newest = max(recorded.number, observed.runs.highest)
    old = tuple(run for run in observed.runs.runs if run.finished and run.number < newest)
    stops = tuple(Stop(local.NAME, run) for run in doomed + old if not run.deleting)
    decision = decide(recorded, observed.runs, policy, resource.metadata.uid, now)
    if status.run is None or not isinstance(decision, LaunchRun):
        return stops
    request = children.materialization(resource, status.run, observed)
    return (*stops, Launch(local.NAME, request))


def _requeue_after(
    resource: FeatureSet, status: FeatureSetStatus, now: datetime, lingering: tuple[RunState, ...]
) -> timedelta | None:
    times = [STRAY_POLL_INTERVAL + now] if lingering else []
    if status.run is not None and status.run.outcome is None:
        times.append(RUN_POLL_INTERVAL + now)
    if status.next_run_time is not None:
        times.append(status.next_run_time)
    if (last := status.last_materialization) is not None and resource.spec.freshness is not None:
        times.append(last.time + parse_duration(resource.spec.freshness.max_age))
    # Jobs and changes queue the object by themselves; what is past already has been acted on or waits for those.
    future = [time - now for time in times if time > now]
    return min(future, default=None)
