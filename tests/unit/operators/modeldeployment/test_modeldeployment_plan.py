"""What a ModelDeployment does next, as sentences; `World` plays the cluster."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from homeostat.api.common import ConditionStatus
from homeostat.api.v1alpha1.modeldeployment import ModelDeployment, Outcome
from homeostat.reconcile.conditions import get, is_true
from homeostat.runs import StoredModel
from homeostat.signals import Metric
from homeostat.signals.gate import GateReport, RuleKind, RuleOutcome, RuleResult, Verdict
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.actions import Action, Apply, CreateOnce, Delete, SetAlias, TagVersion
from homeostat_operators.modeldeployment.observed import (
    Available,
    Child,
    Evaluation,
    Installation,
    Observed,
    Serving,
    StepTraffic,
)
from homeostat_operators.modeldeployment.plan import plan

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
INSTALLATION = Installation("homeostat", "services:1", "pipelines:1", "http://127.0.0.1:30080")
READY = Serving(desired=2, ready=2, current=True, has_service=True)
BROKEN = replace(READY, ready=0, trouble="pod a: CrashLoopBackOff, it ended with exit code 3 (Error)")


def digest(version: str) -> str:
    return f"sha256:{int(version):064x}"


def a_version(version: str) -> Available:
    return Available(
        version,
        digest(version),
        f"s3://homeostat/churn/models/churn/{version}",
        f"train-{version}",
        "customers",
        StoredModel(uri=f"s3://homeostat/churn/datasets/{version}", digest=digest("9")),
    )


def a_report(verdict: Verdict) -> GateReport:
    outcome = RuleOutcome.PASSED if verdict is Verdict.PROMOTE else RuleOutcome.NOT_SHOWN
    rule = RuleResult(
        kind=RuleKind.MINIMUM, metric=Metric.AUC, outcome=outcome, sentence="auc is 0.81, at least 0.70 is asked."
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
    registry_answers: bool = True
    now: datetime = START
    served: dict[str, None] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    alias: str | None = None
    tags: list[TagVersion] = field(default_factory=list)
    last: tuple[Action, ...] = ()

    @property
    def status(self) -> Any:
        return self.resource.status

    def observed(self) -> Observed:
        candidate = self.status.candidate
        evaluation = None
        if candidate is not None and candidate.evaluation and not candidate.gated:
            exists = f"churn-evaluate-{candidate.evaluation}" in self.jobs
            report = a_report(self.verdict) if exists and self.verdict and not self.failure else None
            evaluation = Evaluation(candidate.evaluation, exists, self.failure if exists else "", report)
        return Observed(
            installation=INSTALLATION,
            versions=tuple(map(a_version, self.versions)),
            servings={v: self.health.get(v, READY) for v in self.served},
            children=tuple(Child("v1", "Service", f"churn-v{v}", f"uid-{v}", v) for v in self.served),
            evaluation=evaluation,
            highest_evaluation=len(self.jobs),
            step=self.traffic if candidate is not None and candidate.step_since else None,
            champion_alias=self.alias,
            registry_answers=self.registry_answers,
        )

    def turn(self, seconds: float = 2, *, act: bool = True) -> "World":
        """One turn of the loop; with `act=False` the operator dies after it has recorded the status."""
        decided = plan(self.resource, self.observed(), self.now)
        self.check_traffic(decided.status)
        self.resource = self.resource.model_copy(update={"status": decided.status})
        self.last = decided.actions
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
            case CreateOnce(manifest):
                if manifest["metadata"]["name"] not in self.jobs:
                    self.jobs.append(manifest["metadata"]["name"])
            case Delete(name=name):
                del self.served[name.removeprefix("churn-v")]
            case SetAlias(version=version):
                self.alias = version
            case TagVersion():
                self.tags.append(action)
            case _:
                raise AssertionError(action)

    def turns(self, count: int, seconds: float = 2) -> "World":
        for _ in range(count):
            self.turn(seconds)
        return self

    def spec(self, **changes: Any) -> None:
        """The user edits the spec."""
        generation = self.resource.metadata.generation + 1
        self.resource = a_model_deployment(generation=generation, status=self.status, **changes)

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
    assert world.status.candidate.gated
    world.turn()
    assert world.shares == {"1": 75, "2": 25}
    return world


def test_without_a_model_it_waits_and_is_not_ready() -> None:
    world = World(versions=[]).turn()
    assert (world.ready, world.reason()) == (False, "WaitingForModel")
    assert world.last == ()


def test_a_pinned_version_that_is_absent_is_awaited_and_not_an_error_for_ever() -> None:
    world = World(resource=a_model_deployment(model={"registered": {"name": "churn", "version": "7"}})).turn()
    assert world.reason() == "WaitingForModel"
    assert not is_true(world.status.conditions, "Stalled")
    world.versions.append("7")
    assert world.turns(6).shares == {"7": 100}


def test_the_first_version_passes_the_gate_and_serves_at_once_when_ready() -> None:
    world = World().turn()
    assert world.reason() == "Evaluating"
    assert world.jobs == ["churn-evaluate-1"]
    world.turns(5)
    assert world.shares == {"1": 100}
    assert (world.ready, world.reason()) == (True, "Serving")
    assert world.alias == "1"
    assert world.status.url == "http://127.0.0.1:30080/churn/churn"


def test_no_pod_is_started_before_the_gate_has_spoken() -> None:
    world = World(verdict=None).turns(5)
    assert not world.served
    assert world.jobs == ["churn-evaluate-1"]


def test_a_gate_without_rules_evaluates_nothing_and_says_so() -> None:
    world = World(resource=a_model_deployment(promotion={})).turns(3)
    assert world.shares == {"1": 100}
    assert world.jobs == []
    assert "nothing was evaluated" in world.status.gate.sentences[0]


def test_a_challenger_takes_over_by_canary_and_the_old_version_drains_before_it_goes() -> None:
    world = in_canary()
    world.turn(25)
    world.turn()
    assert world.shares == {"2": 100}
    assert world.status.stable.version == "2"
    assert set(world.served) == {"1", "2"}
    world.turns(12)
    assert set(world.served) == {"2"}
    assert world.status.retiring == []
    assert [entry.outcome for entry in world.status.history] == [Outcome.PROMOTED, Outcome.PROMOTED]
    assert world.alias == "2"


def test_nothing_is_deleted_within_fifteen_seconds_of_its_last_request() -> None:
    world = in_canary().turn(25).turn(14)
    assert not [a for a in world.turn(0).last if isinstance(a, Delete)]
    world.now += timedelta(seconds=2)
    assert [a for a in world.turn().last if isinstance(a, Delete)]


def test_a_step_lasts_until_its_requests_are_answered() -> None:
    world = in_canary()
    world.traffic = StepTraffic(199, 0)
    assert world.turns(20, 10).shares == {"1": 75, "2": 25}
    world.traffic = StepTraffic(200, 0)
    assert world.turn().shares == {"2": 100}


def test_a_canary_stays_where_it_is_while_prometheus_does_not_answer() -> None:
    world = in_canary()
    world.traffic = None
    world.turns(20, 10)
    assert world.shares == {"1": 75, "2": 25}
    assert "Prometheus does not answer" in world.condition("Ready").message


def test_too_many_errors_take_the_candidate_back_at_once() -> None:
    world = in_canary()
    world.traffic = StepTraffic(40, 8)
    world.turn(0)
    assert world.shares == {"1": 100}
    assert (world.ready, world.reason()) == (True, "RolledBack")
    assert "8 of 40 requests (20.0%)" in world.status.history[0].reason
    assert set(world.served) == {"1", "2"}
    assert set(world.turns(12).served) == {"1"}


def test_a_few_errors_among_very_few_requests_say_nothing() -> None:
    world = in_canary()
    world.traffic = StepTraffic(19, 19)
    assert world.turn().shares == {"1": 75, "2": 25}


def test_a_candidate_without_a_ready_pod_is_taken_back_and_the_crash_is_named() -> None:
    world = in_canary()
    world.health["2"] = BROKEN
    world.turn()
    assert world.shares == {"1": 100}
    assert "exit code 3" in world.status.history[0].reason


def test_one_pod_of_two_killed_in_a_canary_is_no_reason_to_take_it_back() -> None:
    world = in_canary()
    world.health["2"] = replace(READY, ready=1)
    assert world.turns(5, 10).shares == {"1": 75, "2": 25}
    del world.health["2"]
    assert world.turn().shares == {"2": 100}


def test_a_candidate_that_never_becomes_ready_is_taken_back_after_its_deadline() -> None:
    world = serving_one(health={"2": BROKEN})
    world.versions.append("2")
    world.turns(4)
    assert world.reason() == "Starting"
    world.turn(601).turn()
    assert world.shares == {"1": 100}
    assert world.reason() == "RolledBack"


def test_a_version_that_was_taken_back_is_not_tried_again() -> None:
    world = in_canary()
    world.health["2"] = BROKEN
    world.turn()
    del world.health["2"]
    world.spec(realtime={"replicas": 3, "features": "Lookup"})
    assert world.turns(20).status.candidate is None
    world.versions.append("3")
    assert world.turn().status.candidate.version == "3"


def test_a_failed_version_that_is_pinned_by_a_later_spec_is_tried_again() -> None:
    world = in_canary()
    world.health["2"] = BROKEN
    world.turn()
    del world.health["2"]
    world.spec(model={"registered": {"name": "churn", "version": "2"}})
    assert world.turn().status.candidate.version == "2"


def test_a_held_challenger_leaves_the_champion_ready() -> None:
    world = serving_one()
    world.verdict = Verdict.HOLD
    world.versions.append("2")
    world.turns(4)
    assert (world.ready, world.reason()) == (True, "Held")
    assert world.shares == {"1": 100}
    assert world.status.candidate is None
    assert "auc is 0.81" in world.status.history[0].reason


def test_a_rejected_first_version_is_not_served_and_a_person_must_act() -> None:
    world = World(verdict=Verdict.REJECT).turns(4)
    assert world.shares == {}
    assert (world.reason(), is_true(world.status.conditions, "Stalled")) == ("Rejected", True)


def test_an_evaluation_that_fails_is_tried_three_times_with_new_numbers() -> None:
    world = World(failure="no rows").turns(10)
    assert world.jobs == ["churn-evaluate-1", "churn-evaluate-2", "churn-evaluate-3"]
    assert world.reason() == "EvaluationFailed"
    assert "no rows" in world.condition("Ready").message


def test_a_crash_between_status_and_create_repeats_the_same_number() -> None:
    world = World().turn(act=False)
    assert world.status.evaluations == 1
    world.turn()
    assert world.jobs == ["churn-evaluate-1"]


def test_numbers_go_on_after_those_of_jobs_that_status_has_forgotten() -> None:
    world = World(jobs=["churn-evaluate-1", "churn-evaluate-2"]).turn()
    assert world.jobs[-1] == "churn-evaluate-3"


def test_a_champion_that_changed_during_the_evaluation_is_compared_with_anew() -> None:
    world = serving_one()
    world.versions.append("2")
    world.turn()
    assert world.status.candidate.champion_digest == digest("1")
    stable = world.status.stable.model_copy(update={"digest": digest("8")})
    world.resource = world.resource.model_copy(update={"status": world.status.model_copy(update={"stable": stable})})
    world.turn()
    assert world.status.candidate.champion_digest == digest("8")
    assert world.jobs[-1] == "churn-evaluate-3"


def test_a_newer_version_replaces_a_candidate_that_is_not_yet_gated_but_not_one_in_rollout() -> None:
    world = serving_one(verdict=Verdict.PROMOTE)
    world.verdict = None
    world.versions.append("2")
    world.turn()
    world.versions.append("3")
    assert world.turn().status.candidate.version == "3"
    rolling = in_canary()
    rolling.versions.append("3")
    assert rolling.turn().status.candidate.version == "2"


def test_an_older_version_that_is_newest_no_more_is_never_a_candidate() -> None:
    world = World(versions=["2"]).turns(6)
    world.versions = ["1"]
    assert world.turn().status.candidate is None


def test_a_pin_to_an_older_version_goes_through_the_same_gate_and_canary() -> None:
    world = in_canary().turn(25).turns(12)
    world.spec(model={"registered": {"name": "churn", "version": "1"}})
    world.turn()
    assert world.status.candidate.version == "1"
    world.turns(3)
    assert world.shares == {"2": 75, "1": 25}
    assert world.turn(25).turn().shares == {"1": 100}


def test_a_pin_to_another_version_ends_a_rollout() -> None:
    world = in_canary()
    world.spec(model={"registered": {"name": "churn", "version": "1"}})
    world.turn()
    assert world.shares == {"1": 100}
    assert world.status.history[0].outcome is Outcome.ROLLED_BACK


def test_a_registry_that_is_down_blocks_neither_rollout_nor_rollback() -> None:
    world = in_canary(registry_answers=False).turn(25).turn()
    assert world.shares == {"2": 100}
    assert world.alias is None
    world.registry_answers = True
    assert world.turn().alias == "2"


def test_the_verdict_is_recorded_with_the_digests_that_it_is_about() -> None:
    world = in_canary()
    tag = world.tags[-1]
    assert (tag.model, tag.version, tag.key) == ("churn.churn", "2", "homeostat.gate.churn")
    assert digest("1") in tag.value
    assert digest("9") in tag.value


def test_the_champions_objects_are_applied_at_every_turn_and_missing_pods_are_told() -> None:
    world = serving_one()
    assert sum(isinstance(a, Apply) for a in world.turn().last) == 3
    world.health["1"] = BROKEN
    world.turn()
    ready = world.condition("Ready")
    assert (ready.status, ready.reason) == (ConditionStatus.FALSE, "Unavailable")
    assert world.shares == {"1": 100}


def test_a_turn_without_news_changes_nothing() -> None:
    world = serving_one()
    before = world.status
    assert world.turn().status == before


def test_objects_of_a_version_without_a_role_are_drained_and_removed() -> None:
    world = serving_one()
    world.served["5"] = None
    assert [r.version for r in world.turn().status.retiring] == ["5"]
    assert set(world.turns(12).served) == {"1"}
