"""When a FeatureSet is looked at again, and what a run's end leaves in its status."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import ConditionType
from homeostat.api.v1alpha1.featureset import RunOutcome
from homeostat.artifacts.features import schema_hash
from homeostat.reconcile.conditions import get, is_true
from homeostat.runs import FailureReason, RunFailure
from homeostat.testing.builders import a_feature_set
from homeostat_operators.core.actions import Stop
from homeostat_operators.core.freshness import REQUEST_ANNOTATION
from homeostat_operators.core.runs import RunObservation
from homeostat_operators.featureset.plan import plan
from unit.operators.featureset.runs import (
    NOTHING,
    NOW,
    a_finished_run,
    a_job,
    a_result,
    a_run,
    created,
    in_service,
    seen,
)

SUSPENDED = {"schedule": "0 * * * *", "suspend": True}


def a_failed_run(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {**a_finished_run(number, RunOutcome.FAILED), "completion_time": NOW, **fields}


def wait(seconds: float = 0, **feature_set: Any) -> timedelta | None:
    return plan(a_feature_set(**feature_set), NOTHING, NOW + timedelta(seconds=seconds)).requeue_after


def test_between_runs_it_waits_for_the_next_slot() -> None:
    decided = plan(a_feature_set(status=in_service()), NOTHING, NOW)
    assert decided.requeue_after == timedelta(minutes=30)
    assert decided.status.next_run_time == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_features_that_become_stale_before_the_next_slot_are_looked_at_then() -> None:
    status = in_service(last_materialization={"number": 1, "through": NOW, "time": NOW - timedelta(minutes=110)})
    assert wait(status=status) == timedelta(minutes=10)
    assert wait(10 * 60, status=status) == timedelta(minutes=20)
    assert wait(status=status, freshness=None) == timedelta(minutes=30)


def test_a_suspended_feature_set_waits_for_staleness_alone() -> None:
    failed = in_service(run=a_failed_run(2), failures=1)
    decided = plan(a_feature_set(materialization=SUSPENDED, status=failed), NOTHING, NOW)
    assert decided.status.next_run_time is None
    assert decided.requeue_after == timedelta(minutes=116)
    assert wait(materialization=SUSPENDED, freshness=None, status=failed) is None


def test_a_failed_run_says_when_it_is_retried_and_that_is_the_next_run() -> None:
    failure = RunFailure(reason=FailureReason.SOURCE_UNAVAILABLE, message="s3 does not answer")
    decided = plan(a_feature_set(status=in_service(run=a_run(2))), seen(2, failure=failure), NOW)
    again = NOW + timedelta(seconds=10)
    assert (decided.status.next_run_time, decided.requeue_after) == (again, timedelta(seconds=10))
    reconciling = get(decided.status.conditions, ConditionType.RECONCILING)
    assert reconciling is not None
    assert reconciling.message == (
        "Run 2 failed and is retried at 2026-01-05T08:30:10Z: SourceUnavailable: s3 does not answer."
    )


def test_a_slot_before_the_retry_of_a_failed_run_is_the_next_run() -> None:
    failed = in_service(run=a_failed_run(2), failures=20)
    decided = plan(a_feature_set(status=failed), NOTHING, NOW + timedelta(minutes=5))
    assert decided.status.next_run_time == NOW + timedelta(minutes=10)
    late = in_service(run=a_failed_run(2, completion_time=NOW + timedelta(minutes=25)), failures=20)
    decided = plan(a_feature_set(status=late), NOTHING, NOW + timedelta(minutes=26))
    assert decided.status.next_run_time == NOW + timedelta(minutes=30)


def test_without_a_schedule_the_retry_of_a_failed_run_is_the_next_run_and_then_none_is_known() -> None:
    failed = a_feature_set(materialization=None, status=in_service(run=a_failed_run(2), failures=1))
    assert plan(failed, NOTHING, NOW).status.next_run_time == NOW + timedelta(seconds=10)
    done = a_feature_set(materialization=None, status=in_service())
    assert plan(done, NOTHING, NOW).status.next_run_time is None


def test_while_a_run_of_a_lost_status_ends_the_next_run_is_that_of_the_schedule() -> None:
    decided = plan(a_feature_set(), seen(6, runs=(a_job(6),)), NOW)
    assert (decided.status.run, decided.status.next_run_time) == (None, NOW + timedelta(minutes=30))


def test_a_suspended_feature_set_promises_no_retry_and_says_what_ends_the_suspension() -> None:
    failed = in_service(run=a_failed_run(2, message="Error: boom"), failures=1)
    status = plan(a_feature_set(materialization=SUSPENDED, status=failed), NOTHING, NOW).status
    ready = get(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message.endswith(
        "Run 2 failed: Error: boom. FeatureSet customers is suspended; set its spec.materialization.suspend to false."
    )
    assert not is_true(status.conditions, ConditionType.RECONCILING)


def test_a_run_is_looked_at_every_ten_seconds_until_it_has_ended() -> None:
    running = plan(a_feature_set(status={"run": a_run()}), seen(state=a_job(), runs=(a_job(),)), NOW)
    assert running.requeue_after == timedelta(seconds=10)
    assert wait(status={"run": a_finished_run()}) == timedelta(minutes=30)


def test_a_run_that_is_in_the_way_is_looked_at_after_two_seconds() -> None:
    decided = plan(a_feature_set(status={"run": a_run(2)}), seen(runs=(a_job(1, uid="stray"),)), NOW)
    assert decided.requeue_after == timedelta(seconds=2)


def test_a_run_that_is_already_being_stopped_is_not_stopped_again() -> None:
    runs = (a_job(1, uid="stray", deleting=True), a_job(2, finished=True, deleting=True))
    decided = plan(a_feature_set(status={"run": a_run(3)}), seen(runs=runs), NOW)
    assert decided.actions == ()


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 20), (6, 320), (7, 600), (20, 600)])
def test_the_back_off_of_a_materialisation_doubles_up_to_ten_minutes(failures: int, seconds: int) -> None:
    status = in_service(run=a_failed_run(2), failures=failures)
    assert wait(status=status) == timedelta(seconds=seconds)
    assert wait(seconds - 1, status=status) == timedelta(seconds=1)
    feature_set = a_feature_set(status=status)
    assert created(plan(feature_set, NOTHING, NOW + timedelta(seconds=seconds - 1))) == []
    assert created(plan(feature_set, NOTHING, NOW + timedelta(seconds=seconds))) == ["customers-materialize-3"]


def test_a_permanent_failure_and_one_without_an_end_wait_for_the_slot() -> None:
    for run in (a_failed_run(2, permanent=True), a_failed_run(2, completion_time=None)):
        assert wait(status=in_service(run=run, failures=1)) == timedelta(minutes=30)


def test_a_result_ends_the_failures_in_a_row_and_says_what_it_read() -> None:
    feature_set = a_feature_set(status=in_service(run=a_run(2), failures=4))
    through = NOW.replace(microsecond=123456)
    status = plan(feature_set, seen(2, result=a_result(through=through)), NOW).status
    assert status.failures == 0
    assert status.run is not None
    assert (status.run.outcome, status.run.completion_time) == (RunOutcome.MATERIALIZED, NOW)
    last = status.last_materialization
    assert last is not None
    assert (last.number, last.through, last.time, last.online_rows) == (2, NOW, NOW, 120)


@pytest.mark.parametrize("fields", [{"blocked": True}, {"blocked": False, "snapshot": None}])
def test_a_result_that_is_blocked_or_has_no_snapshot_is_not_put_into_service(fields: dict[str, Any]) -> None:
    feature_set = a_feature_set(status=in_service(run=a_run(2), failures=4))
    status = plan(feature_set, seen(2, result=a_result(**fields)), NOW).status
    assert status.run is not None
    assert (status.run.outcome, status.failures) == (RunOutcome.BLOCKED, 0)
    assert status.snapshot is not None
    assert status.snapshot.uri == "s3://homeostat/old/"


def test_the_schema_is_that_of_the_spec_that_the_run_read() -> None:
    current = plan(a_feature_set(status=in_service(run=a_run(2))), seen(2, result=a_result()), NOW).status
    assert current.schema_hash == schema_hash(a_feature_set())
    old = in_service(run=a_run(2, input_hash="of an older spec"), schema_hash="older")
    assert plan(a_feature_set(status=old), seen(2, result=a_result()), NOW).status.schema_hash == "older"


@pytest.mark.parametrize(
    ("reason", "permanent", "message"),
    [
        (FailureReason.INVALID_DATA, True, "InvalidData: no column tenure"),
        (FailureReason.SOURCE_UNAVAILABLE, False, "SourceUnavailable: no column tenure"),
    ],
)
def test_a_failure_is_recorded_with_its_reason_and_whether_another_run_could_fare_better(
    reason: FailureReason, permanent: bool, message: str
) -> None:
    failure = RunFailure(reason=reason, message="no column tenure")
    status = plan(a_feature_set(status={"run": a_run(), "failures": 2}), seen(failure=failure), NOW).status
    assert status.run is not None
    assert (status.run.outcome, status.run.reason, status.run.permanent) == (RunOutcome.FAILED, reason, permanent)
    assert (status.run.message, status.run.completion_time, status.failures) == (message, NOW, 3)


def test_a_failure_without_a_reason_is_reported_by_its_message_alone() -> None:
    status = plan(a_feature_set(status={"run": a_run(job_uid="7")}), NOTHING, NOW).status
    assert status.run is not None
    assert status.run.message == "Run customers-materialize-1 was deleted before it delivered a result"


def test_a_run_reserved_for_a_change_answers_the_slot_that_is_due_too() -> None:
    nine = datetime(2026, 1, 5, 9, 0, 2, tzinfo=UTC)
    changed = a_feature_set(source={"parquet": {"uri": "s3://homeostat/other/"}}, status=in_service())
    run = plan(changed, NOTHING, nine).status.run
    assert run is not None
    assert (run.number, run.scheduled_time, run.start_time) == (2, nine.replace(second=0), nine)
    first = plan(a_feature_set(), NOTHING, nine).status.run
    assert first is not None
    assert first.scheduled_time is None


def test_a_request_longer_than_256_characters_is_answered_once() -> None:
    asked = {REQUEST_ANNOTATION: "x" * 300}
    first = plan(a_feature_set(annotations=asked, status=in_service()), NOTHING, NOW).status
    assert first.run is not None
    assert first.run.request == "x" * 256
    answered = in_service(run=a_finished_run(2, request=first.run.request))
    assert created(plan(a_feature_set(annotations=asked, status=answered), NOTHING, NOW)) == []


def test_a_request_that_was_withdrawn_asks_for_nothing() -> None:
    answered = in_service(run=a_finished_run(2, request="monday"))
    assert created(plan(a_feature_set(status=answered), NOTHING, NOW)) == []


def test_finished_jobs_below_the_newest_of_status_and_cluster_are_removed_and_running_ones_of_others_too() -> None:
    def removed(number: int, *runs: Any) -> list[str]:
        status = in_service(run=a_finished_run(number))
        observed = replace(NOTHING, runs=RunObservation(number, runs=runs))
        actions = plan(a_feature_set(status=status), observed, NOW).actions
        return [action.run.uid for action in actions if isinstance(action, Stop)]

    assert removed(3, a_job(1, uid="1", finished=True), a_job(2, uid="2", finished=True)) == ["1", "2"]
    assert removed(1, a_job(1, uid="1", finished=True), a_job(2, uid="2", finished=True)) == ["1"]
    assert removed(2, a_job(2, uid="2", finished=True), a_job(3, uid="3")) == ["3", "2"]


def test_a_reason_is_recorded_by_its_first_63_characters() -> None:
    ended = a_job(finished=True, reason="x" * 80, message="it ended")
    status = plan(a_feature_set(status={"run": a_run()}), seen(state=ended), NOW).status
    assert status.run is not None
    assert status.run.reason == "x" * 63


def test_what_a_run_took_as_missing_is_in_the_status_and_the_condition_points_to_it() -> None:
    warnings = ["Column 'charge': values taken as missing because they are infinite or beyond 3.4e38: 3."]
    resource = a_feature_set(status={"run": a_run(job_uid="7")})
    status = plan(resource, seen(result=a_result(warnings=warnings)), NOW).status
    assert status.last_materialization is not None
    assert status.last_materialization.warnings == warnings
    ready = get(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message.endswith("1 warning about the data: see status.lastMaterialization.warnings.")
