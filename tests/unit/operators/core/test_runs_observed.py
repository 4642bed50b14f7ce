"""What is read of an owner's runs, and when a run that has said how it ended is left to end by itself."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs import DEADLINE_EXCEEDED, Owner, RunEngine, RunState
from homeostat.reconcile.errors import ObjectNotFound
from homeostat.runs import FAILURE, PROGRESS, RESULT, FailureReason, RunFailure, RunProgress
from homeostat.testing.builders import a_training_job
from homeostat_operators.core.runs import (
    Failed,
    RecordedRun,
    RunObservation,
    RunPolicy,
    back_off,
    decide,
    ending,
    observe_run,
)

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
OWNER = cast(Owner, a_training_job("churn"))
PREFIX = f"s3://homeostat/{OWNER.metadata.namespace}/{OWNER.metadata.uid}/train-1/"
GOES_ON = RunState("churn-train-1", 1, "uid-1", OWNER.metadata.uid)
ENDED = replace(GOES_ON, finished=True)
DONE = RunProgress(step="fit", done=1, total=2)
"""Stands for any result document."""
WRITTEN = DONE.model_dump_json()
FAILED = RunFailure(reason=FailureReason.INVALID_DATA, message="no labels")


@dataclass
class Store:
    """Documents by their name."""

    documents: dict[str, str]

    def read(self, uri: str) -> bytes:
        name = uri.removeprefix(PREFIX)
        if name not in self.documents:
            raise ObjectNotFound(uri)
        return self.documents[name].encode()


@dataclass
class Engine:
    """An engine that knows one run."""

    run: RunState

    def runs(self, _owner: Owner, _purpose: str) -> tuple[RunState, ...]:
        return (self.run,)

    def find(self, _owner: Owner, _purpose: str, number: int) -> RunState | None:
        return self.run if number == self.run.number else None


def observed(
    run: RunState | None, number: int = 1, documents: dict[str, str] | None = None
) -> RunObservation[RunProgress]:
    engine = cast(RunEngine, Engine(run)) if run else None
    store = cast(ObjectStore, Store(documents or {}))
    return observe_run(engine, store, "homeostat", OWNER, "train", number, RunProgress)


def observed_with_progress(documents: dict[str, str]) -> RunObservation[RunProgress]:
    store, engine = cast(ObjectStore, Store(documents)), cast(RunEngine, Engine(GOES_ON))
    return observe_run(engine, store, "homeostat", OWNER, "train", 1, RunProgress, progress=True)


def test_without_a_reserved_number_only_the_runs_are_read() -> None:
    assert observed(GOES_ON, 0, {RESULT: WRITTEN}) == RunObservation(runs=(GOES_ON,))


def test_without_an_engine_the_documents_alone_count() -> None:
    assert observed(None, documents={RESULT: WRITTEN}) == RunObservation(1, result=DONE)
    assert observed(None, 0) == RunObservation()


def test_of_a_run_that_goes_on_only_its_progress_is_read_and_only_where_it_is_asked_for() -> None:
    documents = {PROGRESS: WRITTEN, RESULT: WRITTEN}
    nothing: RunObservation[RunProgress] = RunObservation(1, GOES_ON, (GOES_ON,))
    assert observed(GOES_ON, documents=documents) == nothing
    assert observed_with_progress(documents) == replace(nothing, progress=DONE)
    assert observed_with_progress({}) == nothing
    assert observed_with_progress({PROGRESS: "{}"}) == nothing


@pytest.mark.parametrize("run", [ENDED, replace(GOES_ON, number=2)], ids=["ended", "gone"])
def test_of_a_run_that_has_ended_or_is_gone_its_result_or_else_its_failure_is_read(run: RunState) -> None:
    nothing: RunObservation[RunProgress] = RunObservation(1, run if run.number == 1 else None, (run,))
    failed = FAILED.model_dump_json()
    assert observed(run, documents={RESULT: WRITTEN, FAILURE: failed}) == replace(nothing, result=DONE)
    assert observed(run, documents={FAILURE: failed}) == replace(nothing, failure=FAILED)
    assert observed(run) == nothing


def test_a_result_that_breaks_its_contract_is_a_failure_whatever_else_the_run_wrote() -> None:
    seen = observed(ENDED, documents={RESULT: "{}", FAILURE: FAILED.model_dump_json()})
    assert seen.failure is not None
    assert "breaks the result contract: step" in seen.failure.message


@pytest.mark.parametrize(
    ("run", "seconds", "left"),
    [
        (RecordedRun(4, ended=NOW), 59, {4}),
        (RecordedRun(4, ended=NOW), 60, set()),
        (RecordedRun(4, ended=NOW, stopped=True), 0, set()),
        (RecordedRun(4), 0, set()),
    ],
)
def test_a_run_that_said_how_it_ended_is_left_a_minute_to_end_by_itself(
    run: RecordedRun, seconds: int, left: set[int]
) -> None:
    assert ending(run, NOW + timedelta(seconds=seconds)) == left


def test_the_highest_number_of_any_run_is_zero_without_one() -> None:
    runs = tuple(replace(ENDED, number=number) for number in (2, 5, 3))
    assert (RunObservation(runs=runs).highest, RunObservation().highest) == (5, 0)


def test_a_run_that_took_too_long_says_what_kept_it() -> None:
    waits = replace(GOES_ON, start=NOW, failure_message="the image cannot be pulled")
    policy = RunPolicy(timedelta(minutes=1))
    seen: RunObservation[RunProgress] = RunObservation(1, waits)
    decision = decide(
        RecordedRun(1, "churn-train-1", "uid-1"), seen, policy, OWNER.metadata.uid, NOW + 9 * policy.deadline
    )
    assert decision == Failed(DEADLINE_EXCEEDED, "Run churn-train-1 took longer than 1m: the image cannot be pulled")


def test_a_pause_is_doubled_ten_times_at_most() -> None:
    pauses = [back_off(failures, timedelta(seconds=1), timedelta(days=1)) for failures in (11, 12, 5000)]
    assert [pause.total_seconds() for pause in pauses] == [1024, 1024, 1024]
