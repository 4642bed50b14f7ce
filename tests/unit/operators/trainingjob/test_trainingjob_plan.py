"""What is decided about the attempts of a TrainingJob and what they leave behind."""

from dataclasses import replace
from datetime import timedelta

import pytest

from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, Step, StepState, TrainingJobReason
from homeostat.reconcile.conditions import get, put
from homeostat.reconcile.errors import InvalidSpec
from homeostat.runs import FailureReason, RunFailure, RunProgress
from homeostat.testing.builders import DIGEST, a_training_job
from homeostat_operators.core.actions import Register
from homeostat_operators.trainingjob.children import train_input
from homeostat_operators.trainingjob.plan import plan, refused
from unit.operators.trainingjob.attempts import (
    EARLIER,
    NOW,
    READY,
    RESULT,
    UID,
    a_job,
    created,
    deleted,
    failed,
    features,
    ready,
    running,
    said,
)


def test_an_end_is_read_from_the_status_and_never_from_a_condition() -> None:
    started = plan(a_training_job(), READY, NOW).status
    lie = put(started.conditions, SUCCEEDED, "False", "InvalidSpec", "somebody wrote this", 1, NOW)
    decided = plan(a_training_job(status=started.model_copy(update={"conditions": lie})), READY, NOW)
    assert decided.status.completion_time is None
    assert said(decided.status)[0] == "Unknown"


def test_a_refused_registration_does_not_throw_the_trained_model_away() -> None:
    trained = plan(a_training_job(status=running()), ready(result=RESULT), NOW).status
    assert refused(a_training_job(status=trained), InvalidSpec("no such model"), NOW) is None


def test_progress_is_shown_while_the_job_runs() -> None:
    seen = ready(run=a_job(), runs=(a_job(),), progress=RunProgress(step="train", done=1, total=3))
    decided = plan(a_training_job(status=running()), seen, NOW)
    assert decided.status.progress is not None
    assert decided.status.progress.summary == "33% train"
    assert decided.requeue_after == timedelta(seconds=3)


STEPS = (
    Step(name="build", state=StepState.SUCCEEDED, start_time=EARLIER, completion_time=NOW),
    Step(name="train", state=StepState.RUNNING, start_time=NOW),
)


def test_steps_and_logs_are_shown_and_are_progress_where_the_run_reports_none() -> None:
    job = a_job(steps=STEPS, logs="kubectl logs job/churn-first-train-1")
    seen = ready(run=job, runs=(job,))
    status = plan(a_training_job(status=running()), seen, NOW).status
    assert status.steps == list(STEPS)
    assert status.run is not None
    assert status.run.logs == "kubectl logs job/churn-first-train-1"
    assert status.progress is not None
    assert (status.progress.current_step, status.progress.summary) == ("train", "1 done train")
    own = ready(run=job, runs=(job,), progress=RunProgress(step="train", done=1, total=3))
    shown = plan(a_training_job(status=running()), own, NOW).status.progress
    assert shown is not None
    assert shown.summary == "33% train"


def test_the_steps_of_an_attempt_stay_until_the_next_one_begins() -> None:
    job = a_job(steps=STEPS, finished=True, reason="Failed")
    status = plan(a_training_job(status=running()), ready(run=job, runs=(job,)), NOW).status
    assert status.steps == list(STEPS)
    assert plan(a_training_job(status=status), READY, NOW + timedelta(minutes=1)).status.steps == []


def test_a_run_that_ended_without_a_result_says_what_its_last_step_has_to_do() -> None:
    job = a_job(finished=True, logs="kubectl logs job/churn-first-train-1")
    status = plan(a_training_job(retry={"limit": 0}, status=running()), ready(run=job), NOW).status
    message = get(status.conditions, SUCCEEDED).message  # type: ignore[union-attr]
    assert "without result.json, which its last step must write; see kubectl logs job/churn-first-train-1" in message


def test_provenance_is_what_the_job_received_not_what_is_true_now() -> None:
    document = train_input(a_training_job(), [features()], 1, READY).model_copy(update={"image": "older:1"})
    job = a_job(document=document.model_dump_json(by_alias=True))
    status = plan(a_training_job(status=running()), ready(run=job, runs=(job,)), NOW).status
    assert status.provenance is not None
    assert status.provenance.image == "older:1"
    assert status.provenance.feature_snapshots == [f"customers@{DIGEST}"]


