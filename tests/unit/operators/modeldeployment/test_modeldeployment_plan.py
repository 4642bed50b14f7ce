"""What a ModelDeployment does next, as sentences; `World` plays the cluster."""

from dataclasses import replace
from datetime import timedelta

from homeostat.api.common import ConditionStatus
from homeostat.api.v1alpha1.modeldeployment import Outcome
from homeostat.reconcile.conditions import is_true
from homeostat.signals.gate import Verdict
from homeostat.testing.builders import a_model_deployment
from homeostat_operators.core.actions import Apply, Delete
from homeostat_operators.modeldeployment.observed import (
    StepTraffic,
)
from homeostat_operators.modeldeployment.plan import plan
from unit.operators.modeldeployment.world import BROKEN, READY, World, digest, in_canary, serving_one


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
    assert "nothing was evaluated" in world.status.gate.messages[0]


def test_a_challenger_takes_over_by_canary_and_the_old_version_drains_before_it_goes() -> None:
    world = in_canary()
    world.turn(25)
    world.turn()
    assert world.shares == {"2": 100}
    assert world.status.stable.version == "2"
    assert set(world.served) == {"1", "2"}
    world.turns(12)
    assert set(world.served) == {"2"}
    assert world.status.draining == []
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
    assert "8 of 40 requests (20.0%)" in world.status.history[0].message
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
    assert "exit code 3" in world.status.history[0].message


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
    assert "auc is 0.81" in world.status.history[0].message


def test_a_rejected_first_version_is_not_served_and_a_person_must_act() -> None:
    world = World(verdict=Verdict.REJECT).turns(4)
    assert world.shares == {}
    assert (world.reason(), is_true(world.status.conditions, "Stalled")) == ("Rejected", True)


def test_an_evaluation_that_fails_is_tried_three_times_with_new_numbers() -> None:
    world = World(failure="no rows").turns(20)
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


def test_the_champions_objects_are_applied_at_every_turn_and_missing_pods_are_reported() -> None:
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
    assert [r.version for r in world.turn().status.draining] == ["5"]
    assert set(world.turns(12).served) == {"1"}


def test_a_deployment_without_observation_is_served_and_reports_that_it_is_not_observed() -> None:
    world = serving_one()
    assert (world.condition("Observed").status.value, world.reason("Observed")) == ("True", "Recording")
    world.spec(observation=None)
    world.turn()
    assert (world.ready, world.reason()) == (True, "Serving")
    assert (world.condition("Observed").status.value, world.reason("Observed")) == ("False", "NotObserved")
    assert "set spec.observation" in world.condition("Observed").message


def test_replicas_are_those_of_the_stable_version() -> None:
    world = serving_one()
    world.versions.append("2")
    world.turns(4)
    assert world.status.candidate is not None
    assert world.status.replicas == 2


def test_a_version_in_service_whose_pods_are_not_ready_is_looked_at_every_ten_seconds_so_that_the_reason_is_shown() -> (
    None
):
    world = serving_one()
    assert world.turn().wait == timedelta(seconds=60)
    world.health["1"] = BROKEN
    assert world.turn().wait == timedelta(seconds=10)
    world.health["1"] = replace(BROKEN, ready=1)
    assert world.turn().wait == timedelta(seconds=10)


def test_a_version_that_serves_with_too_few_pods_says_why_the_others_are_not_ready() -> None:
    world = serving_one()
    words = "no pod can be created: exceeded quota: team"
    world.health["1"] = replace(READY, ready=1, failure_message=words)
    assert world.turn().condition("Ready").message == f"Version 1 serves with 1 of 2 pods ready ({words})."
    assert (world.ready, world.reason()) == (True, "Serving")


def test_a_deployment_without_a_version_in_service_is_looked_at_every_minute_and_one_whose_pods_are_gone_sooner() -> (
    None
):
    assert World(versions=[]).turn().wait == timedelta(seconds=60)
    world = serving_one()
    gone = plan(world.resource, replace(world.observed(), servings={}), world.now)
    assert gone.requeue_after == timedelta(seconds=10)
