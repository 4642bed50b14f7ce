"""The life of a run that happens once, the same for every purpose: materialise, train, evaluate.

`observe_run` reads, `decide` judges. A number is reserved in the owner's status before its run is launched, so that a run is
launched at most once however often a reconciliation is repeated: a repeated launch finds the run by its number. A number
ends once: with a result, with a failure, or given up because something else bears its name. Numbers only grow.

`Claim` and `next_number` are the part that a numbered child without an engine, such as a Monitor's TrainingJob, shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Generic, TypeVar

from homeostat.api.common import format_duration
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs import DEADLINE_EXCEEDED, Owner, RunEngine, RunState
from homeostat.engines.runs.jobs import read_document
from homeostat.runs import FAILURE, PROGRESS, RESULT, FailureReason, RunFailure, RunProgress, run_prefix

ResultT = TypeVar("ResultT", bound=TolerantDocument)

DEADLINE_GRACE = timedelta(seconds=30)
"""Given to an engine to end a run by itself, until the operator does."""

ENDING_GRACE = timedelta(seconds=60)
"""Given to a run that has delivered its result or failure to end by itself: stopping it would delete its log."""

STRAY_POLL_INTERVAL = timedelta(seconds=2)
"""Until it is looked whether a run that is being stopped has ended."""


@dataclass(frozen=True)
class RecordedRun:
    """What the status of an owner says of its newest run.

    Attributes:
        number: Its number, the largest that was ever reserved; 0: none was.
        name: Its name, for messages.
        uid: Identifier of the run at its engine; empty until the run was observed.
        ended: When it ended; None while it goes on, or there is none.
        failures: Failed runs in a row, up to this one.
        stopped: It did not end by its own word: it was suspended, or took too long.
    """

    number: int = 0
    name: str = ""
    uid: str = ""
    ended: datetime | None = None
    failures: int = 0
    stopped: bool = False

    @property
    def is_active(self) -> bool:
        """Whether its number is reserved and has not ended."""
        return self.number > 0 and self.ended is None


@dataclass(frozen=True)
class RunObservation(Generic[ResultT]):
    """What is there of an owner's runs for one purpose.

    Attributes:
        number: The reserved number that state and documents are about; 0: none was when this was read.
        state: Run with the name of the reserved number, whoever made it.
        runs: All runs that belong to the owner.
        result: What the reserved run delivered.
        failure: Why it failed, by its own word.
        progress: How far it is, by its own word.
        outage: Why all of this cannot be read just now; empty when it was read.
    """

    number: int = 0
    state: RunState | None = None
    runs: tuple[RunState, ...] = ()
    result: ResultT | None = None
    failure: RunFailure | None = None
    progress: RunProgress | None = None
    outage: str = ""

    @property
    def highest(self) -> int:
        """Largest number of any run; 0 if there is none."""
        return max((run.number for run in self.runs), default=0)

    def about(self, number: int) -> "RunObservation[ResultT]":
        """What this says about a number: of one that was reserved since, only that it has no run yet."""
        return self if number == self.number else RunObservation(number, runs=self.runs)


@dataclass(frozen=True)
class RunPolicy:
    """What differs between purposes.

    Attributes:
        deadline: Longest time of a run, counted from when it could run.
        due: When the next run may start; None: nothing asks for one.
        suspended: A run that goes on is to be ended, and counts as no failure.
        attempts: Failures after which no run follows; None: any number.
        first_pause: Between the first failure and the next run; doubled with each failure in a row.
        longest_pause: Limit of the pause.
        permanent: Reasons of failures after which no run follows.
        remedies: What to do about a failure, by its reason.
    """

    deadline: timedelta
    due: datetime | None = None
    suspended: bool = False
    attempts: int | None = None
    first_pause: timedelta = timedelta(seconds=10)
    longest_pause: timedelta = timedelta(minutes=5)
    permanent: frozenset[str] = frozenset({FailureReason.INVALID_DATA})
    remedies: Mapping[str, str] = field(default_factory=dict)

    def pause(self, failures: int) -> timedelta:
        """Time between that many failures in a row and the next run."""
        return back_off(failures, self.first_pause, self.longest_pause)


@dataclass(frozen=True)
class Nothing:
    """Nothing is to be done; ``until`` says when the next run is due, if that is known."""

    until: datetime | None = None


@dataclass(frozen=True)
class Reserve:
    """The number is to be reserved in the status; a run is launched under it."""

    number: int


@dataclass(frozen=True)
class AwaitStrays:
    """A run of another number must end before the next one starts."""


@dataclass(frozen=True)
class LaunchRun:
    """The reserved number has no run: submit it."""


@dataclass(frozen=True)
class Running:
    """The run of the reserved number goes on, or waits: ``state.failure_message`` says for what."""

    state: RunState


@dataclass(frozen=True)
class Succeeded(Generic[ResultT]):
    """The run delivered, whatever became of it."""

    result: ResultT


@dataclass(frozen=True)
class Failed:
    """The run ended without a result.

    Attributes:
        reason: In a word, such as OOMKilled, DeadlineExceeded or InvalidData.
        message: As a sentence without a full stop, with the remedy where there is one.
        permanent: No other run will fare better: nothing is tried again.
        exhausted: It was the last attempt.
    """

    reason: str
    message: str
    permanent: bool = False
    exhausted: bool = False


@dataclass(frozen=True)
class GiveUpNumber:
    """The name of the reserved number belongs to something else: the number has ended, and nothing has failed."""

    next_number: int


@dataclass(frozen=True)
class Suspended:
    """The reserved number ends because the user suspended its owner; its run, if there is one, is a stray from now on."""


Decision = (
    Nothing | Reserve | AwaitStrays | LaunchRun | Running | Succeeded[ResultT] | Failed | GiveUpNumber | Suspended
)


class Claim(Enum):
    """How a reserved number and the child that bears its name stand to each other."""

    OPEN = auto()
    """There is no child, and there never was one as far as is known."""
    OURS = auto()
    """The child is ours."""
    TAKEN = auto()
    """The name belongs to something else."""
    GONE = auto()
    """The child was there, and is no more."""


def claim(recorded_uid: str, maker: str | None, owner: str) -> Claim:
    """How a reserved number stands.

    Args:
        recorded_uid: uid of the child as the status has it; empty until it was observed.
        maker: uid of the object that the child of that name was made for; None: there is no child.
        owner: uid of the object whose number it is.
    """
    if maker is not None:
        return Claim.OURS if maker == owner else Claim.TAKEN
    return Claim.GONE if recorded_uid else Claim.OPEN


def next_number(*numbers: int) -> int:
    """The number after every one that was ever reserved or that a child bears."""
    return max(0, *numbers) + 1


def decide(
    recorded: RecordedRun, observed: RunObservation[ResultT], policy: RunPolicy, owner: str, now: datetime
) -> Decision[ResultT]:
    """What to do about the newest run of an owner; pure and total.

    Args:
        recorded: What the status says.
        observed: What is there.
        policy: What the purpose asks for.
        owner: uid of the owner.
        now: The time.
    """
    if observed.outage:
        return Nothing()
    if recorded.is_active:
        return _active(recorded, observed.about(recorded.number), policy, owner, now)
    if policy.due is None or policy.due > now:
        return Nothing(policy.due)
    if strays(recorded, observed):
        return AwaitStrays()
    return Reserve(next_number(recorded.number, observed.highest))


def _active(  # noqa: PLR0911 - one return for each way a run can stand
    recorded: RecordedRun, observed: RunObservation[ResultT], policy: RunPolicy, owner: str, now: datetime
) -> Decision[ResultT]:
    if observed.result is not None:
        return Succeeded(observed.result)
    state, number = observed.state, recorded.number
    stands = claim(recorded.uid, state.owner if state else None, owner)
    if stands is Claim.TAKEN:
        return GiveUpNumber(next_number(number, observed.highest))
    if observed.failure is not None:
        return _failed(recorded, policy, observed.failure.reason, observed.failure.message)
    if state is not None and state.finished:
        message = state.message or f"it ended without {RESULT}, which its last step must write; see {state.logs}"
        return _failed(recorded, policy, state.reason, f"Run {state.name}: {message}")
    if policy.suspended:
        return Suspended()
    if state is not None:
        if _is_late(state, policy, now):
            why = f": {state.failure_message}" if state.failure_message else ""
            message = f"Run {state.name} took longer than {format_duration(policy.deadline)}{why}"
            return _failed(recorded, policy, DEADLINE_EXCEEDED, message)
        return Running(state)
    if stands is Claim.GONE:
        return _failed(recorded, policy, "", f"Run {recorded.name or number} was deleted before it delivered a result")
    return AwaitStrays() if strays(recorded, observed) else LaunchRun()


def _is_late(state: RunState, policy: RunPolicy, now: datetime) -> bool:
    """Whether a run is to be ended: its engine knows no deadline, or had its chance. Waiting for a node costs no time."""
    return state.start is not None and not state.waiting and now > state.start + policy.deadline + DEADLINE_GRACE


def _failed(recorded: RecordedRun, policy: RunPolicy, reason: str, message: str) -> Failed:
    remedy = policy.remedies.get(reason, "")
    exhausted = policy.attempts is not None and recorded.failures + 1 >= policy.attempts
    return Failed(reason, f"{message}; {remedy}" if remedy else message, reason in policy.permanent, exhausted)


def strays(
    recorded: RecordedRun, observed: RunObservation[ResultT], keep: frozenset[int] = frozenset()
) -> tuple[RunState, ...]:
    """Unfinished runs that are not the reserved one, nor of a number to keep: they are stopped, and waited for."""
    kept = keep | {recorded.number} if recorded.is_active else keep
    return tuple(run for run in observed.runs if not run.finished and run.number not in kept)


def ending(recorded: RecordedRun, now: datetime) -> frozenset[int]:
    """The number of the run that has said how it ended, and is about to end by itself."""
    if recorded.ended is None or recorded.stopped or now >= recorded.ended + ENDING_GRACE:
        return frozenset()
    return frozenset({recorded.number})


def back_off(failures: int, first: timedelta, longest: timedelta) -> timedelta:
    """How long to wait after that many failures in a row: doubled with each, up to a bound."""
    return min(first * 2.0 ** min(max(failures - 1, 0), 10), longest)


def observe_run(
    engine: RunEngine | None,
    objects: ObjectStore,
    bucket: str,
    owner: Owner,
    purpose: str,
    number: int,
    result: type[ResultT],
    *,
    progress: bool = False,
) -> RunObservation[ResultT]:
    """Reads the runs of an owner and, once the reserved one has ended or is gone, what it left behind.

    Args:
        engine: Where the runs are; None where the platform lacks it: only the documents count then.
        objects: Where their documents are.
        bucket: Bucket of the platform.
        owner: The owner.
        purpose: What the runs are for.
        number: The reserved number; 0: none is active.
        result: Type of the result document.
        progress: Whether to read how far an unfinished run is.

    Raises:
        EngineUnavailable: The engine or the object store does not answer.
    """
    runs = engine.runs(owner, purpose) if engine else ()
    if number == 0:
        return RunObservation(runs=runs)
    state = engine.find(owner, purpose, number) if engine else None
    prefix = run_prefix(bucket, owner.metadata.namespace, owner.metadata.uid, number, purpose)
    if state is not None and not state.finished:
        document = read_document(objects, f"{prefix}{PROGRESS}", RunProgress) if progress else None
        return RunObservation(number, state, runs, progress=document if isinstance(document, RunProgress) else None)
    delivered = read_document(objects, f"{prefix}{RESULT}", result)
    if isinstance(delivered, result):
        return RunObservation(number, state, runs, delivered)
    failure = (
        delivered if isinstance(delivered, RunFailure) else read_document(objects, f"{prefix}{FAILURE}", RunFailure)
    )
    return RunObservation(number, state, runs, failure=failure)
