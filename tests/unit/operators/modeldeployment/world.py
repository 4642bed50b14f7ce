"""A cluster around one ModelDeployment, turn by turn."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from homeostat.api.v1alpha1.modeldeployment import ModelDeployment
from homeostat.artifacts.bundle import BundleRef
from homeostat.engines.runs import RunState
from homeostat.engines.serving import Child, Serving
from homeostat.reconcile.conditions import get, is_true
from homeostat.runs import EvaluateResult
from homeostat.signals.gate import GateReport, RuleKind, RuleOutcome, RuleResult, Verdict
from homeostat.signals.shadow import ShadowComparison
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.core.actions import Action, Apply, Delete, Launch, SetAlias, Stop, TagVersion
from homeostat_operators.core.runs import RunObservation
from homeostat_operators.modeldeployment.observed import (
    Available,
    Installation,
    ModelDeploymentObservation,
    StepTraffic,
)
from homeostat_operators.modeldeployment.plan import plan
from support.replay import replayed

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
INSTALLATION = Installation("homeostat", "services:1", "pipelines:1", "http://127.0.0.1:30080")
READY = Serving(desired=2, ready=2, current=True, has_service=True)
BROKEN = replace(READY, ready=0, failure_message="pod a: CrashLoopBackOff, it ended with exit code 3 (Error)")


def digest(version: str) -> str:
    return f"sha256:{int(version):064x}"


def a_version(version: str) -> Available:
    return Available(
        version,
        digest(version),
        f"s3://homeostat/churn/models/churn/{version}",
        f"train-{version}",
        ("customers",),
        BundleRef(uri=f"s3://homeostat/churn/datasets/{version}", digest=digest("9")),
        completed=START - timedelta(days=1) + timedelta(minutes=int(version)),
    )


def a_report(verdict: Verdict) -> GateReport:
    outcome = RuleOutcome.PASSED if verdict is Verdict.PROMOTE else RuleOutcome.NOT_SHOWN
    rule = RuleResult(
        kind=RuleKind.MINIMUM, metric="auc", outcome=outcome, sentence="auc is 0.81, at least 0.70 is asked."
    )
    return GateReport(verdict=verdict, metrics=(), rules=(rule,), rows=10, entities=10, resamples=0, seed=1)


@dataclass
class World:
    """A cluster in which every pod is ready at once, and every evaluation ends with `verdict`."""

    resource: ModelDeployment = field(default_factory=a_model_deployment)
    versions: list[str] = field(default_factory=lambda: ["1"])
    verdict: Verdict | None = Verdict.PROMOTE
    failure: str = ""
    health: dict[str, Serving] = field(default_factory=dict)
    traffic: StepTraffic | None = field(default_factory=lambda: StepTraffic(1000, 0))
    report: GateReport | None = None
    """Of every evaluation, instead of one that has nothing but `verdict`."""
    comparison: ShadowComparison | None = None
    """What the observer says of a version in shadow."""
    new_inputs: tuple[str, ...] | None = ()
    """Inputs that a candidate needs and its champion does not."""
    recorded: list[Available] = field(default_factory=list)
    """Further versions, such as those of a registry that counts anew."""
    registry_answers: bool = True
    registered: dict[str, str | None] = field(default_factory=dict)
    """Digests that the registry has, where they are not those of the versions."""
    now: datetime = START
    served: dict[str, None] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    alias: str | None = None
    tags: list[TagVersion] = field(default_factory=list)
    last: tuple[Action, ...] = ()
    wait: timedelta | None = None
    """Until the next turn, as the last one asked."""

    @property
    def status(self) -> Any:
        return self.resource.status

    def observed(self) -> ModelDeploymentObservation:
        candidate = self.status.candidate
        return ModelDeploymentObservation(
            installation=INSTALLATION,
            versions=(*map(a_version, self.versions), *self.recorded),
            servings={v: self.health.get(v, READY) for v in self.served},
            children=tuple(Child("v1", "Service", f"churn-v{v}", f"uid-{v}", v) for v in self.served),
            evaluation=self.evaluations(),
            step=self.traffic if candidate is not None and candidate.step_start_time else None,
            new_inputs=self.new_inputs if candidate is not None and candidate.step_start_time is None else None,
            shadow=self.comparison if candidate is not None and candidate.mirror else None,
            champion_alias=self.alias,
            registry_answers=self.registry_answers,
            registered=self.registered if self.registry_answers else {},
        )

    def evaluations(self) -> RunObservation[EvaluateResult]:
        """Those that were launched; the one that the candidate waits for has ended, as the others have."""
        candidate, owner = self.status.candidate, self.resource.metadata.uid
        runs = tuple(
            RunState(name, n, f"uid-{n}", owner, finished=bool(self.verdict or self.failure), message=self.failure)
            for n, name in enumerate(self.jobs, 1)
            if n not in self.stopped
        )
        if candidate is None or candidate.gate_passed or candidate.evaluation == 0:
            return RunObservation(runs=runs)
        number = candidate.evaluation
        state = next((run for run in runs if run.number == number), None)
        result = None
        if state is not None and self.verdict and not self.failure:
            result = EvaluateResult(report=self.report or a_report(self.verdict))
        return RunObservation(number, state, runs, result)

    def turn(self, seconds: float = 2, *, act: bool = True) -> Self:
        """One turn of the loop; with `act=False` the operator dies after it has recorded the status."""
        decided = replayed(plan, self.resource, self.observed(), self.now)
        self.check_traffic(decided.status)
        self.resource = self.resource.model_copy(update={"status": decided.status})
        self.last, self.wait = decided.actions, decided.requeue_after
        self.now += timedelta(seconds=seconds)
        if act:
            for action in decided.actions:
                self.act(action)
        return self

    def check_traffic(self, status: Any) -> None:
        assert sum(target.weight for target in status.traffic) in {0, 100}
        assert {target.version for target in status.traffic} <= set(self.served)

    def act(self, action: Action) -> None:
        match action:
            case Apply(manifest):
                self.served[manifest["metadata"]["labels"]["homeostat.dev/version"]] = None
            case Launch(request=request):
                if request.name not in self.jobs:
                    self.jobs.append(request.name)
            case Stop(run=run):
                self.stopped.add(run.number)
            case Delete(name=name):
                del self.served[name.removeprefix("churn-v")]
            case SetAlias(version=version):
                self.alias = version
            case TagVersion():
                self.tags.append(action)
            case _:
                raise AssertionError(action)

    def turns(self, count: int, seconds: float = 2) -> Self:
        for _ in range(count):
            self.turn(seconds)
        return self

    def spec(self, **changes: Any) -> None:
        """The user edits the spec."""
        generation = self.resource.metadata.generation + 1
        self.resource = a_model_deployment(generation=generation, status=self.status, **changes)

    def annotate(self, **annotations: str) -> None:
        """The user sets annotations `homeostat.dev/<name>`."""
        named = {f"homeostat.dev/{name}": value for name, value in annotations.items()}
        metadata = self.resource.metadata.model_copy(update={"annotations": named})
        self.resource = self.resource.model_copy(update={"metadata": metadata})

    @property
    def shares(self) -> dict[str, int]:
        return {target.version: target.weight for target in self.status.traffic}

    def condition(self, type_: str) -> Any:
        return get(self.status.conditions, type_)

    def reason(self, type_: str = "Ready") -> str:
        return str(self.condition(type_).reason)

    @property
    def ready(self) -> bool:
        return is_true(self.status.conditions, "Ready")


def serving_one(**changes: Any) -> World:
    return World(**changes).turns(6)


def in_canary(**changes: Any) -> World:
    world = serving_one(**changes)
    world.versions.append("2")
    world.turns(3)
    assert world.status.candidate.gate_passed
    world.turn()
    assert world.shares == {"1": 75, "2": 25}
    return world
