"""Pipelines: who runs the attempts of a training.

An attempt is submitted once, whatever is repeated or lost on the way: an engine finds a run of it again by the uid of its
TrainingJob and its number. What a run reads and writes is the contract of `homeostat.runs`, the same for every engine.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from homeostat.api.v1alpha1.trainingjob import Resources, TrainingJob
from homeostat.runs import TrainInput
from homeostat.settings import NodePool


@dataclass(frozen=True)
class Attempt:
    """What is to be run.

    Attributes:
        resource: The TrainingJob.
        number: Number of the attempt, reserved in its status.
        name: Name of the run, for people; the same whenever it is asked for.
        document: What the run is told.
        resources: Requests and limits by resource, accelerators included.
        pool: Nodes to run on; None: any.
    """

    resource: TrainingJob
    number: int
    name: str
    document: TrainInput
    resources: Resources
    pool: NodePool | None = None


@dataclass(frozen=True)
class SeenRun:
    """A run as its engine shows it.

    Attributes:
        name: Its name.
        number: Number of the attempt; 0 if it has none.
        uid: Its identifier at the engine.
        owner: uid of the TrainingJob that it belongs to, empty if it has none.
        deleting: Somebody ends it; its pods may still run.
        finished: It has ended; no pod of it runs.
        reason: Why it failed, in a word; empty if it did not.
        message: The same as a sentence.
        end: When it ended.
        document: The input that it was given.
        stuck: Which step cannot start, and why, as a sentence; empty while all is well.
        url: Where people look at it; empty if there is no such place.
    """

    name: str
    number: int
    uid: str
    owner: str
    deleting: bool = False
    finished: bool = False
    reason: str = ""
    message: str = ""
    end: datetime | None = None
    document: str = field(default="", repr=False)
    stuck: str = ""
    url: str = ""


class PipelineEngine(Protocol):
    """Runs attempts.

    Every method raises EngineUnavailable when the engine does not answer, and PlatformError with its words when it refuses.
    """

    def find(self, resource: TrainingJob, number: int) -> SeenRun | None:
        """The run of an attempt, or whatever else bears its name; None if there is none."""
        ...

    def runs(self, resource: TrainingJob) -> tuple[SeenRun, ...]:
        """All runs of a TrainingJob."""
        ...

    def submit(self, attempt: Attempt) -> None:
        """Starts a run of the attempt, unless there is one.

        Raises:
            InvalidSpec: The engine cannot do what the spec asks for.
        """
        ...

    def stop(self, resource: TrainingJob, run: SeenRun) -> None:
        """Ends a run; one that has ended already is well."""
        ...
