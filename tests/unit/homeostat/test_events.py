from datetime import UTC, datetime

import pytest

from homeostat.reconcile.conditions import put, ready, reconciling, stalled
from homeostat.reconcile.events import Event, EventType, events_between

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_a_first_condition_is_reported() -> None:
    new = reconciling([], "Pending", "waiting for features", 1, NOW)
    assert events_between([], new) == (Event(EventType.NORMAL, "Pending", "waiting for features"),)


def test_a_steady_state_is_silent_even_when_its_message_changes() -> None:
    old = reconciling([], "Running", "step 1 of 3", 1, NOW)
    assert events_between(old, reconciling(old, "Running", "step 2 of 3", 1, NOW)) == ()


def test_a_new_reason_is_reported() -> None:
    old = reconciling([], "Evaluating", "", 1, NOW)
    assert [event.reason for event in events_between(old, reconciling(old, "Canary", "", 1, NOW))] == ["Canary"]


def test_a_stalled_object_is_a_warning() -> None:
    old = reconciling([], "Running", "", 1, NOW)
    new = stalled(old, "InvalidSpec", "bad schedule", 1, NOW)
    assert events_between(old, new) == (Event(EventType.WARNING, "InvalidSpec", "bad schedule"),)


def test_readiness_lost_with_nothing_under_way_is_a_warning() -> None:
    old = ready([], "Serving", "", 1, NOW)
    new = put(old, "Ready", "False", "Unavailable", "no pod is ready", 1, NOW)
    assert events_between(old, new) == (Event(EventType.WARNING, "Unavailable", "no pod is ready"),)


def test_readiness_lost_for_a_change_under_way_is_normal() -> None:
    old = ready([], "Serving", "", 1, NOW)
    assert events_between(old, reconciling(old, "Starting", "", 2, NOW))[0].type is EventType.NORMAL


def test_recovery_is_reported_as_normal() -> None:
    old = stalled([], "InvalidSpec", "bad", 1, NOW)
    assert events_between(old, ready(old, "Serving", "ok", 2, NOW)) == (Event(EventType.NORMAL, "Serving", "ok"),)


def test_two_conditions_that_say_the_same_are_reported_once() -> None:
    new = put(ready([], "Succeeded", "version 1", 1, NOW), "Succeeded", "True", "Succeeded", "version 1", 1, NOW)
    assert len(events_between([], new)) == 1


def test_the_end_of_a_breach_is_normal() -> None:
    old = put(ready([], "Monitoring", "", 1, NOW), "Breached", "True", "CovariateShift", "drift", 1, NOW)
    new = put(old, "Breached", "False", "WithinBounds", "No signal is in breach.", 1, NOW)
    assert events_between(old, new) == (Event(EventType.NORMAL, "WithinBounds", "No signal is in breach."),)


def test_a_retraining_that_is_no_longer_admitted_is_normal() -> None:
    old = put(ready([], "Monitoring", "", 1, NOW), "RetrainingAdmitted", "True", "Admitted", "", 1, NOW)
    new = put(old, "RetrainingAdmitted", "False", "Cooldown", "", 1, NOW)
    assert [event.type for event in events_between(old, new)] == [EventType.NORMAL]


@pytest.mark.parametrize(
    ("kind", "status", "reason", "type_"),
    [
        ("Breached", "True", "UnitChange", EventType.WARNING),
        ("Breached", "True", "BusinessMiss", EventType.WARNING),
        ("Breached", "True", "Unclassified", EventType.WARNING),
        ("Breached", "False", "DataOutage", EventType.WARNING),
        ("RetrainingAdmitted", "False", "AlertOnly", EventType.WARNING),
        ("RetrainingAdmitted", "False", "LabelsExhausted", EventType.WARNING),
        ("Breached", "True", "CovariateShift", EventType.NORMAL),
        ("Breached", "True", "BenignShift", EventType.NORMAL),
        ("RetrainingAdmitted", "False", "WaitingForLabels", EventType.NORMAL),
        ("RetrainingAdmitted", "True", "Admitted", EventType.NORMAL),
    ],
)
def test_a_decision_is_a_warning_where_it_leaves_it_to_a_person_to_act(
    kind: str, status: str, reason: str, type_: EventType
) -> None:
    old = ready([], "Monitoring", "", 1, NOW)
    assert events_between(old, put(old, kind, status, reason, "", 1, NOW)) == (Event(type_, reason, ""),)
