"""Runs: who carries out what happens once, such as a materialisation, a training or an evaluation.

A run is identified by its owner, its purpose and its number. It is submitted once, whatever is repeated or lost on the way:
an engine finds it again by the uid of its owner, the purpose and the number. What a run reads and writes is the contract of
`homeostat.runs`, the same for every engine.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from homeostat.api.common import Resource
from homeostat.api.v1alpha1.pods import PodTemplate, Resources
from homeostat.api.v1alpha1.trainingjob import PipelineRef, Placement, Step
from homeostat.documents import TolerantDocument
from homeostat.engines.runs.packages import Package
from homeostat.pod_settings import GPU, NodePool
from homeostat.reconcile.names import child_name

MATERIALIZE, TRAIN, EVALUATE = "materialize", "train", "evaluate"
"""Purposes of runs: the word in their names and labels, and the subcommand of the pipelines' image."""

DEADLINE_EXCEEDED = "DeadlineExceeded"
"""Reason of a run that took longer than its deadline."""

Owner = Resource[Any, Any]
"""The object that a run belongs to; only its kind and its metadata count."""


@dataclass(frozen=True)
class SinglePod:
    """One pod with one container, which does all the work."""


Layout = SinglePod
"""How a run is spread over pods and containers: a union, to which an indexed Job or several containers add a member."""


@dataclass(frozen=True)
class RunShape:
    """What a run may use.

    Attributes:
        resources: Requests and limits by resource, accelerators included.
        deadline_seconds: Longest time of the run, counted from when its pod could run.
        ttl_seconds: How long a finished run stays at its engine, where the engine can forget it.
        pod_template: Labels, annotations and scheduling of its pods; None: nothing beside ours.
        gpus: Accelerators of each pod.
        accelerator: What Kubernetes calls such an accelerator.
        layout: Pods and containers.
    """

    resources: Resources
    deadline_seconds: int
    ttl_seconds: int
    pod_template: PodTemplate | None = None
    gpus: int = 0
    accelerator: str = GPU
    layout: Layout = SinglePod()


@dataclass(frozen=True)
class RunRequest:
    """What is to be run.

    Attributes:
        owner: The object that the run belongs to.
        purpose: What it is for.
        number: Its number, reserved in the status of its owner.
        document: Its input.
        image: Container image of the platform's own steps.
        shape: What it may use.
        package: The compiled pipeline, as the engine gave it; None for a run that is no pipeline.
        parameters: Parameters of the pipeline by name.
    """

    owner: Owner
    purpose: str
    number: int
    document: TolerantDocument
    image: str
    shape: RunShape
    package: Package | None = None
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run: the same whenever it is submitted."""
        return run_name(self.owner, self.purpose, self.number)


def run_name(owner: Owner, purpose: str, number: int) -> str:
    """Name of the run of that number, at every engine."""
    return child_name(owner.metadata.name, purpose, number)


@dataclass(frozen=True)
class RunState:
    """A run as its engine shows it.

    Attributes:
        name: Its name.
        number: Its number; 0 if it has none.
        uid: Its identifier at the engine.
        owner: uid of the object that it belongs to, empty if it has none.
        namespace: Namespace of that object.
        deleting: Somebody ends it; its pods may still run.
        finished: It has ended; no pod of it runs.
        reason: Why it failed, in a word such as OOMKilled; empty if it did not.
        message: The same as a sentence that names the pod and the container, where they are known.
        start: When it could run: its deadline counts from here. None while it waits for a node or a queue.
        end: When it ended.
        document: The input that it was given.
        failure_message: Which pod or step cannot start, and why, as a sentence; empty while all is well.
        waiting: It waits for a node; its deadline stands still.
        url: Where people look at it; empty if there is no such place.
        logs: Command that shows its logs.
        steps: Its steps so far, where the engine reports them.
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
    failure_message: str = ""
    waiting: bool = False
    url: str = ""
    logs: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class PackageRequest:
    """Which compiled pipeline a spec names, and where it is to run.

    Attributes:
        namespace: Namespace of the object whose spec it is.
        pipeline: ``spec.pipeline``.
        placement: ``spec.placement``.
        pool: The node pool that the placement names; None: any nodes.
    """

    namespace: str
    pipeline: PipelineRef
    placement: Placement
    pool: NodePool | None = None


class RunEngine(Protocol):
    """Carries out runs.

    Every method raises EngineUnavailable when the engine does not answer, and PlatformError with its words when it refuses.
    """

    def package(self, request: PackageRequest) -> Package:
        """The compiled pipeline that a spec names, with the inputs that it declares.

        Raises:
            InvalidSpec: The engine cannot do what the spec asks for.
            ObjectNotFound: The pipeline is not there yet.
        """
        ...

    def find(self, owner: Owner, purpose: str, number: int) -> RunState | None:
        """The run of a number, or whatever else bears its name; None if there is none."""
        ...

    def runs(self, owner: Owner, purpose: str) -> tuple[RunState, ...]:
        """All runs of an owner for one purpose."""
        ...

    def active_runs(self) -> tuple[RunState, ...]:
        """Unfinished runs of this cluster's objects that nobody ends when their owner is deleted."""
        ...

    def submit(self, request: RunRequest) -> None:
        """Starts a run, unless one of that owner, purpose and number exists.

        Raises:
            InvalidSpec: The engine refuses the request, or cannot carry out runs of its form.
        """
        ...

    def stop(self, run: RunState) -> None:
        """Ends a run, and forgets it where the engine can; one that has ended already is well."""
        ...
