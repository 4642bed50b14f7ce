"""What is said about a FeatureSet: its conditions, as a function of its status and the clock."""

from datetime import datetime

from homeostat.api.common import Condition, ConditionStatus, ConditionType, format_time
from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.api.v1alpha1.featureset import FeatureSetReason, RunOutcome
from homeostat.reconcile.conditions import put, ready, reconciling, stalled
from homeostat.runs import FailureReason
from homeostat_operators.core.freshness import fresh_until, renewal

FRESH = "Fresh"


def conditions_of(resource: FeatureSet, status: FeatureSetStatus, now: datetime) -> list[Condition]:
    """Ready, Reconciling, Stalled, and Fresh where the spec bounds the age of what is there."""
    generation = resource.metadata.generation
    updated = _state(resource, status, now)
    decided = resource.model_copy(update={"status": status})
    until = fresh_until(decided)
    freshness, last = resource.spec.freshness, status.last_materialization
    if until is None or freshness is None or last is None:
        return [condition for condition in updated if condition.type != FRESH]
    if now < until:
        message = f"Materialised through {format_time(last.through)}."
        return put(updated, FRESH, "True", FeatureSetReason.MATERIALIZED, message, generation, now)
    message = f"The last good materialisation ended at {format_time(last.time)}, longer than {freshness.max_age} ago. {renewal(decided)}"
    return put(updated, FRESH, "False", FeatureSetReason.STALE, message, generation, now)


def _state(resource: FeatureSet, status: FeatureSetStatus, now: datetime) -> list[Condition]:
    run, snapshot, generation = status.run, status.snapshot, resource.metadata.generation
    old = status.conditions
    if run is None:  # only while suspended: else one was reserved just now
        message = "Suspended before the first materialisation; set spec.materialization.suspend to false."
        updated = reconciling(old, FeatureSetReason.SUSPENDED, message, generation, now)
        return put(updated, ConditionType.RECONCILING, "False", FeatureSetReason.SUSPENDED, "", generation, now)
    reason, message, moving = _newest_run(status)
    if not moving and run.outcome is not RunOutcome.MATERIALIZED:
        message = f"{message} {renewal(resource.model_copy(update={'status': status}))}"
    if snapshot is None:
        set_state = reconciling if moving else stalled
        return set_state(old, reason, message, generation, now)
    kept = f"Snapshot {snapshot.version} with {snapshot.rows} rows is in service."
    if run.outcome in (None, RunOutcome.MATERIALIZED):
        updated = ready(old, FeatureSetReason.MATERIALIZED, f"{kept} {message}".strip(), generation, now)
    else:
        updated = ready(old, reason, f"{kept} {message}", generation, now)
    if moving:
        status_ = ConditionStatus.TRUE
        updated = put(updated, ConditionType.RECONCILING, status_, reason, message, generation, now)
    return updated


def _newest_run(status: FeatureSetStatus) -> tuple[FeatureSetReason, str, bool]:
    """Reason, message, and whether something goes on or will by itself."""
    run = status.run
    assert run is not None  # noqa: S101 - the caller's branch
    match run.outcome:
        case None:
            doing = f"waits: {run.message}" if run.message else "reads the source"
            return FeatureSetReason.MATERIALIZING, f"Run {run.number} {doing}.", True
        case RunOutcome.MATERIALIZED:
            return FeatureSetReason.MATERIALIZED, run.message, False
        case RunOutcome.BLOCKED:
            return FeatureSetReason.EXPECTATION_FAILED, f"Run {run.number} was blocked: {run.message}", False
        case RunOutcome.FAILED:
            source = run.reason == FailureReason.SOURCE_UNAVAILABLE
            reason = FeatureSetReason.SOURCE_UNAVAILABLE if source else FeatureSetReason.RUN_FAILED
            again = None if run.permanent else status.next_run_time
            end = f" and is retried at {format_time(again)}" if again else ""
            return reason, f"Run {run.number} failed{end}: {run.message.rstrip('.')}.", again is not None
