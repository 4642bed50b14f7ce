from datetime import UTC, datetime, timedelta

import pytest

from homeostat.api.common import Condition, ConditionStatus
from homeostat.reconcile.conditions import get, is_true, put, ready, reconciling, stalled

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)


def statuses(conditions: list[Condition]) -> dict[str, str]:
    return {condition.type: condition.status.value for condition in conditions}


def test_the_transition_time_stays_while_only_reason_message_and_generation_change() -> None:
    before = put([], "Ready", "False", "Pending", "waiting", 1, NOON)
    after = put(before, "Ready", "False", "Running", "running", 2, LATER)
    assert after[0].last_transition_time == NOON
    assert (after[0].reason, after[0].message, after[0].observed_generation) == ("Running", "running", 2)


def test_the_transition_time_moves_when_the_status_changes() -> None:
    before = put([], "Ready", "False", "Pending", "", 1, NOON)
    assert put(before, "Ready", "True", "Serving", "", 1, LATER)[0].last_transition_time == LATER


def test_times_are_whole_seconds_as_kubernetes_keeps_them() -> None:
    made = put([], "Ready", "True", "Serving", "", 1, NOON.replace(microsecond=7))
    assert made[0].last_transition_time == NOON


def test_the_old_list_and_other_conditions_stay_as_they_are() -> None:
    before = put(put([], "Ready", "False", "A", "", 1, NOON), "Succeeded", "Unknown", "B", "", 1, NOON)
    after = put(before, "Ready", "True", "C", "", 1, LATER)
    assert before[0].status is ConditionStatus.FALSE
    assert [condition.type for condition in after] == ["Ready", "Succeeded"]
    assert after[1] is before[1]


def test_the_same_condition_set_twice_is_set_once() -> None:
    once = put([], "Ready", "True", "Serving", "well", 3, NOON)
    assert put(once, "Ready", "True", "Serving", "well", 3, LATER) == once


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="Maybe"):
        put([], "Ready", "Maybe", "A", "", 1, NOON)


def test_exactly_one_of_the_kstatus_conditions_is_true() -> None:
    assert statuses(ready([], "R", "m", 1, NOON)) == {"Ready": "True", "Reconciling": "False", "Stalled": "False"}
    assert statuses(reconciling([], "R", "m", 1, NOON)) == {"Ready": "False", "Reconciling": "True", "Stalled": "False"}
    assert statuses(stalled([], "R", "m", 1, NOON)) == {"Ready": "False", "Reconciling": "False", "Stalled": "True"}


def test_a_stalled_object_recovers_completely() -> None:
    recovered = ready(stalled([], "InvalidSpec", "bad", 1, NOON), "Serving", "good", 2, LATER)
    assert not is_true(recovered, "Stalled")
    assert is_true(recovered, "Ready")
    assert {condition.observed_generation for condition in recovered} == {2}


def test_an_absent_condition_is_none_and_not_true() -> None:
    assert get([], "Ready") is None
    assert not is_true([], "Ready")
