"""What to do about a FeatureSet: a pure function of its spec, its status, its runs and the clock.

First the end of the newest run is taken into the status, then a new run is reserved if there is a reason for one.
"""

from datetime import datetime, timedelta

from homeostat.api.common import parse_duration
from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.api.v1alpha1.featureset import LastMaterialization, MaterializationRun, RunOutcome, Snapshot
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs import SeenRun
from homeostat.engines.runs.jobs import JOB
from homeostat.runs import FailureReason, MaterializeResult
from homeostat_operators.core.actions import Action, CreateOnce, Delete
from homeostat_operators.core.plan import Plan
from homeostat_operators.featureset import children, conditions
from homeostat_operators.featureset.observed import FeatureSetObservation
from homeostat_operators.featureset.schedule import due_slot, next_slot

REQUEST_ANNOTATION = "homeostat.dev/materialize"
"""Any value that it did not have before asks for one run."""

MESSAGE_LIMIT = 1024
FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(minutes=10)
STRAY_POLL_INTERVAL = timedelta(seconds=2)


def plan(resource: FeatureSet, observed: FeatureSetObservation, now: datetime) -> Plan[FeatureSetStatus]:
    """The next status, and the actions that follow from it.

    Raises:
        InvalidSpec: The schedule makes no sense.
    """
    slot = next_slot(resource.spec.materialization, now)
    status = _settled(resource, observed, now)
    strays = tuple(job for job in observed.jobs if not job.finished and not _is_current(job, status.run))
    if not strays and _wants_run(resource, status, now):
        status = status.model_copy(update={"run": _reserved(resource, status, observed, now)})
    suspended = resource.spec.materialization.suspend
    status = status.model_copy(
        update={
            "observed_generation": resource.metadata.generation,
            "next_run_time": None if suspended else slot,
        }
    )
    status = status.model_copy(update={"conditions": conditions.conditions_of(resource, status, now)})
    return Plan(
        status, _actions(resource, status, observed, strays), _requeue_after(resource, status, now, bool(strays))
    )


def _is_current(job: SeenRun, run: MaterializationRun | None) -> bool:
    return run is not None and run.outcome is None and job.number == run.number


def _settled(  # noqa: PLR0911 - one return for each way a run can stand
    resource: FeatureSet, observed: FeatureSetObservation, now: datetime
) -> FeatureSetStatus:
    """The status with what is known of the newest run."""
    status, run, job = resource.status, resource.status.run, observed.job
    if run is None or run.outcome is not None:
        return status
    if observed.result is not None:
        return _delivered(resource, run, observed.result, now)
    if job is not None and job.owner != resource.metadata.uid:
        # The name belongs to somebody else: the number is given up, and nothing has failed.
        next_number = {"number": _highest(status, observed) + 1, "job_uid": ""}
        return status.model_copy(update={"run": run.model_copy(update=next_number)})
    if observed.failure is not None:
        permanent = observed.failure.reason is FailureReason.INVALID_DATA
        return _failed(status, run, f"{observed.failure.reason}: {observed.failure.message}", now, permanent=permanent)
    if job is None and not run.job_uid:
        return status  # reserved, not created yet
    if job is None:
        return _failed(status, run, f"the Job of run {run.number} was deleted before it delivered a result", now)
    if job.finished:
        why = f"{job.reason}: {job.message}" if job.reason else "it ended without a result"
        return _failed(status, run, f"Job {job.name}: {why}; see its pod's log", now)
    return status.model_copy(update={"run": run.model_copy(update={"job_uid": job.uid})})


def _failed(
    status: FeatureSetStatus, run: MaterializationRun, message: str, now: datetime, *, permanent: bool = False
) -> FeatureSetStatus:
    ended = {"outcome": RunOutcome.FAILED, "permanent": permanent, "completion_time": now}
    run = run.model_copy(update={**ended, "message": message[:MESSAGE_LIMIT]})
    return status.model_copy(update={"run": run, "failures": status.failures + 1})


def _delivered(
    resource: FeatureSet, run: MaterializationRun, result: MaterializeResult, now: datetime
) -> FeatureSetStatus:
    status = resource.status
    message = " ".join(expectation.message for expectation in result.expectations if expectation.failures)
    run = run.model_copy(update={"completion_time": now, "message": message[:MESSAGE_LIMIT]})
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
            ),
        }
    )


def _wants_run(resource: FeatureSet, status: FeatureSetStatus, now: datetime) -> bool:
    run = status.run
    if resource.spec.materialization.suspend or (run is not None and run.outcome is None):
        return False
    retry = _retry_time(status)
    return (
        run is None
        or run.input_hash != children.input_hash(resource)
        or _request(resource) not in ("", run.request)
        or due_slot(resource.spec.materialization, run.start_time, now) is not None
        or (retry is not None and retry <= now)
    )


def _request(resource: FeatureSet) -> str:
    return resource.metadata.annotations.get(REQUEST_ANNOTATION, "")[:256]


def _retry_time(status: FeatureSetStatus) -> datetime | None:
    """When a failed run is tried again; None: not before the next slot, change or request."""
    run = status.run
    if run is None or run.outcome is not RunOutcome.FAILED or run.permanent or run.completion_time is None:
        return None
    return run.completion_time + min(FIRST_RETRY * 2.0 ** min(status.failures - 1, 10), LONGEST_RETRY)


def _highest(status: FeatureSetStatus, observed: FeatureSetObservation) -> int:
    return max([status.run.number if status.run else 0, *(job.number for job in observed.jobs)])


def _reserved(
    resource: FeatureSet, status: FeatureSetStatus, observed: FeatureSetObservation, now: datetime
) -> MaterializationRun:
    """The next run; it answers every reason that there is for one."""
    since = status.run.start_time if status.run else now
    return MaterializationRun(
        number=_highest(status, observed) + 1,
        scheduled_time=due_slot(resource.spec.materialization, since, now),
        request=_request(resource),
        input_hash=children.input_hash(resource),
        start_time=now,
    )


def _actions(
    resource: FeatureSet, status: FeatureSetStatus, observed: FeatureSetObservation, strays: tuple[SeenRun, ...]
) -> tuple[Action, ...]:
    run, newest = status.run, _highest(status, observed)
    old = tuple(job for job in observed.jobs if job.finished and job.number < newest)
    deletes = tuple(
        Delete(*JOB, resource.metadata.namespace, job.name, job.uid) for job in strays + old if not job.deleting
    )
    if run is None or run.outcome is not None or run.job_uid or strays:
        return deletes  # one run at a time: a stray one goes first
    if observed.job is not None and observed.job.number == run.number:
        return deletes  # it was seen in this turn
    job = children.materialize_job(resource, run.number, observed.bucket, observed.image)
    return (*deletes, CreateOnce(job))


def _requeue_after(resource: FeatureSet, status: FeatureSetStatus, now: datetime, strays: bool) -> timedelta | None:
    times = [STRAY_POLL_INTERVAL + now] if strays else []
    if status.next_run_time is not None:
        times.append(status.next_run_time)
    if (retry := _retry_time(status)) is not None and not resource.spec.materialization.suspend:
        times.append(retry)
    if (last := status.last_materialization) is not None and resource.spec.freshness is not None:
        times.append(last.time + parse_duration(resource.spec.freshness.max_age))
    # Jobs and changes queue the object by themselves; what is past already has been acted on or waits for those.
    future = [time - now for time in times if time > now]
    return min(future, default=None)
