"""Which Kubernetes Events follow from a change of conditions: transitions only, so that a steady state is silent."""

from dataclasses import dataclass
from enum import StrEnum

from homeostat.api.common import ConditionStatus, ConditionType
from homeostat.api.v1alpha1.monitor import MonitorReason
from homeostat.reconcile.conditions import Conditions, get, is_true
from homeostat.signals import Cause

DECISIONS = frozenset({"Breached", "RetrainingAdmitted"})
"""Condition types of a decision, not of health: that a breach is over asks nobody to look."""


ALERTS: frozenset[str] = frozenset(
    {
        *(Cause.DATA_OUTAGE, Cause.UNIT_CHANGE, Cause.BUSINESS_MISS, Cause.UNCLASSIFIED),
        *(MonitorReason.ALERT_ONLY, MonitorReason.LABELS_EXHAUSTED),
    }
)
"""Reasons of a decision that leave it to a person to act."""


class EventType(StrEnum):
    """Type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event about an object."""

    type: EventType
    reason: str
    message: str


def events_between(old: Conditions, new: Conditions) -> tuple[Event, ...]:
    """Events for conditions whose status or reason changed.

    Reconciling and Stalled have none of their own: they say how Ready is meant. A Warning asks someone to look: the object
    is stalled, has ceased to be ready and nothing is being done about it, or a decision leaves it to a person to act.
    """
    moving = is_true(new, ConditionType.RECONCILING)
    stalled = is_true(new, ConditionType.STALLED)
    events: list[Event] = []
    for condition in new:
        if condition.type in (ConditionType.RECONCILING, ConditionType.STALLED):
            continue
        before = get(old, condition.type)
        if before is not None and (before.status, before.reason) == (condition.status, condition.reason):
            continue
        lost = before is not None and before.status is ConditionStatus.TRUE and not moving
        lost = lost and condition.type not in DECISIONS
        bad = condition.status is not ConditionStatus.TRUE and (stalled or lost)
        bad = bad or (condition.type in DECISIONS and condition.reason in ALERTS)
        event = Event(EventType.WARNING if bad else EventType.NORMAL, condition.reason, condition.message)
        if event not in events:  # Ready and a kind's own condition often say the same
            events.append(event)
    return tuple(events)
