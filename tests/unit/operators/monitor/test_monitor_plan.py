"""What a Monitor decides, as sentences."""

from dataclasses import replace
from datetime import timedelta

import pytest

from homeostat.api.common import parse_duration
from homeostat.reconcile.conditions import get, is_true
from homeostat.signals import FeatureKind, Moments, Window, fit
from homeostat.tasks.binary import BinaryClassification
from homeostat.testing.builders import a_model_deployment, a_monitor
from homeostat_operators.monitor.observed import DriftWindow, MonitorObservation, SignalData
from homeostat_operators.monitor.plan import plan
from unit.operators.monitor.world import (
    BAD,
    BUSINESS,
    GOOD,
    MINUTE,
    MISSING,
    MOVED,
    NOTHING,
    PREDICTION_DRIFT,
    START,
    STILL,
    World,
    ready_reason,
    retrain,
    shifted,
)


def test_calm_signals_lead_to_nothing() -> None:
    world = World().live(10 * MINUTE)
    assert world.decision == ("None", "None", "WithinBounds")
    assert len(world.history) == 1
    assert is_true(world.status.conditions, "Ready")
    assert world.made == []


def test_the_churn_story_is_reported_decision_by_decision() -> None:
    world = shifted(monitor=a_monitor(**retrain(requires={"new_labels": 4000}))).live(20 * MINUTE)
    told = [(d.cause, d.action.value, d.reason) for d in world.history]
    assert told == [
        ("None", "None", "WithinBounds"),
        ("UnprovenShift", "Wait", "WaitingForLabels"),
        ("CovariateShift", "Wait", "WaitingForLabels"),
        ("CovariateShift", "Retrain", "Admitted"),
        ("None", "None", "WithinBounds"),
    ]
    assert [d.id for d in world.history] == ["1", "2", "3", "4", "5"]
    assert world.made == ["churn-retrain-1"]
    assert world.deployment.status.stable.version == "2"
    retrained = world.history[3]
    assert retrained.training_job == "churn-retrain-1"
    assert "internet" in retrained.message
    assert {v.name for v in retrained.values} >= {"drift", "logloss", "new rows to train on"}


@pytest.mark.parametrize("delay", ["30m", "2h"])
def test_with_outcomes_far_later_than_the_cooldown_there_is_exactly_one_useful_retraining(delay: str) -> None:
    """The trap: drift goes on until the new model serves, and its own outcomes are due long after the cooldown."""
    world = World(outcome_delay=delay, shift=START + 5 * MINUTE, monitor=a_monitor(**retrain(cooldown="60s")))
    observation = {"entity_fields": ["customer_id"], "outcome_delay": delay}
    world.deployment = a_model_deployment(observation=observation, status=world.deployment.status)
    world.live(6 * parse_duration(delay), step=30)
    assert world.made == ["churn-retrain-1"]
    trained = world.jobs["churn-retrain-1"].metadata.creation_timestamp
    assert trained > world.shift
    assert world.decision == ("None", "None", "WithinBounds")
    assert world.status.breached == ""


def test_unlabelled_shift_is_never_trained_on() -> None:
    world = shifted(monitor=a_monitor(**retrain(requires={"new_labels": 10**9}))).live(60 * MINUTE)
    assert world.decision == ("CovariateShift", "Wait", "WaitingForLabels")
    assert world.made == []
    assert world.status.labels.required == 10**9
    assert world.status.labels.available > 0


def test_a_shift_that_does_not_hurt_is_benign() -> None:
    world = shifted(hurts=False).live(20 * MINUTE)
    assert world.decision == ("BenignShift", "Hold", "NoActionForCause")
    assert world.made == []


def test_one_bad_window_of_outcomes_does_not_unprove_a_benign_shift() -> None:
    bad = START + 12 * MINUTE
    world = shifted(hurts=False, cohorts=lambda window: BAD if window.start == bad else GOOD).live(20 * MINUTE)
    assert [d.cause for d in world.history] == ["None", "UnprovenShift", "BenignShift"]


