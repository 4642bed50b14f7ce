"""What is decided about a FeatureSet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import ConditionType
from homeostat.api.v1alpha1 import FeatureSet, FeatureSetStatus
from homeostat.api.v1alpha1.featureset import FeatureSetReason, RunOutcome, SourceRead
from homeostat.reconcile.conditions import get, is_true
from homeostat.reconcile.errors import InvalidSpec
from homeostat.runs import ExpectationOutcome, FailureReason, MaterializeInput, RunFailure
from homeostat.testing.builders import DIGEST, a_feature_set
from homeostat_operators.core.actions import Launch, Stop
from homeostat_operators.core.freshness import REQUEST_ANNOTATION
from homeostat_operators.core.plan import Plan
from homeostat_operators.featureset.plan import plan
from unit.operators.featureset.runs import (
    NOTHING,
    NOW,
    OTHER_DIGEST,
    a_finished_run,
    a_job,
    a_result,
    a_run,
    created,
    in_service,
    reason,
    seen,
)


def stopped(decided: Plan[FeatureSetStatus]) -> list[str]:
    return [action.run.uid for action in decided.actions if isinstance(action, Stop)]


def test_a_new_feature_set_reserves_a_number_and_creates_its_job() -> None:
    decided = plan(a_feature_set(), NOTHING, NOW)
    assert decided.status.run is not None
    assert decided.status.run.number == 1
    assert created(decided) == ["customers-materialize-1"]
    assert reason(decided.status) == FeatureSetReason.MATERIALIZING


def test_a_reserved_number_whose_job_is_not_there_is_created_again_under_the_same_name() -> None:
    decided = plan(a_feature_set(status={"run": a_run(2)}), NOTHING, NOW)
    assert created(decided) == ["customers-materialize-2"]


def test_numbers_go_on_after_the_highest_job_even_when_the_status_was_lost() -> None:
    decided = plan(a_feature_set(), seen(runs=(a_job(6, finished=True),)), NOW)
    assert created(decided) == ["customers-materialize-7"]


def test_a_name_that_belongs_to_somebody_else_is_passed_over() -> None:
    observed = seen(state=a_job(1, owner="someone-else"))
    decided = plan(a_feature_set(status={"run": a_run()}), observed, NOW)
    assert created(decided) == ["customers-materialize-2"]
    assert decided.status.failures == 0


def test_a_running_job_is_left_alone_and_its_uid_kept() -> None:
    decided = plan(a_feature_set(status={"run": a_run()}), seen(state=a_job(), runs=(a_job(),)), NOW)
    assert decided.actions == ()
    assert decided.status.run is not None
    assert decided.status.run.job_uid == "7"


def test_a_result_puts_the_snapshot_into_service() -> None:
    observed = seen(state=a_job(finished=True), result=a_result())
    status = plan(a_feature_set(status={"run": a_run()}), observed, NOW).status
    assert status.snapshot is not None
    assert (status.snapshot.version, status.snapshot.rows) == (1, 120)
    assert status.schema_hash
    assert is_true(status.conditions, ConditionType.READY)
    assert is_true(status.conditions, "Fresh")


@pytest.mark.parametrize(("digest", "version"), [(DIGEST, 3), (OTHER_DIGEST, 4)])
def test_the_version_counts_only_different_snapshots(digest: str, version: int) -> None:
    feature_set = a_feature_set(status=in_service(run=a_run(2)))
    status = plan(feature_set, seen(2, result=a_result(digest)), NOW).status
    assert status.snapshot is not None
    assert status.snapshot.version == version


def test_a_blocked_expectation_keeps_the_old_snapshot() -> None:
    outcome = ExpectationOutcome(
        feature="tenure", rule="NotNull", severity="Block", failures=3, message="tenure is null in 3 rows."
    )
    blocked = a_result(blocked=True, snapshot=None, expectations=[outcome])
    status = plan(a_feature_set(status=in_service(run=a_run(2))), seen(2, result=blocked), NOW).status
    assert status.snapshot is not None
    assert status.snapshot.version == 3
    assert is_true(status.conditions, ConditionType.READY)
    assert reason(status) == FeatureSetReason.EXPECTATION_FAILED
    ready = get(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message.endswith(
        "tenure is null in 3 rows. Its next run is at 2026-01-05T09:00:00Z; to start one now: "
        'kubectl -n churn annotate featureset customers --overwrite homeostat.dev/materialize="$(date +%s)"'
    )


def test_a_blocked_first_run_stalls() -> None:
    blocked = a_result(blocked=True, snapshot=None)
    status = plan(a_feature_set(status={"run": a_run()}), seen(result=blocked), NOW).status
    assert is_true(status.conditions, ConditionType.STALLED)


def test_a_failed_run_is_tried_again_under_the_next_number_after_a_back_off() -> None:
    failed = plan(a_feature_set(status={"run": a_run()}), seen(state=a_job(finished=True)), NOW)
    assert failed.status.failures == 1
    assert created(failed) == []
    assert failed.requeue_after == timedelta(seconds=10)
    later = plan(a_feature_set(status=failed.status), NOTHING, NOW + timedelta(seconds=10))
    assert created(later) == ["customers-materialize-2"]


def test_the_job_of_a_failure_that_its_run_wrote_is_left_to_end_for_a_minute_after_it_was_read() -> None:
    failure = RunFailure(reason=FailureReason.SOURCE_UNAVAILABLE, message="s3 does not answer")
    job = a_job()
    failed = plan(a_feature_set(status={"run": a_run()}), seen(state=job, runs=(job,), failure=failure), NOW)
    assert stopped(failed) == []
    resource = a_feature_set(status=failed.status)
    assert stopped(plan(resource, seen(runs=(job,)), NOW + timedelta(seconds=59))) == []
    assert stopped(plan(resource, seen(runs=(job,)), NOW + timedelta(seconds=60))) == ["7"]


def test_a_source_that_is_away_is_reported_by_its_own_reason() -> None:
    failure = RunFailure(reason=FailureReason.SOURCE_UNAVAILABLE, message="s3 does not answer")
    status = plan(a_feature_set(status={"run": a_run()}), seen(failure=failure), NOW).status
    assert reason(status) == FeatureSetReason.SOURCE_UNAVAILABLE
    assert is_true(status.conditions, ConditionType.RECONCILING)


def test_data_that_contradict_the_spec_are_not_read_again_before_the_next_slot() -> None:
    failure = RunFailure(reason=FailureReason.INVALID_DATA, message="no column tenure")
    failed = plan(a_feature_set(status={"run": a_run()}), seen(failure=failure), NOW)
    stalled = get(failed.status.conditions, ConditionType.STALLED)
    assert stalled is not None
    assert stalled.status == "True"
    assert stalled.message.startswith(
        "Run 1 failed: InvalidData: no column tenure. Its next run is at 2026-01-05T09:00:00Z; to start one now: "
    )
    assert created(plan(a_feature_set(status=failed.status), NOTHING, NOW + timedelta(minutes=20))) == []
    assert created(plan(a_feature_set(status=failed.status), NOTHING, NOW + timedelta(minutes=30))) != []


def test_a_job_deleted_by_somebody_counts_as_a_failed_run() -> None:
    decided = plan(a_feature_set(status={"run": a_run(job_uid="7")}), NOTHING, NOW)
    assert decided.status.failures == 1
    assert created(decided) == []


def test_a_result_counts_although_its_job_is_gone() -> None:
    decided = plan(a_feature_set(status={"run": a_run(job_uid="7")}), seen(result=a_result()), NOW)
    assert decided.status.snapshot is not None


def test_a_due_slot_starts_a_run_and_is_kept() -> None:
    decided = plan(a_feature_set(status=in_service()), NOTHING, datetime(2026, 1, 5, 9, 0, 2, tzinfo=UTC))
    assert decided.status.run is not None
    assert decided.status.run.number == 2
    assert decided.status.run.scheduled_time == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_a_slot_missed_for_longer_than_the_deadline_is_skipped() -> None:
    decided = plan(a_feature_set(status=in_service()), NOTHING, datetime(2026, 1, 5, 9, 6, tzinfo=UTC))
    assert created(decided) == []
    assert decided.status.next_run_time == datetime(2026, 1, 5, 10, tzinfo=UTC)


def test_slots_follow_the_time_zone_of_the_user() -> None:
    schedule = {"schedule": "0 10 * * *", "time_zone": "Europe/Paris"}
    decided = plan(a_feature_set(materialization=schedule, status=in_service()), NOTHING, NOW)
    assert decided.status.next_run_time == datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"schedule": "61 * * * *"}, "schedule '61"),
        ({"schedule": "* * * * * *"}, "five fields"),
        ({"schedule": "0 * * * *", "time_zone": "Mars/Base"}, "timeZone 'Mars/Base'"),
    ],
)
def test_a_schedule_that_makes_no_sense_names_field_value_and_remedy(schedule: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        plan(a_feature_set(materialization=schedule), NOTHING, NOW)


def test_a_change_of_what_is_read_starts_a_run_at_once() -> None:
    changed = a_feature_set(source={"parquet": {"uri": "s3://homeostat/other/"}}, status=in_service())
    assert created(plan(changed, NOTHING, NOW)) == ["customers-materialize-2"]


def test_suspending_and_resuming_alone_start_nothing() -> None:
    for suspended in (True, False):
        schedule = {"schedule": "0 * * * *", "suspend": suspended}
        feature_set = a_feature_set(materialization=schedule, generation=5, status=in_service())
        assert created(plan(feature_set, NOTHING, NOW)) == []


def test_a_request_is_answered_once() -> None:
    asked = {REQUEST_ANNOTATION: "monday"}
    first = plan(a_feature_set(annotations=asked, status=in_service()), NOTHING, NOW)
    assert created(first) == ["customers-materialize-2"]
    answered = in_service(run=a_finished_run(2, request="monday"))
    assert created(plan(a_feature_set(annotations=asked, status=answered), NOTHING, NOW)) == []


def test_without_a_schedule_there_is_one_run_and_then_one_for_each_change_and_request() -> None:
    first = plan(a_feature_set(materialization=None), NOTHING, NOW)
    assert first.status.run is not None
    assert (first.status.run.number, first.status.run.scheduled_time, first.status.next_run_time) == (1, None, None)
    done = in_service(run=a_finished_run(2))
    much_later = NOW + timedelta(days=400)
    still = plan(a_feature_set(materialization=None, freshness=None, status=done), NOTHING, much_later)
    assert (created(still), still.requeue_after) == ([], None)
    asked = plan(a_feature_set(materialization=None, annotations={REQUEST_ANNOTATION: "1"}, status=done), NOTHING, NOW)
    assert len(created(asked)) == 1
    changed = plan(a_feature_set(materialization=None, ttl="1h", status=done), NOTHING, NOW)
    assert len(created(changed)) == 1


def test_nothing_starts_while_suspended() -> None:
    schedule = {"schedule": "0 * * * *", "suspend": True}
    decided = plan(a_feature_set(materialization=schedule, annotations={REQUEST_ANNOTATION: "x"}), NOTHING, NOW)
    assert decided.status.run is None
    assert reason(decided.status) == FeatureSetReason.SUSPENDED


def test_features_older_than_their_bound_are_stale_and_still_in_service() -> None:
    feature_set: FeatureSet = a_feature_set(status=in_service())
    status = plan(feature_set, NOTHING, NOW + timedelta(hours=2)).status
    assert not is_true(status.conditions, "Fresh")
    fresh = get(status.conditions, "Fresh")
    assert fresh is not None
    assert "Its next run is at 2026-01-05T11:00:00Z; to start one now: kubectl" in fresh.message
    assert is_true(status.conditions, ConditionType.READY)


def test_a_run_alive_under_another_number_is_deleted_and_waited_for() -> None:
    stray = a_job(1, uid="stray")
    decided = plan(a_feature_set(status={"run": a_run(2)}), seen(runs=(stray,)), NOW)
    assert stopped(decided) == ["stray"]
    assert created(decided) == []
    assert decided.requeue_after is not None


def test_only_the_newest_finished_job_is_kept() -> None:
    runs = (a_job(1, uid="old", finished=True), a_job(2, finished=True))
    decided = plan(a_feature_set(status=in_service(run=a_finished_run(2))), seen(runs=runs), NOW)
    assert stopped(decided) == ["old"]


def told(decided: Plan[FeatureSetStatus]) -> MaterializeInput:
    """The input of the run that is started."""
    (document,) = (action.request.document for action in decided.actions if isinstance(action, Launch))
    assert isinstance(document, MaterializeInput)
    return document


def requested(value: str, **status: Any) -> FeatureSet:
    return a_feature_set(annotations={REQUEST_ANNOTATION: value}, status=in_service(**status))


def test_a_run_is_told_which_snapshot_is_in_service() -> None:
    first = told(plan(a_feature_set(), NOTHING, NOW))
    assert (first.previous, first.full) == (None, False)
    later = told(plan(requested("1"), NOTHING, NOW))
    assert later.previous is not None
    assert (later.previous.digest, later.previous.rows, later.full) == (DIGEST, 100, False)


def test_a_request_for_a_full_run_is_answered_once() -> None:
    decided = plan(requested("full-1"), NOTHING, NOW)
    assert told(decided).full
    assert decided.status.run is not None
    run = decided.status.run.model_copy(update={"outcome": RunOutcome.MATERIALIZED, "completion_time": NOW})
    assert not told(plan(requested("full-1", run=run), NOTHING, NOW + timedelta(minutes=30))).full


def test_the_first_run_may_be_asked_for_as_a_full_one() -> None:
    assert told(plan(a_feature_set(annotations={REQUEST_ANNOTATION: "full"}), NOTHING, NOW)).full


def test_the_retry_of_a_run_that_reads_new_files_reads_new_files() -> None:
    run = a_finished_run(2, RunOutcome.FAILED, request="full-1")
    assert not told(plan(requested("full-1", run=run), NOTHING, NOW + timedelta(minutes=30))).full


@pytest.mark.parametrize("outcome", [RunOutcome.FAILED, RunOutcome.BLOCKED])
def test_a_full_run_that_brought_no_snapshot_is_followed_by_a_full_one(outcome: RunOutcome) -> None:
    run = a_finished_run(2, outcome, request="full-1", full=True)
    assert told(plan(requested("full-1", run=run), NOTHING, NOW + timedelta(minutes=30))).full


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ({"files": 1_000, "rows": 2_000, "full_read_reason": "that was requested"},
         "Files read: all 1,000 (2,000 rows), because that was requested."),
        ({"files": 2, "rows": 5, "unchanged_files": 7}, "Files read: 2 new (5 rows); unchanged: 7."),
        (None, ""),
    ],
)  # fmt: skip
def test_status_and_condition_report_what_was_read(read: dict[str, Any] | None, text: str) -> None:
    source = None if read is None else SourceRead(**read)
    status = plan(a_feature_set(status={"run": a_run()}), seen(result=a_result(source=source)), NOW).status
    assert status.last_materialization is not None
    assert status.last_materialization.source == source
    ready = get(status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message == f"Snapshot 1 with 120 rows is in service. {text}".strip()
