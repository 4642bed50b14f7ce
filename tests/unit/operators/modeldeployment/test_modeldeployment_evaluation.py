"""Evaluations: which are asked for, what is recorded of a verdict, and what the registry is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.artifacts.features import feature_source
from homeostat.engines.runs import RunState
from homeostat.runs import EvaluateInput, EvaluateResult, FailureReason, RunFailure
from homeostat.signals.comparison import PairedComparison
from homeostat.signals.gate import GateReport, RuleKind, RuleOutcome, RuleResult, Verdict
from homeostat.testing.builders import DIGEST, a_feature_set, a_model_deployment
from homeostat_operators.core.actions import Launch, SetAlias, Stop, TagVersion
from homeostat_operators.core.runs import Nothing, Reserve, RunObservation
from homeostat_operators.modeldeployment.evaluation import POLICY, decision_on, recorded_evaluation
from homeostat_operators.modeldeployment.plan import IDLE_POLL_INTERVAL, plan
from unit.operators.modeldeployment.world import World, a_report, a_version, digest, in_canary, serving_one

PAUSES = {1: 10, 2: 20}
"""Seconds before the next evaluation, by the number of failures in a row."""
SNAPSHOT = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/snapshot", "rows": 1}
RULES = {
    "minimum": [{"metric": "auc", "value": "0.70"}],
    "must_beat": [{"metric": "logloss", "margin": "0.01"}],
    "non_inferior": [{"metric": "auc", "margin": "0.02"}],
}


def a_rule(outcome: RuleOutcome, sentence: str) -> RuleResult:
    return RuleResult(kind=RuleKind.MINIMUM, metric="auc", outcome=outcome, sentence=sentence)


def reported(verdict: Verdict, *rules: RuleResult, metrics: tuple[PairedComparison, ...] = ()) -> GateReport:
    return a_report(verdict).model_copy(update={"rules": rules, "metrics": metrics})


def challenged(**changes: Any) -> World:
    """Version 1 serves, and the evaluation of version 2 was launched."""
    world = serving_one(**changes)
    world.versions.append("2")
    return world.turn()


def evaluations(number: int = 0, *runs: RunState) -> RunObservation[EvaluateResult]:
    return RunObservation(number, None, runs)


def an_evaluation(number: int, **fields: Any) -> RunState:
    owner = a_model_deployment().metadata.uid
    return RunState(f"churn-evaluate-{number}", number, f"uid-{number}", owner, **fields)


def of_a_regression(metric: str, **changes: Any) -> dict[str, Any]:
    return {"promotion": {"gate": {"minimum": [{"metric": metric, "value": "2.5"}]}}, **changes}


def test_a_gate_with_a_metric_of_another_task_waits_until_it_is_corrected() -> None:
    numbers = replace(a_version("1"), task="Regression")
    world = World(resource=a_model_deployment(**of_a_regression("auc")), versions=[], recorded=[numbers]).turns(3)
    assert (world.jobs, world.status.history, world.status.candidate.evaluation) == ([], [], 0)
    assert (world.reason("Stalled"), world.wait) == ("UnknownMetric", IDLE_POLL_INTERVAL)
    message = world.condition("Stalled").message
    assert message.startswith("Version 1 is not evaluated: Regression has no metric 'auc'; it has rmse, mae, ")
    assert message.endswith(". Correct spec.promotion.gate.")
    world.spec(**of_a_regression("rmse"))
    assert world.turn().jobs == ["churn-evaluate-1"]


def test_a_champion_serves_while_the_gate_of_its_successor_has_a_metric_of_another_task() -> None:
    world = serving_one()
    world.recorded.append(replace(a_version("2"), task="Regression"))
    world.turns(2)
    assert (world.ready, world.reason(), world.jobs[1:]) == (True, "UnknownMetric", [])


@pytest.mark.parametrize("kind", RULES)
def test_a_gate_with_a_single_rule_of_any_kind_evaluates(kind: str) -> None:
    gate = a_model_deployment(promotion={"gate": {kind: RULES[kind]}})
    assert World(resource=gate).turn().jobs == ["churn-evaluate-1"]


def test_a_gate_without_rules_records_whom_the_version_replaces_and_against_whom_it_was_not_judged() -> None:
    world = serving_one(resource=a_model_deployment(promotion={}))
    assert (world.status.gate.version, world.status.gate.champion) == ("1", "")
    world.versions.append("2")
    world.turn()
    assert (world.status.gate.version, world.status.gate.champion) == ("2", "1")
    assert world.status.candidate.champion_digest == digest("1")
    assert [tag.value for tag in world.tags] == [
        f'{{"champion": "", "dataset": "{digest("9")}", "verdict": "Promote"}}',
        f'{{"champion": "{digest("1")}", "dataset": "{digest("9")}", "verdict": "Promote"}}',
    ]


def test_the_tag_of_a_verdict_holds_champion_dataset_and_verdict_in_this_order() -> None:
    world = serving_one()
    assert world.tags[-1].value == f'{{"champion": "", "dataset": "{digest("9")}", "verdict": "Promote"}}'
    world.verdict = Verdict.HOLD
    world.versions.append("2")
    world.turns(2)
    assert world.tags[-1].version == "2"
    assert world.tags[-1].value == f'{{"champion": "{digest("1")}", "dataset": "{digest("9")}", "verdict": "Hold"}}'


def test_a_verdict_is_tagged_once_and_an_alias_that_is_right_is_not_set_again() -> None:
    world = serving_one()
    assert [(tag.model, tag.version, tag.key) for tag in world.tags] == [("churn.churn", "1", "homeostat.gate.churn")]
    assert not [action for action in world.turn().last if isinstance(action, SetAlias | TagVersion)]
    world.alias = "7"
    assert [a for a in world.turn().last if isinstance(a, SetAlias)] == [
        SetAlias("churn.churn", "churn-churn-champion", "1")
    ]


def test_nobody_waits_for_an_evaluation_without_a_candidate_or_after_its_verdict() -> None:
    world = serving_one()
    assert decision_on(world.resource, world.status, world.observed(), world.now) == Nothing(None)
    world = in_canary()
    assert world.status.candidate.gate_passed
    assert decision_on(world.resource, world.status, world.observed(), world.now) == Nothing(None)


def test_a_candidate_without_an_evaluation_is_due_for_the_next_number_now() -> None:
    world = challenged()
    waiting = world.status.candidate.model_copy(update={"evaluation": 0})
    status = world.status.model_copy(update={"candidate": waiting})
    observed = replace(world.observed(), evaluation=evaluations())
    assert decision_on(world.resource, status, observed, world.now) == Reserve(3)


def test_an_evaluation_has_ended_with_its_verdict_and_keeps_the_largest_number_reserved() -> None:
    world = in_canary()
    recorded = recorded_evaluation(world.resource, world.status)
    assert (recorded.number, recorded.is_active) == (2, False)


def test_failures_of_a_candidate_count_on_between_its_evaluations() -> None:
    world = challenged()
    candidate = world.status.candidate.model_copy(update={"evaluation": 0, "evaluation_failures": 2})
    status = world.status.model_copy(update={"candidate": candidate})
    recorded = recorded_evaluation(world.resource, status)
    assert (recorded.number, recorded.failures, recorded.is_active) == (2, 2, False)
    assert recorded_evaluation(world.resource, world.status.model_copy(update={"candidate": None})).failures == 0


def test_the_first_evaluation_of_a_candidate_is_active_under_its_number() -> None:
    world = World(verdict=None).turn()
    recorded = recorded_evaluation(world.resource, world.status)
    assert (recorded.number, recorded.name, recorded.is_active) == (1, "churn-evaluate-1", True)


def test_an_evaluation_that_fails_uses_up_one_of_three_tries_and_the_next_has_another_number() -> None:
    world = World(failure="no rows").turn()
    for failures in (1, 2):
        candidate = world.turn(PAUSES[failures]).status.candidate
        assert (candidate.evaluation, candidate.evaluation_failures, candidate.evaluation_uid) == (0, failures, "")
        assert world.turn().status.candidate.evaluation == failures + 1
    world.turn()
    assert world.status.history[0].outcome is Outcome.EVALUATION_FAILED
    assert world.status.history[0].message.startswith("3 evaluations of version 1 failed, the last one: ")


def test_data_that_no_evaluation_can_score_end_the_rollout_at_the_first_attempt() -> None:
    lacking = "the champion, version 1, needs feature 'plan' of FeatureSet accounts"
    failure = RunFailure(reason=FailureReason.INVALID_DATA, message=lacking)
    world, _ = with_a_late_list(challenged(), failure=failure)
    assert (world.status.candidate, world.status.history[0].outcome) == (None, Outcome.EVALUATION_FAILED)
    assert world.status.history[0].message == f"{lacking}."
    assert world.turns(3, 60).status.candidate is None


@pytest.mark.parametrize("failures", PAUSES)
def test_a_failed_evaluation_is_repeated_after_a_pause_that_doubles_and_not_a_second_before(failures: int) -> None:
    world = World(failure="no rows").turn()
    for earlier in range(1, failures):
        world.turn(PAUSES[earlier]).turn()
    world.turn(PAUSES[failures] - 1)
    assert world.turn(1).status.candidate.evaluation == 0
    assert world.turn().status.candidate.evaluation == failures + 1


def test_during_the_pause_the_condition_names_the_attempt_and_why_the_last_one_failed() -> None:
    world = World(failure="no rows").turns(2)
    message = world.condition("Reconciling").message
    assert message.startswith("Version 1 is evaluated against the gate's minimum on the holdout, attempt 2. ")
    assert message.endswith(
        "It starts at 2026-01-05T09:00:12Z, because the last attempt failed: Run churn-evaluate-1: no rows"
    )


def test_a_held_version_lists_the_rules_that_failed_or_were_not_shown_and_no_others() -> None:
    rules = (
        a_rule(RuleOutcome.PASSED, "It passed."),
        a_rule(RuleOutcome.FAILED, "It failed."),
        a_rule(RuleOutcome.NOT_SHOWN, "It was not shown."),
        a_rule(RuleOutcome.SKIPPED, "It was skipped."),
    )
    world = challenged()
    world.report = reported(Verdict.HOLD, *rules)
    world.turn()
    assert (world.status.history[0].outcome, world.status.history[0].message) == (
        Outcome.HELD,
        "It failed. It was not shown.",
    )
    assert world.status.gate.messages == ["It passed.", "It failed.", "It was not shown.", "It was skipped."]


def test_a_version_that_is_held_without_a_broken_rule_equals_the_champion() -> None:
    world = challenged()
    world.report = reported(Verdict.HOLD, a_rule(RuleOutcome.PASSED, "It passed."))
    assert world.turn().status.history[0].message == (
        "Challenger and champion are equal on every resample: there is nothing to gain."
    )


def test_the_record_has_the_figures_of_every_metric_that_is_defined_on_the_rows() -> None:
    full = PairedComparison(
        name="auc", challenger=0.8, champion=0.75, constant=0.5, difference=0.05, lower=0.01, upper=0.09, rows=10
    )
    alone = PairedComparison(name="logloss", challenger=0.4, rows=10)
    undefined = PairedComparison(name="brier", challenger=None, rows=10)
    world = challenged()
    world.report = reported(Verdict.PROMOTE, metrics=(full, alone, undefined))
    record = world.turn().status.gate
    assert (record.version, record.champion, record.verdict, record.rows) == ("2", "1", "Promote", 10)
    assert [m.model_dump(by_alias=False) for m in record.metrics] == [
        {
            "name": "auc",
            "challenger": "0.800000",
            "champion": "0.750000",
            "constant": "0.500000",
            "difference": "0.050000",
            "lower": "0.010000",
            "upper": "0.090000",
        },
        {
            "name": "logloss",
            "challenger": "0.400000",
            "champion": None,
            "constant": None,
            "difference": None,
            "lower": None,
            "upper": None,
        },
    ]


def test_the_first_version_is_recorded_without_a_champion() -> None:
    world = World().turns(2)
    assert (world.status.gate.champion, world.status.candidate.champion_digest) == ("", "")


def test_the_deadline_of_a_rollout_counts_from_the_verdict() -> None:
    world = World(verdict=None).turns(3)
    world.verdict = Verdict.PROMOTE
    verdict = world.now
    assert world.turn().status.candidate.since == verdict


@pytest.mark.parametrize(("recorded", "seen", "highest"), [(5, 0, 5), (0, 2, 2), (5, 2, 5)])
def test_the_largest_number_of_an_evaluation_is_never_forgotten(recorded: int, seen: int, highest: int) -> None:
    resource = a_model_deployment(status={"evaluations": recorded})
    world = World(resource=resource, versions=[], jobs=[f"churn-evaluate-{n}" for n in range(1, seen + 1)])
    assert world.turn().status.evaluations == highest
    world.versions.append("1")
    assert world.turn().status.candidate.evaluation == highest + 1


def test_an_evaluation_that_nobody_waits_for_is_stopped_once() -> None:
    world = serving_one()
    running = evaluations(0, an_evaluation(1), an_evaluation(2, deleting=True), an_evaluation(3, finished=True))
    decided = plan(world.resource, replace(world.observed(), evaluation=running), world.now)
    assert [action.run.number for action in decided.actions if isinstance(action, Stop)] == [1]
    assert not [action for action in decided.actions if isinstance(action, Launch)]


def test_an_evaluation_is_launched_after_those_that_are_in_its_way_have_ended() -> None:
    world = challenged(verdict=Verdict.PROMOTE)
    candidate = world.status.candidate
    waiting = evaluations(candidate.evaluation, an_evaluation(1, deleting=True))
    decided = plan(world.resource, replace(world.observed(), evaluation=waiting), world.now)
    assert not [action for action in decided.actions if isinstance(action, Launch | Stop)]
    free = evaluations(candidate.evaluation, an_evaluation(1, finished=True))
    decided = plan(world.resource, replace(world.observed(), evaluation=free), world.now)
    (launch,) = (action for action in decided.actions if isinstance(action, Launch))
    assert launch.request.name == "churn-evaluate-2"


def test_replicas_are_none_when_the_champions_pods_are_gone() -> None:
    world = serving_one()
    assert world.status.replicas == 2
    decided = plan(world.resource, replace(world.observed(), servings={}), world.now)
    assert decided.status.replicas == 0
    assert World(versions=[]).turn().status.replicas == 0


def test_with_nothing_in_flight_it_looks_again_after_a_minute_and_during_an_evaluation_after_two_seconds() -> None:
    assert serving_one().wait == timedelta(seconds=60)
    assert challenged(verdict=Verdict.PROMOTE).wait == timedelta(seconds=2)


@pytest.mark.parametrize(("into", "wait"), [(2, 2), (18.5, 1.5), (19.5, 1), (25, 1)])
def test_a_step_is_looked_at_when_it_may_end_but_not_more_often_than_every_second(into: float, wait: float) -> None:
    world = in_canary()
    world.traffic = None
    world.now = world.status.candidate.step_start_time + timedelta(seconds=into)
    assert world.turn().wait == timedelta(seconds=wait)


def test_a_candidate_on_a_step_that_the_spec_has_no_more_is_looked_at_every_two_seconds() -> None:
    world = in_canary()
    world.spec(rollout={"steps": []})
    world.health["2"] = replace(world.observed().servings["2"], ready=1)
    assert world.turn().status.candidate is not None
    assert world.wait == timedelta(seconds=2)


@pytest.mark.parametrize(("into", "wait"), [(3, 12), (14.5, 1)])
def test_what_drains_is_looked_at_when_it_may_go(into: float, wait: float) -> None:
    world = in_canary().turn(25)
    world.turn()
    (entry,) = world.status.draining
    world.now = entry.since + timedelta(seconds=into)
    assert world.turn().wait == timedelta(seconds=wait)


def with_a_late_list(world: World, *, ended: bool = True, **documents: Any) -> tuple[World, list[int]]:
    """The world after a turn, and the runs that it stops, where the list was read before the evaluation ended."""
    number = world.status.candidate.evaluation
    listed, now = an_evaluation(number), an_evaluation(number, finished=ended, start=world.now)
    seen = replace(world.observed(), evaluation=RunObservation(number, now, (listed,), **documents))
    decided = plan(world.resource, seen, world.now)
    world.resource = world.resource.model_copy(update={"status": decided.status})
    return world, [action.run.number for action in decided.actions if isinstance(action, Stop)]


def stopped_after(world: World, seconds: int, number: int) -> list[int]:
    seen = replace(world.observed(), evaluation=evaluations(0, an_evaluation(number)))
    actions = plan(world.resource, seen, world.now + timedelta(seconds=seconds)).actions
    return [action.run.number for action in actions if isinstance(action, Stop)]


@pytest.mark.parametrize("verdict", [Verdict.PROMOTE, Verdict.HOLD, Verdict.REJECT])
def test_an_evaluation_with_a_verdict_is_left_to_end_by_itself_for_a_minute_so_that_its_log_stays(
    verdict: Verdict,
) -> None:
    world, stopped = with_a_late_list(World(verdict=None).turn(), result=EvaluateResult(report=a_report(verdict)))
    assert (stopped, stopped_after(world, 59, 1), stopped_after(world, 60, 1)) == ([], [], [1])


@pytest.mark.parametrize("reason", [FailureReason.ERROR, FailureReason.INVALID_DATA])
def test_a_failed_evaluation_is_left_to_end_by_itself_for_a_minute_so_that_its_log_stays(reason: FailureReason) -> None:
    failure = RunFailure(reason=reason, message="no rows")
    world, stopped = with_a_late_list(World(verdict=None).turn(), failure=failure)
    assert (stopped, stopped_after(world, 59, 1), stopped_after(world, 60, 1)) == ([], [], [1])


def test_the_last_of_three_failed_evaluations_is_left_to_end_by_itself_too() -> None:
    world = World(failure="no rows").turn()
    for failures in (1, 2):
        world.turn(PAUSES[failures]).turn()
    world, stopped = with_a_late_list(world, failure=RunFailure(reason=FailureReason.ERROR, message="no rows"))
    assert world.status.history[0].outcome is Outcome.EVALUATION_FAILED
    assert (stopped, stopped_after(world, 59, 3), stopped_after(world, 60, 3)) == ([], [], [3])


def test_an_evaluation_that_takes_too_long_is_stopped_at_once() -> None:
    world = World(verdict=None).turn()
    world.now += timedelta(seconds=POLICY.deadline.total_seconds() + 31)
    seen = an_evaluation(1, start=world.now - POLICY.deadline - timedelta(seconds=31))
    observed = replace(world.observed(), evaluation=RunObservation(1, seen, (seen,)))
    decided = plan(world.resource, observed, world.now)
    assert decided.status.candidate is not None
    assert decided.status.candidate.last_evaluation_failure is not None
    assert decided.status.candidate.last_evaluation_failure.reason == "DeadlineExceeded"
    assert [action.run.number for action in decided.actions if isinstance(action, Stop)] == [1]


def test_an_evaluation_whose_version_nobody_waits_for_is_stopped_at_once() -> None:
    world = World(verdict=None).turn()
    world.versions.append("2")
    assert [action.run.number for action in world.turn().last if isinstance(action, Stop)] == [1]


def test_a_long_reason_of_a_failed_evaluation_is_cut() -> None:
    world = World(verdict=None).turn()
    failed = an_evaluation(1, finished=True, reason="x" * 70, message="it ended")
    observed = replace(world.observed(), evaluation=RunObservation(1, failed, (failed,)))
    candidate = plan(world.resource, observed, world.now).status.candidate
    assert candidate is not None
    assert candidate.last_evaluation_failure is not None
    assert candidate.last_evaluation_failure.reason == "x" * 63


def test_the_gate_gets_the_champions_feature_sets_because_the_new_version_may_take_other_features_of_them() -> None:
    world = serving_one()
    world.versions.append("2")
    sources = tuple(
        feature_source(a_feature_set(name, status={"snapshot": SNAPSHOT})) for name in ("customers", "accounts")
    )
    actions = plan(world.resource, replace(world.observed(), champion_sources=sources), world.now).actions
    (launch,) = (action for action in actions if isinstance(action, Launch))
    assert isinstance(launch.request.document, EvaluateInput)
    assert [source.name for source in launch.request.document.champion_sources] == ["customers", "accounts"]
    assert launch.request.document.champion_version == "1"