def test_a_single_calm_window_within_a_breach_changes_neither_state_nor_decision() -> None:
    quiet = START + 10 * MINUTE
    mix = lambda start: STILL if start < START + 5 * MINUTE or start == quiet else MOVED  # noqa: E731 - one line says it
    world = World(counts=mix, cohorts=lambda _: GOOD).live(20 * MINUTE)
    assert [d.cause for d in world.history] == ["None", "UnprovenShift", "BenignShift"]
    assert world.status.breach_since == START + 5 * MINUTE


def test_performance_that_falls_while_inputs_are_still_is_concept_drift_and_is_retrained() -> None:
    world = World(counts=lambda _: STILL, cohorts=lambda w: BAD if w.start >= START + 5 * MINUTE else GOOD)
    world.live(15 * MINUTE)
    assert ("ConceptDrift", "Retrain") in [(d.cause, d.action.value) for d in world.history]


def test_predictions_that_drift_while_no_feature_does_are_a_shift_of_the_inputs_and_no_concept_drift() -> None:
    signals = [*(signal.model_dump() for signal in a_monitor().spec.signals), PREDICTION_DRIFT]
    world = shifted(monitor=a_monitor(**retrain(), signals=signals), counts=lambda _: STILL).live(15 * MINUTE)
    assert [d.cause for d in world.history] == ["None", "UnprovenShift", "CovariateShift", "None"]
    assert world.history[1].message.startswith("Predictions drifted, while no feature alone is known to have;")


def test_predictions_that_stay_as_they_were_leave_a_loss_of_performance_a_concept_drift() -> None:
    signals = [*(signal.model_dump() for signal in a_monitor().spec.signals), PREDICTION_DRIFT]
    monitor = a_monitor(**retrain(), signals=signals)
    world = shifted(monitor=monitor, counts=lambda _: STILL, scores_move=False).live(15 * MINUTE)
    assert "ConceptDrift" in [d.cause for d in world.history]


def test_missing_values_are_an_outage_and_hold() -> None:
    world = World(counts=lambda _: MISSING, cohorts=lambda _: BAD).live(10 * MINUTE)
    assert world.decision == ("DataOutage", "Hold", "NoActionForCause")
    assert world.made == []


def test_traffic_that_ends_is_an_outage_and_holds() -> None:
    world = World(counts=lambda start: STILL if start < START + 5 * MINUTE else NOTHING).live(10 * MINUTE)
    assert world.decision == ("DataOutage", "Hold", "NoActionForCause")
    assert "raffic has stopped" in world.status.last_decision.message


def test_traffic_that_never_came_is_not_called_gone() -> None:
    world = World(counts=lambda _: NOTHING, cohorts=lambda _: BinaryClassification().cohort([], [])).live(10 * MINUTE)
    assert world.decision == ("Unknown", "Hold", "NoData")


def test_a_fall_in_coverage_is_an_outage_not_a_loss_of_accuracy() -> None:
    half = BinaryClassification().cohort([0.9, 0.1] * 150, [0, 1] * 150, predictions=1000)
    world = World(cohorts=lambda w: half if w.start >= START + 5 * MINUTE else GOOD).live(12 * MINUTE)
    assert world.decision == ("DataOutage", "Hold", "NoActionForCause")
    assert world.made == []


def test_a_missed_business_number_alerts() -> None:
    watched = [signal.model_dump() for signal in a_monitor().spec.signals]
    world = World(monitor=a_monitor(signals=[*watched, BUSINESS], **retrain()), value=0.5).live(10 * MINUTE)
    assert world.decision == ("BusinessMiss", "Alert", "NoActionForCause")


def test_a_feature_in_another_unit_alerts_with_its_factor_and_retrains_nothing() -> None:
    cents = fit({"charges": [float(n % 90 + 20) for n in range(4000)]}, {"charges": FeatureKind.NUMERIC})
    of = cents.features[0]
    assert of.mean
    assert of.deviation
    rows, moved = 720.0, 99 * of.mean
    spread = (100 * of.deviation) ** 2 + moved**2
    sums = Moments(count=rows, above=rows * moved, below=0.0, square=rows * spread)

    def drift(window: Window) -> DriftWindow:
        return DriftWindow(window, cents, {"charges": [{"__above__": 60.0}] * 12}, moments={"charges": sums})

    world = World(cohorts=lambda _: BAD)
    world.drift = drift  # type: ignore[method-assign]
    world.live(10 * MINUTE)
    assert world.decision == ("UnitChange", "Alert", "NoActionForCause")
    assert "charges is multiplied by 100" in world.status.last_decision.message
    assert world.made == []


