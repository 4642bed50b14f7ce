"""How attempts of a TrainingJob end, what is told of them, and when it is looked at again."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import ConditionType
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, Step, StepState, TrainingJobReason
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs import RunState
from homeostat.reconcile.conditions import get
from homeostat.reconcile.errors import InvalidSpec
from homeostat.runs import FailureReason, RunFailure, RunProgress
from homeostat.testing.builders import a_feature_set, a_training_job
from homeostat_operators.trainingjob.plan import plan, refused
from unit.operators.trainingjob.attempts import (
    EARLIER,
    NOW,
    READY,
    RESULT,
    a_job,
    created,
    deleted,
    failed,
    ready,
    running,
    said,
)

COMPLETION = {"outcome": "Failed", "reason": "RetriesExhausted", "message": "All 3 attempts failed."}


def message(status: Any) -> str:
    found = get(status.conditions, SUCCEEDED)
    assert found is not None
    return found.message


def unseen(**run: Any) -> dict[str, Any]:
    """Status of a reserved attempt whose run was not yet observed."""
    status = running()
    return {**status, "run": {**status["run"], "uid": "", **run}}


def test_a_new_training_reserves_its_first_number_and_starts_its_clock_once() -> None:
    first = plan(a_training_job(), READY, NOW).status
    assert (first.attempt, first.start_time, first.failures) == (1, NOW, 0)
    again = plan(a_training_job(status={**failed(), "start_time": EARLIER}), READY, NOW + timedelta(minutes=1)).status
    assert (again.attempt, again.start_time) == (2, EARLIER)


def test_a_stray_beside_an_ended_training_is_stopped_and_looked_at_again() -> None:
    stray = a_job(1, uid="stray")
    ended = a_training_job(status={**failed(2), "completion_time": NOW, "completion": COMPLETION})
    decided = plan(ended, ready(runs=(stray,)), NOW)
    assert deleted(decided) == ["churn-first-train-1"]
    assert decided.requeue_after == timedelta(seconds=2)
    assert plan(ended, ready(), NOW).requeue_after is None


def test_a_wait_for_the_registry_is_not_lengthened_by_a_stray() -> None:
    done = a_training_job(status=running(2))
    decided = plan(done, ready(2, result=RESULT, runs=(a_job(1, uid="stray"), a_job(2))), NOW)
    assert deleted(decided) == ["churn-first-train-1"]
    assert decided.requeue_after == timedelta(seconds=1)


def test_the_run_of_an_attempt_without_a_result_is_no_exception_from_the_stop() -> None:
    suspended = a_training_job(suspend=True, status=running())
    decided = plan(suspended, ready(run=a_job(), runs=(a_job(),)), NOW)
    assert deleted(decided) == ["churn-first-train-1"]
    assert decided.requeue_after == timedelta(seconds=2)


def test_suspending_an_attempt_whose_run_is_not_there_waits_for_nothing() -> None:
    decided = plan(a_training_job(suspend=True, status=unseen()), READY, NOW)
    assert decided.requeue_after is None
    assert decided.status.run is not None
    assert (decided.status.run.reason, decided.status.run.completion_time) == (TrainingJobReason.SUSPENDED, NOW)


def test_an_ended_training_keeps_reporting_its_end() -> None:
    ended = a_training_job(status={**failed(), "completion_time": NOW, "completion": COMPLETION})
    decided = plan(ended, READY, NOW + timedelta(days=1))
    assert said(decided.status) == ("False", TrainingJobReason.RETRIES_EXHAUSTED)
    assert message(decided.status) == "All 3 attempts failed."


def test_conditions_of_an_end_that_was_recorded_without_a_completion_stay() -> None:
    told = plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=1)).status.conditions
    old = a_training_job(status={**failed(), "completion_time": NOW, "conditions": told})
    assert plan(old, READY, NOW + timedelta(days=1)).status.conditions == told


def test_a_back_off_reports_the_attempt_and_why_it_failed() -> None:
    decided = plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=1))
    assert message(decided.status) == "Attempt 1 failed and is retried at 2026-01-05T09:00:10Z: out of memory"
    early = plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=9))
    assert created(early) == []
    assert created(plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=10))) == ["churn-first-train-2"]


def test_a_resumed_training_does_not_wait_for_the_back_off_of_earlier_failures() -> None:
    status = failed(2, failures=2)
    status["run"]["reason"] = TrainingJobReason.SUSPENDED
    assert created(plan(a_training_job(status=status), READY, NOW)) == ["churn-first-train-3"]


def test_a_name_taken_after_failures_costs_no_attempt_and_waits_for_the_back_off() -> None:
    status = {**unseen(), "failures": 2}
    decided = plan(a_training_job(status=status), ready(run=a_job(owner="someone-else")), NOW)
    assert decided.status.failures == 2
    assert decided.requeue_after == timedelta(seconds=20)


@pytest.mark.parametrize(("failures", "ends"), [(0, False), (1, False), (2, True)])
def test_a_limit_of_two_retries_allows_three_attempts(failures: int, ends: bool) -> None:
    job = a_training_job(retry={"limit": 2}, status=running(failures + 1, failures=failures))
    seen = ready(failures + 1, run=a_job(failures + 1, finished=True, message="it ended with exit code 1"))
    status = plan(job, seen, NOW).status
    assert (status.completion_time is not None) is ends
    assert status.failures == failures + 1
    if ends:
        assert said(status) == ("False", TrainingJobReason.RETRIES_EXHAUSTED)
        assert message(status).startswith("All 3 attempts failed; the last one: ")
    else:
        assert f"at 2026-01-05T09:00:{10 * 2**failures}Z ({failures + 1} of 2 retries used)" in message(status)


@pytest.mark.parametrize(("reason", "recorded"), [("OOMKilled", "OOMKilled"), ("", "Failed"), ("x" * 80, "x" * 63)])
def test_the_end_of_an_attempt_has_the_reason_of_its_run_or_failed(reason: str, recorded: str) -> None:
    status = plan(a_training_job(status=running()), ready(run=a_job(finished=True, reason=reason)), NOW).status
    assert status.run is not None
    assert (status.run.reason, status.run.completion_time) == (recorded, NOW)


@pytest.mark.parametrize(
    ("outcome", "seen"),
    [
        ("Failed", ready(failure=RunFailure(reason=FailureReason.INVALID_DATA, message="no labels"))),
        ("Succeeded", ready(version="4")),
    ],
)
def test_the_outcome_is_written_down_with_the_end(outcome: str, seen: Any) -> None:
    status: Any = running()
    if outcome == "Succeeded":
        status = plan(a_training_job(status=status), ready(result=RESULT), NOW).status
    completion = plan(a_training_job(status=status), seen, NOW).status.completion
    assert completion is not None
    assert completion.outcome == outcome


def test_an_engine_that_refuses_before_a_number_is_reserved_ends_the_training_without_an_attempt() -> None:
    error = InvalidSpec("spec.placement is refused")
    status = refused(a_training_job(), error, NOW)
    assert status is not None
    assert (status.run, status.attempt, status.completion_time) == (None, 0, NOW)
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    active = refused(a_training_job(status=unseen()), error, NOW)
    assert active is not None
    assert active.run is not None
    assert (active.run.completion_time, active.run.reason) == (NOW, TrainingJobReason.INVALID_SPEC)
    over = refused(a_training_job(status=failed()), error, NOW + timedelta(days=1))
    assert over is not None
    assert over.run is not None
    assert (over.run.completion_time, over.run.message) == (NOW, "out of memory")
    ended = a_training_job(status={**failed(), "completion_time": NOW, "completion": COMPLETION})
    assert refused(ended, error, NOW) is None


def test_a_run_is_reported_by_its_step_or_as_waiting_and_with_what_holds_it() -> None:
    job = a_job(url="https://ui/7", failure_message="no node has 8 GPUs", waiting=True)
    status = plan(a_training_job(status=unseen()), ready(run=job, runs=(job,)), NOW).status
    assert message(status) == "Attempt 1 runs: waiting for its pod: no node has 8 GPUs."
    assert status.run is not None
    assert (status.run.uid, status.run.url) == ("7", "https://ui/7")
    assert status.progress is None
    done = a_job(steps=(Step(name="build", state=StepState.SUCCEEDED),))
    status = plan(a_training_job(status=running()), ready(run=done, runs=(done,)), NOW).status
    assert message(status) == "Attempt 1 runs: waiting for its pod."
    seen = ready(run=a_job(), runs=(a_job(),), progress=RunProgress(step="train", done=1, total=3))
    status = plan(a_training_job(status=running()), seen, NOW).status
    assert message(status) == "Attempt 1 runs: train."
    kept = plan(a_training_job(status=status), ready(run=a_job(), runs=(a_job(),)), NOW).status
    assert kept.progress == status.progress


def test_steps_that_succeeded_or_were_skipped_are_done() -> None:
    states = (StepState.SUCCEEDED, StepState.SKIPPED, StepState.FAILED, StepState.PENDING, StepState.RUNNING)
    job = a_job(steps=tuple(Step(name=state.value.lower(), state=state) for state in states))
    progress = plan(a_training_job(status=running()), ready(run=job, runs=(job,)), NOW).status.progress
    assert progress is not None
    assert (progress.completed_steps, progress.current_step, progress.summary) == (2, "running", "2 done running")


def test_progress_is_never_more_than_all_and_long_names_are_cut() -> None:
    reported = RunProgress(step="s" * 300, done=5, total=3)
    seen = ready(run=a_job(), runs=(a_job(),), progress=reported)
    progress = plan(a_training_job(status=running()), seen, NOW).status.progress
    assert progress is not None
    assert progress.summary == ("100% " + "s" * 300)[:159] + "…"
    assert progress.current_step == "s" * 127 + "…"


@pytest.mark.parametrize(
    ("run", "job", "seconds"),
    [
        pytest.param({"uid": ""}, None, 0, id="never seen, so it used nothing"),
        pytest.param({"uid": "7"}, None, 120, id="gone, so it ran until now"),
        pytest.param({"uid": ""}, {"end": NOW}, 120, id="seen for the first time at its end"),
        pytest.param({"uid": "7"}, {"end": NOW - timedelta(seconds=30)}, 90, id="ended before it was looked at"),
        pytest.param({"uid": "7"}, {}, 120, id="its end is not known"),
        pytest.param({"uid": "7"}, {"waiting": True}, 0, id="it only waited for a node"),
        pytest.param({"uid": "7"}, {"waiting": True, "start": NOW - timedelta(seconds=40)}, 40, id="it waits again"),
        pytest.param({"uid": "7"}, {"start": NOW - timedelta(seconds=40)}, 120, id="counted from its reservation"),
        pytest.param({"uid": "7"}, {"end": EARLIER - timedelta(seconds=9)}, 0, id="clocks that differ give no credit"),
    ],
)
def test_an_attempt_uses_its_accelerators_from_reservation_to_end(
    run: dict[str, Any], job: dict[str, Any] | None, seconds: int
) -> None:
    state: RunState | None = None if job is None else a_job(**job)
    status = {**unseen(**run), "gpu_seconds": 100}
    spec = a_training_job(suspend=True, placement={"gpus_per_node": 2}, status=status)
    # Suspended, because an attempt that was not seen ends in no other way; one that is gone fails.
    if state is None and run["uid"]:
        spec = a_training_job(placement={"gpus_per_node": 2}, status=status)
    assert plan(spec, ready(run=state), NOW).status.gpu_seconds == 100 + 2 * seconds


def test_steps_of_an_attempt_that_is_gone_stay_as_they_were_seen() -> None:
    steps = [{"name": "train", "state": "Running"}]
    status = plan(a_training_job(status=running(steps=steps)), READY, NOW).status
    assert [step.name for step in status.steps] == ["train"]


@pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 20), (5, 160), (6, 300), (30, 300)])
def test_the_next_attempt_comes_after_the_back_off_and_not_a_second_before(failures: int, seconds: int) -> None:
    job = a_training_job(retry={"limit": 10}, status=failed(failures, failures=failures))
    due: datetime = NOW + timedelta(seconds=seconds)
    assert created(plan(job, READY, due - timedelta(seconds=1))) == []
    assert created(plan(job, READY, due)) == [f"churn-first-train-{failures + 1}"]


def test_a_back_off_is_reported_as_a_retry() -> None:
    decided = plan(a_training_job(status=failed()), READY, NOW + timedelta(seconds=1))
    assert said(decided.status) == ("Unknown", TrainingJobReason.RETRYING)
    assert decided.requeue_after == timedelta(seconds=9)


def test_a_suspended_job_has_no_next_attempt_when_its_back_off_is_over() -> None:
    decided = plan(a_training_job(suspend=True, status=failed()), READY, NOW + timedelta(hours=1))
    assert created(decided) == []
    assert said(decided.status) == ("Unknown", TrainingJobReason.SUSPENDED)


def test_ready_is_true_only_once_the_version_is_registered() -> None:
    trained = plan(a_training_job(status=running()), ready(result=RESULT), NOW)
    assert trained.requeue_after == timedelta(seconds=1)
    done = plan(a_training_job(status=trained.status), ready(version="4"), NOW).status
    found = get(done.conditions, ConditionType.READY)
    assert found is not None
    assert (found.status.value, found.message) == ("True", "Model churn.churn version 4 is registered.")


def test_a_run_that_the_list_does_not_show_yet_is_looked_at_again_after_a_suspension() -> None:
    decided = plan(a_training_job(suspend=True, status=running()), ready(run=a_job()), NOW)
    assert decided.requeue_after == timedelta(seconds=2)


def test_provenance_stays_where_the_run_does_not_show_its_input() -> None:
    provenance = {"image": "older:1", "seed": 7}
    status = plan(
        a_training_job(status=running(provenance=provenance)), ready(run=a_job(), runs=(a_job(),)), NOW
    ).status
    assert status.provenance is not None
    assert (status.provenance.image, status.provenance.seed) == ("older:1", 7)


def test_features_without_a_snapshot_are_waited_for_although_their_schema_is_known() -> None:
    known = a_feature_set(status={"schema_hash": schema_hash(a_feature_set())})
    decided = plan(a_training_job(), replace(READY, features={"customers": known}), NOW)
    assert said(decided.status) == ("Unknown", TrainingJobReason.WAITING_FOR_FEATURES)
    assert decided.requeue_after == timedelta(seconds=60)


@pytest.mark.parametrize(("count", "words"), [(1, "1 warning about the data"), (20, "16 warnings about the data")])
def test_what_a_training_left_out_is_in_its_status_and_the_condition_points_to_it(count: int, words: str) -> None:
    warnings = [f"Feature {number} is not trained on." for number in range(count)]
    dataset = RESULT.dataset.model_copy(update={"warnings": warnings})
    result = RESULT.model_copy(update={"dataset": dataset})
    trained = plan(a_training_job(status=running()), ready(result=result), NOW).status
    done = plan(a_training_job(status=trained), ready(version="4"), NOW).status
    assert done.dataset is not None
    assert done.dataset.warnings == warnings[:16]
    assert message(done) == f"Model churn.churn version 4 is registered. {words}: see status.dataset.warnings."


def test_a_model_whose_dataset_is_not_recorded_is_registered_as_well() -> None:
    trained = plan(a_training_job(status=running()), ready(result=RESULT), NOW).status
    status = trained.model_copy(update={"dataset": None})
    done = plan(a_training_job(status=status), ready(version="4"), NOW).status
    assert message(done) == "Model churn.churn version 4 is registered."