def test_a_result_is_recorded_and_then_registered_under_the_uid_of_the_training() -> None:
    decided = plan(a_training_job(status=running()), ready(run=a_job(finished=True), result=RESULT), NOW)
    (action,) = decided.actions
    assert isinstance(action, Register)
    assert (action.model, action.intent, action.digest) == ("churn.churn", UID, DIGEST)
    assert decided.status.model is not None
    assert decided.status.model.version == ""
    assert [(metric.name, metric.value) for metric in decided.status.metrics] == [("auc", "0.812500")]
    (auc,) = decided.status.metrics
    assert (auc.constant, auc.lower, auc.upper) == ("0.500000", "0.750000", None)
    assert said(decided.status) == ("Unknown", TrainingJobReason.REGISTERING)


def test_the_version_that_the_registry_has_ends_the_training() -> None:
    registering = plan(a_training_job(status=running()), ready(result=RESULT), NOW).status
    decided = plan(a_training_job(status=registering), replace(READY, version="4"), NOW)
    assert decided.actions == ()
    assert decided.status.model is not None
    assert decided.status.model.version == "4"
    assert decided.status.completion_time == NOW
    assert said(decided.status) == ("True", TrainingJobReason.SUCCEEDED)
    assert plan(a_training_job(status=decided.status), READY, NOW).status == decided.status


def test_a_result_counts_although_its_job_was_deleted() -> None:
    decided = plan(a_training_job(status=running()), ready(result=RESULT), NOW)
    assert decided.status.failures == 0
    assert decided.status.model is not None


def test_the_job_of_a_result_is_left_to_end_by_itself_so_that_its_log_stays() -> None:
    job = a_job()
    decided = plan(a_training_job(status=running()), ready(run=job, runs=(job,), result=RESULT), NOW)
    assert [type(action) for action in decided.actions] == [Register]
    ended = ready(run=job, runs=(job,), version="4")
    for later in (NOW, NOW + timedelta(minutes=10)):
        assert plan(a_training_job(status=decided.status), ended, later).actions == ()


def test_the_job_of_a_failure_that_its_run_wrote_is_left_to_end_by_itself_for_a_minute_so_that_its_log_stays() -> None:
    job = a_job()
    wrote = RunFailure(reason=FailureReason.ERROR, message="no luck")
    first = plan(a_training_job(status=running()), ready(run=job, runs=(job,), failure=wrote), NOW)
    assert (first.status.failures, first.actions, first.requeue_after) == (1, (), timedelta(seconds=10))
    beside = ready(runs=(job,))
    soon = plan(a_training_job(status=first.status), beside, NOW + timedelta(seconds=59))
    assert (soon.actions, soon.status.attempt) == ((), 1)
    hanging = plan(a_training_job(status=first.status), beside, NOW + timedelta(seconds=60))
    assert (deleted(hanging), hanging.status.attempt) == (["churn-first-train-1"], 1)


def test_a_failed_attempt_is_followed_by_the_next_number_after_a_back_off() -> None:
    first = plan(a_training_job(status=running()), ready(run=a_job(finished=True, reason="Failed")), NOW)
    assert (first.status.failures, created(first)) == (1, [])
    assert said(first.status) == ("Unknown", TrainingJobReason.RETRYING)
    soon = plan(a_training_job(status=first.status), READY, NOW + timedelta(seconds=9))
    assert created(soon) == []
    later = plan(a_training_job(status=first.status), READY, NOW + timedelta(seconds=10))
    assert created(later) == ["churn-first-train-2"]


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 300), (9, 300)])
def test_the_back_off_of_a_training_doubles_with_each_failure_up_to_five_minutes(failures: int, seconds: int) -> None:
    job = a_training_job(retry={"limit": 10}, status=failed(1, failures))
    before = plan(job, READY, NOW + timedelta(seconds=seconds - 1))
    assert created(before) == []
    assert created(plan(job, READY, NOW + timedelta(seconds=seconds))) == ["churn-first-train-2"]
    again = a_training_job(retry={"limit": 10}, status=running(1, failures=failures - 1))
    decided = plan(again, ready(run=a_job(finished=True, reason="Failed")), NOW)
    assert decided.requeue_after == timedelta(seconds=seconds)


def test_attempts_end_with_the_limit() -> None:
    job = a_training_job(retry={"limit": 1}, status=running(2, failures=1))
    status = plan(job, ready(2, run=a_job(2, finished=True, reason="BackoffLimitExceeded")), NOW).status
    assert said(status) == ("False", TrainingJobReason.RETRIES_EXHAUSTED)
    assert status.completion_time == NOW


def test_invalid_data_are_not_trained_on_twice() -> None:
    failure = RunFailure(reason=FailureReason.INVALID_DATA, message="no labels")
    status = plan(a_training_job(status=running()), ready(failure=failure), NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_DATA)