def test_one_breaching_window_of_two_is_no_breach() -> None:
    odd = lambda start: MOVED if start == START + 3 * MINUTE else STILL  # noqa: E731 - one line says it
    world = World(counts=odd).live(10 * MINUTE)
    assert [d.cause for d in world.history] == ["None"]


def test_while_prometheus_is_down_nothing_is_retrained_and_no_window_is_lost() -> None:
    world = shifted()
    world.down = "Prometheus does not answer; check that it runs."
    judged = world.status.signals[0].judged_through
    world.live(20 * MINUTE)
    assert world.made == []
    assert world.status.signals[0].state.value == "NoData"
    assert world.status.signals[0].judged_through == judged
    assert ready_reason(world.status) == "EngineUnavailable"
    world.down = ""
    assert world.live(MINUTE).made == ["churn-retrain-1"]


def test_a_mistaken_query_is_reported_and_tried_again_while_the_other_signals_are_judged() -> None:
    watched = [signal.model_dump() for signal in a_monitor().spec.signals]
    world = World(monitor=a_monitor(signals=[*watched, BUSINESS], **retrain()))
    seen, told = world.observed(), "query 'up' gives 2 series; aggregate them to one, for example with sum()"
    mistaken = {**seen.signals, "retained": SignalData(unavailable=told, mistaken=True)}
    decided = plan(world.monitor, replace(seen, signals=mistaken, mistakes=(told,)), world.now)
    stalled = get(decided.status.conditions, "Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason, stalled.message) == ("True", "InvalidSpec", told)
    assert {s.name: s.state.value for s in decided.status.signals}["retained"] == "NoData"
    assert decided.requeue_after is not None


def test_after_a_long_outage_only_the_newest_windows_are_judged_and_the_signal_says_so() -> None:
    world = World().live(2 * MINUTE)
    world.now += timedelta(hours=2)
    world.turn()
    drift = world.status.signals[0]
    assert "older windows were missed and skipped" in drift.message
    assert drift.judged_through > world.now - 2 * MINUTE


def test_every_window_is_judged_exactly_once_and_in_order() -> None:
    world, judged = World(), []
    real = world.drift

    def drift(window: Window) -> DriftWindow:
        judged.append(window.start)
        return real(window)

    world.drift = drift  # type: ignore[method-assign]
    world.live(30 * MINUTE, step=7)
    assert judged == [START + n * MINUTE for n in range(len(judged))]
    assert len(judged) >= 29


def test_without_a_serving_deployment_it_waits() -> None:
    world = World()
    for deployment, message in (
        (None, "ModelDeployment churn of namespace churn does not exist; create it."),
        (
            a_model_deployment(),
            "ModelDeployment churn of namespace churn has no version in service yet; waiting for it.",
        ),
    ):
        decided = plan(world.monitor, MonitorObservation(deployment=deployment), START)
        assert ready_reason(decided.status) == "WaitingForDeployment"
        ready = get(decided.status.conditions, "Ready")
        assert ready is not None
        assert ready.message == message
        assert decided.actions == ()


def test_conditions_name_the_cause_of_a_breach_and_the_reason_for_what_follows() -> None:
    quiet, world = World().live(2 * MINUTE), shifted().live(4 * MINUTE)
    told = [
        [(c.status.value, c.reason) for c in each.status.conditions if c.type in {"Breached", "RetrainingAdmitted"}]
        for each in (quiet, world)
    ]
    last = world.status.last_decision
    assert told[0] == [("False", "WithinBounds"), ("False", "WithinBounds")]
    assert told[1][0] == ("True", last.cause)
    assert told[1][1] == ("True" if last.training_job else "False", last.reason)
