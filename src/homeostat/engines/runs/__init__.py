"""Pipelines: who runs the attempts of a training.

An attempt is submitted once, whatever is repeated or lost on the way: an engine finds a run of it again by the uid of its
TrainingJob and its number. What a run reads and writes is the contract of `homeostat.runs`, the same for every engine.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from homeostat.api.v1alpha1.trainingjob import Resources, Step, TrainingJob
from homeostat.engines.runs.packages import Package
from homeostat.runs import TrainInput
from homeostat.settings import NodePool

TRAIN = "train"
"""Purpose of a run that trains."""


@dataclass(frozen=True)
class Attempt:
    """What is to be run.

    Attributes:
        resource: The TrainingJob.
        number: Number of the attempt, reserved in its status.
        name: Name of the run, for people; the same whenever it is asked for.
        document: What the run is told.
        package: The pipeline, as the engine gave it.
        resources: Requests and limits by resource, accelerators included.
        pool: Nodes to run on; None: any.
    """

    resource: TrainingJob
    number: int
    name: str
    document: TrainInput
    package: Package
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
        namespace: Namespace of that TrainingJob.
        deleting: Somebody ends it; its pods may still run.
        finished: It has ended; no pod of it runs.
        reason: Why it failed, in a word; empty if it did not.
        message: The same as a sentence.
        start: When the engine took it on.
        end: When it ended.
        document: The input that it was given.
        stuck: Which step cannot start, and why, as a sentence; empty while all is well.
        url: Where people look at it; empty if there is no such place.
        logs: Command that shows its logs.
        steps: Its steps so far, where the engine tells of them.
    """

    name: str
    number: int
    uid: str
    owner: str
    namespace: str = ""
    deleting: bool = False
    finished: bool = False
    reason: str = ""
    message: str = ""
    start: datetime | None = None
    end: datetime | None = None
    document: str = field(default="", repr=False)
    stuck: str = ""
    url: str = ""
    logs: str = ""
    steps: tuple[Step, ...] = ()


class PipelineEngine(Protocol):
    """Runs attempts.

    Every method raises EngineUnavailable when the engine does not answer, and PlatformError with its words when it refuses.
    """

    def package(self, resource: TrainingJob, pool: NodePool | None) -> Package:
        """The pipeline that the spec asks for, with the inputs that it declares.

        Raises:
            InvalidSpec: The engine cannot do what the spec asks for, on nodes of that pool.
            ObjectNotFound: The pipeline is not there yet.
        """
        ...

    def find(self, resource: TrainingJob, number: int) -> SeenRun | None:
        """The run of an attempt, or whatever else bears its name; None if there is none."""
        ...

    def runs(self, resource: TrainingJob) -> tuple[SeenRun, ...]:
        """All runs of a TrainingJob."""
        ...

    def going(self) -> tuple[SeenRun, ...]:
        """Runs of this cluster's TrainingJobs that go on, and that nobody ends when their TrainingJob is deleted."""
        ...

    def submit(self, attempt: Attempt) -> None:
        """Starts a run of the attempt, unless there is one.

        Raises:
            InvalidSpec: The engine refuses what is asked for.
        """
        ...

    def stop(self, run: SeenRun) -> None:
        """Ends a run; one that has ended already is well."""
        ...
