"""The life of a numbered run: what follows from what is recorded and what is there, whatever gets lost in between."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.engines.runs import DEADLINE_EXCEEDED, RunState
from homeostat.runs import FailureReason, RunFailure, RunProgress
from homeostat_operators.core.runs import (
    AwaitStrays,
    Claim,
    Failed,
    GiveUpNumber,
    LaunchRun,
    Nothing,
    RecordedRun,
    Reserve,
    Running,
    RunObservation,
    RunPolicy,
    Succeeded,
    Suspended,
    back_off,
    claim,
    decide,
    strays,
)

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
OWNER = "uid-of-the-owner"
DEADLINE = timedelta(minutes=10)
POLICY = RunPolicy(DEADLINE, due=NOW)
RESULT = RunProgress(step="", done=1, total=1)
"""Stands for any result document."""

Observation = RunObservation[RunProgress]


def a_run(number: int = 1, **fields: object) -> RunState:
    return replace(RunState(f"churn-train-{number}", number, f"uid-{number}", OWNER), **fields)  # type: ignore[arg-type]


def recorded(number: int = 1, **fields: object) -> RecordedRun:
    return replace(RecordedRun(number, f"churn-train-{number}", f"uid-{number}"), **fields)  # type: ignore[arg-type]


def decided(run: RecordedRun, seen: Observation, policy: RunPolicy = POLICY, now: datetime = NOW) -> object:
    return decide(run, seen, policy, OWNER, now)


def test_the_first_number_is_reserved_when_a_run_is_due() -> None:
    assert decided(RecordedRun(), Observation()) == Reserve(1)
    assert decided(RecordedRun(), Observation(), replace(POLICY, due=None)) == Nothing()
    later = NOW + timedelta(seconds=1)
    assert decided(RecordedRun(), Observation(), replace(POLICY, due=later)) == Nothing(later)


def test_a_number_is_larger_than_every_one_reserved_or_seen() -> None:
    assert decided(recorded(4, ended=NOW), Observation(runs=(a_run(7, finished=True),))) == Reserve(8)
    assert decided(recorded(9, ended=NOW), Observation(runs=(a_run(7, finished=True),))) == Reserve(10)


def test_a_run_of_another_number_ends_before_the_next_is_reserved_or_launched() -> None:
    stray = a_run(1)
    assert decided(recorded(1, ended=NOW), Observation(runs=(stray,))) == AwaitStrays()
    assert decided(recorded(2, uid=""), Observation(2, runs=(stray,))) == AwaitStrays()
    assert strays(recorded(2), Observation(2, runs=(stray, a_run(2)))) == (stray,)
    assert strays(recorded(2), Observation(2, runs=(stray,)), keep=frozenset({1})) == ()


def test_a_reserved_number_without_a_run_is_launched_unless_it_had_one() -> None:
    assert decided(recorded(uid=""), Observation(1)) == LaunchRun()
    gone = decided(recorded(), Observation(1))
    assert gone == Failed("", "Run churn-train-1 was deleted before it delivered a result")


def test_what_was_observed_of_an_older_number_says_nothing_about_a_newer_one() -> None:
    older = Observation(1, a_run(1, finished=True, reason="Error"), (a_run(1, finished=True),))
    assert decided(recorded(2, uid=""), older) == LaunchRun()


def test_a_result_counts_whatever_became_of_its_run() -> None:
    for state in (None, a_run(), a_run(finished=True, reason="Evicted"), a_run(owner="someone else")):
        assert decided(recorded(), Observation(1, state, result=RESULT)) == Succeeded(RESULT)


def test_a_name_that_belongs_to_something_else_is_given_up() -> None:
    assert decided(recorded(uid=""), Observation(1, a_run(owner="someone else"))) == GiveUpNumber(2)


@pytest.mark.parametrize(
    ("uid", "maker", "expected"),
    [("", None, Claim.OPEN), ("7", None, Claim.GONE), ("", OWNER, Claim.OURS), ("", "another", Claim.TAKEN)],
)
def test_a_number_and_the_child_of_its_name_stand_in_one_of_four_ways(
    uid: str, maker: str | None, expected: Claim
) -> None:
    assert claim(uid, maker, OWNER) is expected


def test_a_failure_says_why_with_the_remedy_and_whether_another_run_follows() -> None:
    killed = Observation(1, a_run(finished=True, reason="OOMKilled", message="container train used more memory"))
    policy = replace(POLICY, attempts=2, remedies={"OOMKilled": "raise the limit"})
    message = "Run churn-train-1: container train used more memory; raise the limit"
    assert decided(recorded(), killed, policy) == Failed("OOMKilled", message)
    assert decided(recorded(failures=1), killed, policy) == Failed("OOMKilled", message, exhausted=True)
    no_data = Observation(1, failure=RunFailure(reason=FailureReason.INVALID_DATA, message="no labels"))
    assert decided(recorded(), no_data) == Failed("InvalidData", "no labels", permanent=True)
    assert decided(recorded(), no_data, replace(POLICY, permanent=frozenset())) == Failed("InvalidData", "no labels")


def test_a_run_that_ended_without_a_result_has_failed() -> None:
    ended = decided(recorded(), Observation(1, a_run(finished=True, logs="kubectl logs job/a")))
    assert isinstance(ended, Failed)
    assert "without result.json, which its last step must write; see kubectl logs job/a" in ended.message


def test_the_deadline_counts_from_when_the_pod_could_run() -> None:
    late = NOW + DEADLINE + timedelta(seconds=31)
    never = a_run(failure_message="pod a cannot be scheduled: 0/1 nodes are available", waiting=True)
    assert decided(recorded(), Observation(1, never), now=late) == Running(never), "a queue costs no time"
    started = a_run(start=NOW)
    assert decided(recorded(), Observation(1, started), now=late - timedelta(seconds=1)) == Running(started)
    failed = decided(recorded(), Observation(1, started), now=late)
    assert failed == Failed(DEADLINE_EXCEEDED, "Run churn-train-1 took longer than 10m")
    waits_again = replace(started, waiting=True)
    assert decided(recorded(), Observation(1, waits_again), now=late) == Running(waits_again)


def test_a_suspended_run_ends_without_a_failure_unless_it_has_ended_already() -> None:
    suspended = replace(POLICY, suspended=True, due=None)
    assert decided(recorded(), Observation(1, a_run()), suspended) == Suspended()
    assert isinstance(decided(recorded(), Observation(1, a_run(finished=True)), suspended), Failed)


def test_nothing_is_decided_while_nothing_can_be_read() -> None:
    for run in (RecordedRun(), recorded(), recorded(uid=""), recorded(ended=NOW)):
        assert decided(run, Observation(outage="the object store does not answer")) == Nothing()


@pytest.mark.parametrize(("failures", "seconds"), [(0, 10), (1, 10), (2, 20), (5, 160), (6, 300), (50, 300)])
def test_the_back_off_doubles_up_to_its_bound(failures: int, seconds: int) -> None:
    assert back_off(failures, timedelta(seconds=10), timedelta(minutes=5)) == timedelta(seconds=seconds)


class Moment(Enum):
    """What befalls a turn, or the run."""

    NOTHING = auto()
    STATUS_IS_LOST = auto()
    """The process dies, or a rival wins, before the status is written."""
    LAUNCH_IS_LOST = auto()
    """The process dies after the status was written and before the run is launched."""
    LAUNCH_IS_REPEATED = auto()
    RUN_SUCCEEDS = auto()
    RUN_FAILS = auto()
    RUN_IS_DELETED = auto()
    NAME_IS_TAKEN = auto()


@dataclass
class Life:
    """An owner whose runs happen at an engine in memory; every turn is decided by the state machine alone."""

    run: RecordedRun = field(default_factory=RecordedRun)
    runs: dict[int, RunState] = field(default_factory=dict)
    results: set[int] = field(default_factory=set)
    launched: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)

    def observed(self) -> Observation:
        number = self.run.number if self.run.is_active else 0
        ours = tuple(run for run in self.runs.values() if run.owner == OWNER)
        return Observation(number, self.runs.get(number), ours, RESULT if number in self.results else None)

    def turn(self, moment: Moment) -> None:
        seen = self.observed()
        if moment is Moment.NAME_IS_TAKEN:  # between the look and the write
            self.runs.setdefault(self.run.number + 1, a_run(self.run.number + 1, owner="someone else"))
        new = self.settled(self.run, seen)
        if moment is Moment.STATUS_IS_LOST:
            return
        if new.number != self.run.number:
            self.reserved.append(new.number)
        if self.run.is_active and (new.number != self.run.number or not new.is_active):
            self.ended.append(self.run.number)
        self.run = new
        for stray in strays(self.run, seen):
            self.runs.pop(stray.number, None)
        if moment is Moment.LAUNCH_IS_LOST or decide(self.run, seen, POLICY, OWNER, NOW) != LaunchRun():
            return
        for _ in range(2 if moment is Moment.LAUNCH_IS_REPEATED else 1):
            if self.run.number not in self.runs:  # as every engine has it: a run is found by its number
                self.runs[self.run.number] = a_run(self.run.number)
                self.launched.append(self.run.number)

    def settled(self, run: RecordedRun, seen: Observation) -> RecordedRun:
        match decide(run, seen, POLICY, OWNER, NOW):
            case Reserve(number):
                return RecordedRun(number, failures=run.failures)
            case GiveUpNumber(number):
                return replace(run, number=number, uid="")
            case Running(state):
                return replace(run, uid=state.uid)
            case Succeeded():
                return replace(run, ended=NOW, failures=0)
            case Failed():
                return replace(run, ended=NOW, failures=run.failures + 1)
            case _:
                return run

    def meets(self, moment: Moment) -> None:
        current = self.runs.get(self.run.number)
        if current is None or current.owner != OWNER or current.finished:
            return
        match moment:
            case Moment.RUN_SUCCEEDS:
                self.results.add(current.number)
                self.runs[current.number] = replace(current, finished=True)
            case Moment.RUN_FAILS:
                self.runs[current.number] = replace(current, finished=True, reason="Error", message="out of luck")
            case Moment.RUN_IS_DELETED if self.run.uid:
                del self.runs[current.number]
            case _:
                pass


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(Moment), max_size=60))
def test_whatever_is_lost_or_repeated_a_number_is_launched_once_ends_once_and_numbers_only_grow(
    moments: list[Moment],
) -> None:
    life = Life()
    for moment in moments:
        life.turn(moment)
        life.meets(moment)
        alive = [run for run in life.runs.values() if run.owner == OWNER and not run.finished]
        assert len(alive) <= 1
    assert len(life.launched) == len(set(life.launched))
    assert len(life.ended) == len(set(life.ended))
    assert life.reserved == sorted(set(life.reserved))
    assert set(life.launched) <= set(life.reserved)
    before = len(life.results)
    for _ in range(8):
        life.turn(Moment.NOTHING)
        life.meets(Moment.RUN_SUCCEEDS)
    assert len(life.results) > before, "it goes on in the end"