def test_an_attempt_longer_than_its_deadline_says_so() -> None:
    seen = ready(run=a_job(finished=True, reason="DeadlineExceeded", message="was active longer"))
    status = plan(a_training_job(retry={"limit": 0}, status=running()), seen, NOW).status
    assert said(status) == ("False", TrainingJobReason.DEADLINE_EXCEEDED)


def test_a_run_that_its_engine_does_not_end_is_ended_after_the_deadline_and_says_what_held_it() -> None:
    held = a_job(start=EARLIER, failure_message="step train cannot start: ErrImagePull")
    seen = ready(run=held, runs=(held,))
    spec = a_training_job(retry={"limit": 0}, active_deadline_seconds=60, status=running())
    going = plan(spec, seen, EARLIER + timedelta(seconds=80))
    assert "ErrImagePull" in get(going.status.conditions, SUCCEEDED).message  # type: ignore[union-attr]
    assert deleted(going) == []
    decided = plan(spec, seen, EARLIER + timedelta(seconds=91))
    assert said(decided.status) == ("False", TrainingJobReason.DEADLINE_EXCEEDED)
    assert "ErrImagePull" in get(decided.status.conditions, SUCCEEDED).message  # type: ignore[union-attr]
    assert deleted(decided) == ["churn-first-train-1"]


def test_an_engine_that_was_away_before_the_start_costs_an_attempt_none_of_its_time() -> None:
    late = EARLIER + timedelta(hours=2)
    job = a_job(start=late)
    seen = ready(run=job, runs=(job,))
    spec = a_training_job(active_deadline_seconds=60, status=running())
    assert plan(spec, seen, late + timedelta(seconds=80)).status.failures == 0
    assert plan(spec, seen, late + timedelta(seconds=91)).status.failures == 1


def test_a_lost_job_counts_as_a_failed_attempt() -> None:
    assert plan(a_training_job(status=running()), READY, NOW).status.failures == 1


def test_gpu_time_of_failed_attempts_is_counted_too() -> None:
    job = a_training_job(placement={"gpus_per_node": 2}, status=running(gpu_seconds=100))
    assert plan(job, ready(run=a_job(finished=True, end=NOW)), NOW).status.gpu_seconds == 100 + 2 * 120
    assert plan(job, ready(result=RESULT), NOW).status.gpu_seconds == 100 + 60


def test_suspending_stops_the_attempt_and_counts_no_failure() -> None:
    decided = plan(a_training_job(suspend=True, status=running()), ready(run=a_job(), runs=(a_job(),)), NOW)
    assert deleted(decided) == ["churn-first-train-1"]
    assert decided.status.failures == 0
    assert said(decided.status) == ("Unknown", TrainingJobReason.SUSPENDED)


def test_resuming_waits_for_the_stopped_job_to_be_gone_and_takes_the_next_number() -> None:
    dying = a_job(deleting=True)
    suspended = plan(a_training_job(suspend=True, status=running()), ready(run=dying, runs=(dying,)), NOW)
    resumed = a_training_job(status=suspended.status)
    waiting = plan(resumed, ready(runs=(dying,)), NOW)
    assert waiting.actions == ()
    assert waiting.requeue_after is not None
    assert created(plan(resumed, READY, NOW)) == ["churn-first-train-2"]


def test_a_name_that_belongs_to_somebody_else_is_passed_over() -> None:
    status = running()
    status["run"]["uid"] = ""
    decided = plan(a_training_job(status=status), ready(run=a_job(owner="someone-else")), NOW)
    assert created(decided) == ["churn-first-train-2"]
    assert decided.status.failures == 0


def test_a_proposed_training_does_nothing_until_it_is_resumed() -> None:
    decided = plan(a_training_job(suspend=True), READY, NOW)
    assert decided.actions == ()
    assert said(decided.status) == ("Unknown", TrainingJobReason.SUSPENDED)


def test_what_failed_stays_failed_when_suspend_is_toggled() -> None:
    failure = RunFailure(reason=FailureReason.INVALID_DATA, message="no labels")
    ended = plan(a_training_job(status=running()), ready(failure=failure), NOW).status
    again = plan(a_training_job(suspend=True, generation=2, status=ended), READY, NOW + timedelta(days=1))
    assert again.actions == ()
    assert said(again.status) == ("False", TrainingJobReason.INVALID_DATA)


def test_a_back_off_is_reported_as_a_retry() -> None:
    decided = plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=1))
    assert said(decided.status) == ("Unknown", TrainingJobReason.RETRYING)
    assert decided.requeue_after == timedelta(seconds=9)
