"""A small world around one object of ours: operators that crash, answers that get lost, rivals, and runs that go wrong."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

from homeostat.api.common import API_VERSION, ConditionType, Resource
from homeostat.cluster import Manifest
from homeostat.cluster.memory import Address, MemoryCluster
from homeostat.engines.metrics.memory import MemoryMetrics
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.outcomes.memory import MemoryOutcomes
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.runs import RunEngine, RunState
from homeostat.engines.runs.jobs import job_state
from homeostat.engines.runs.local import LocalRuns
from homeostat.reconcile.conditions import is_true
from homeostat.reconcile.errors import EngineUnavailable
from homeostat.runs import FAILURE, RESULT, FailureReason, RunFailure
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.loop import AnyOperator, ReconcileResult, reconcile
from homeostat_operators.core.settings import OperatorSettings
from homeostat_operators.core.workqueue import Key

COMPILED = Path(__file__).parents[2] / "pipelines" / "compiled"
START = datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
SETTINGS = OperatorSettings("homeostat", "homeostat/pipelines:1", "homeostat/services:1", "http://gateway")


class Fault(Enum):
    """What befalls the operator at a write."""

    NONE = auto()
    CRASH = auto()
    """SIGKILL: nothing of the process is left."""
    OUTAGE = auto()
    """The engine answers with an error, or its answer is lost."""
    RIVAL = auto()
    """A second operator, which should not be there, does a whole turn at this moment."""


class Fate(Enum):
    """What becomes of a run."""

    GOES_ON = auto()
    SUCCEEDS = auto()
    SUCCEEDS_AND_VANISHES = auto()
    """Its Job is deleted, by a user or its time to live, before anybody looked."""
    FAILS = auto()
    IS_KILLED = auto()
    VANISHES = auto()


class Crash(BaseException):
    """Not an Exception, so that nothing but the end of the process can be made of it."""


class FaultyRegistry(MemoryRegistry):
    """A registry whose register is a write like those of the cluster."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def register(self, model: str, intent: str, uri: str, digest: str, tags: dict[str, str]) -> str:
        self._world.around("before register")
        version = super().register(model, intent, uri, digest, tags)
        self._world.around("after register")
        return version


@dataclass
class World:
    """One object, its operator and its runs."""

    operator: AnyOperator
    resource: Resource[Any, Any]
    result: bytes
    faults: deque[Fault]
    now: datetime = START
    taken_by_others: set[str] = field(default_factory=set)
    depth: int = 0

    def __post_init__(self) -> None:
        self.cluster = MemoryCluster(self.around, lambda: self.now)
        self.objects = MemoryObjects()
        self.registry = FaultyRegistry(self)
        self.clients = Clients(
            self.cluster, self.objects, self.registry, MemoryMetrics(), MemoryOutcomes(), SETTINGS,
            runs=self.engines(),
        )  # fmt: skip
        manifest = self.resource.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.own: Address = (API_VERSION, self.resource.kind, "churn", self.resource.metadata.name)
        self.cluster.put(manifest)

    def engines(self) -> dict[str, RunEngine]:
        """Engines of trainings."""
        return {"Local": LocalRuns(self.cluster, COMPILED)}

    def around(self, moment: str) -> None:
        """Called before and after every write."""
        if self.depth:  # the rival has better luck
            return
        match self.faults.popleft() if self.faults else Fault.NONE:
            case Fault.CRASH:
                raise Crash(moment)
            case Fault.OUTAGE:
                raise EngineUnavailable(f"down {moment}")
            case Fault.RIVAL:
                self.depth += 1
                self.turn()
                self.depth -= 1
            case Fault.NONE:
                pass

    def turn(self) -> ReconcileResult | None:
        """One turn of the loop; None when the operator crashed in it."""
        try:
            turn = reconcile(self.operator, self.clients, Key("churn", self.resource.metadata.name), self.now)
        except (Crash, EngineUnavailable):
            turn = None
        self.check()
        return turn

    def check(self) -> None:
        """What holds at every moment."""
        alive = [job.name for job in self.jobs() if not job.finished]
        assert len(alive) <= 1, f"two runs at once: {alive}"
        names = [name for kind, name, _ in self.cluster.created if kind == "Job" and name not in self.taken_by_others]
        assert len(names) == len(set(names)), f"a number was used twice: {names}"
        versions = [version for model in self.registry.models.values() for version in model.versions]
        assert len(versions) <= 1, "registered twice"

    def jobs(self) -> list[RunState]:
        """All Jobs there are."""
        return [job_state(manifest) for manifest in self.cluster.list("batch/v1", "Job", None)]

    def meets(self, fate: Fate) -> None:
        """What becomes of the run that is alive, if one is."""
        for job in (job for job in self.jobs() if not job.finished and not job.deleting):
            address = ("batch/v1", "Job", "churn", job.name)
            output = _output(self.cluster.objects[address])
            match fate:
                case Fate.GOES_ON:
                    pass
                case Fate.SUCCEEDS:
                    self.objects.write(f"{output}{RESULT}", self.result)
                    self._end(address, "Complete", "")
                case Fate.SUCCEEDS_AND_VANISHES:
                    self.objects.write(f"{output}{RESULT}", self.result)
                    self._vanish(address)
                case Fate.FAILS:
                    failure = RunFailure(reason=FailureReason.ERROR, message="out of luck")
                    self.objects.write(f"{output}{FAILURE}", failure.model_dump_json(by_alias=True).encode())
                    self._end(address, "Failed", "BackoffLimitExceeded")
                case Fate.IS_KILLED:
                    self._end(address, "Failed", "DeadlineExceeded")
                case Fate.VANISHES:
                    self._vanish(address)

    def passes(self, seconds: float) -> None:
        """Time goes by: deletions finish."""
        self.now += timedelta(seconds=seconds)
        self.cluster.finish_deletions()

    def status(self) -> Any:
        """The object's status as it is."""
        return type(self.resource).model_validate(self.cluster.objects[self.own]).status

    def at_rest(self) -> bool:
        """No fault is left to come, and the object is what its spec asks for."""
        return not self.faults and is_true(self.status().conditions, ConditionType.READY)

    def _end(self, address: Address, type_: str, reason: str) -> None:
        condition = {"type": type_, "status": "True", "reason": reason, "lastTransitionTime": self.now.isoformat()}
        self.cluster.change(address, status={"conditions": [condition]})

    def _vanish(self, address: Address) -> None:
        # A Job that nobody has seen may be made a second time under its number; it is not alive twice.
        self.taken_by_others.add(address[3])
        self.cluster.vanish(address)


def _output(job: Manifest) -> str:
    return str(json.loads(job_state(job).document)["output"])
