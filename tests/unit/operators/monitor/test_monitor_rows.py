"""Rows of docs/decisions.md that a Monitor decides by, each with what happens where it would be broken."""

from datetime import timedelta
from itertools import pairwise

import pytest

from homeostat.api.v1alpha1.monitor import DecisionAction
from homeostat.api.v1alpha1.signals import NoDataPolicy, SignalStatus
from homeostat.enums import SignalState
from homeostat.signals import Cause
from homeostat.testing.builders import a_monitor
from homeostat_operators.monitor.diagnosis import answer
from unit.operators.monitor.world import MINUTE, START, World, retrain, shifted


@pytest.mark.parametrize(
    ("policy", "action"), [(NoDataPolicy.ALERT, DecisionAction.ALERT), (NoDataPolicy.HOLD, DecisionAction.HOLD)]
)
def test_what_follows_from_unknown_is_what_no_data_says(policy: NoDataPolicy, action: DecisionAction) -> None:
    signal = a_monitor().spec.signals[0].model_copy(update={"no_data": policy})
    ruling = answer(Cause.UNKNOWN, "No data.", [(signal, SignalStatus(name="drift", state=SignalState.NO_DATA))])
    assert ruling is not None
    assert ruling.action is action


def test_one_signal_without_data_whose_policy_is_to_alert_is_enough() -> None:
    silent, other = a_monitor().spec.signals
    alerting = other.model_copy(update={"no_data": NoDataPolicy.ALERT})
    pairs = [(one, SignalStatus(name=one.name, state=SignalState.NO_DATA)) for one in (silent, alerting)]
    ruling = answer(Cause.UNKNOWN, "No data.", pairs)
    assert ruling is not None
    assert ruling.action is DecisionAction.ALERT


def test_only_a_signal_without_data_has_its_no_data_policy_followed() -> None:
    silent, pending = a_monitor().spec.signals
    pairs = [
        (silent, SignalStatus(name="drift", state=SignalState.NO_DATA)),
        (
            pending.model_copy(update={"no_data": NoDataPolicy.ALERT}),
            SignalStatus(name="logloss", state=SignalState.OUTCOMES_PENDING),
        ),
    ]
    ruling = answer(Cause.UNKNOWN, "No data.", pairs)
    assert ruling is not None
    assert ruling.action is DecisionAction.HOLD


@pytest.mark.parametrize(
    ("cause", "action"),
    [
        (Cause.NONE, DecisionAction.NONE),
        (Cause.DATA_OUTAGE, DecisionAction.HOLD),
        (Cause.BENIGN_SHIFT, DecisionAction.HOLD),
        (Cause.UNPROVEN_SHIFT, DecisionAction.WAIT),
        (Cause.UNIT_CHANGE, DecisionAction.ALERT),
        (Cause.BUSINESS_MISS, DecisionAction.ALERT),
        (Cause.UNCLASSIFIED, DecisionAction.ALERT),
    ],
)
def test_each_cause_leads_to_what_the_table_says(cause: Cause, action: DecisionAction) -> None:
    ruling = answer(cause, "Why.", [])
    assert ruling is not None
    assert ruling.action is action
    assert not ruling.creates


@pytest.mark.parametrize("cause", [Cause.COVARIATE_SHIFT, Cause.CONCEPT_DRIFT])
def test_causes_that_ask_for_a_retraining_are_left_to_admission(cause: Cause) -> None:
    assert answer(cause, "Why.", []) is None


def test_retrainings_are_counted_within_the_window_of_max_retrains_only() -> None:
    bound = {"cooldown": "1s", "max_retrains": {"count": 1, "window": "30m"}}
    world = shifted(monitor=a_monitor(**retrain(**bound)), verdict="Held").live(60 * MINUTE)
    times = sorted(job.metadata.creation_timestamp or START for job in world.jobs.values())
    assert len(times) == 2
    assert all(later - earlier >= timedelta(minutes=30) for earlier, later in pairwise(times))


def test_a_new_version_is_given_the_time_in_which_its_own_outcomes_become_due() -> None:
    signals = [signal.model_dump(mode="json", by_alias=False) for signal in a_monitor().spec.signals]
    slow = {**signals[1], "name": "slow", "window": "20m"}
    world = World(monitor=a_monitor(signals=[*signals, slow], **retrain(cooldown="1s")), shift=START + 5 * MINUTE)
    world.live(20 * MINUTE)
    assert world.decision[2] == "CandidateInFlight"
    assert world.made == []
    world.live(10 * MINUTE)
    assert world.made == ["churn-retrain-1"]
