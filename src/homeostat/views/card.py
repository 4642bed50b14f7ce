"""One object of any kind in one glance: name, tone, state, message and a few facts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.reconcile.stored import Unreadable

GOOD, BUSY, BAD, IDLE = "good", "busy", "bad", "idle"
"""Tones: what a person may ignore, wait for, must look at, and what has nothing to say."""


@dataclass(frozen=True)
class Card:
    """One object in the loop."""

    name: str
    tone: str
    state: str
    message: str
    facts: tuple[tuple[str, str], ...] = ()
    progress: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()


def condition_of(resource: Any, kind: str = "Ready") -> tuple[str, str, str]:
    """(tone, reason, message) of a condition; new objects have none yet."""
    conditions = {c.type: c for c in resource.status.conditions}
    condition = conditions.get(kind)
    if condition is None:
        return BUSY, "New", "No operator has reconciled it yet."
    stalled = conditions.get("Stalled")
    if condition.status == "True":
        return GOOD, condition.reason, condition.message
    wrong = stalled is not None and stalled.status == "True"
    final = kind == SUCCEEDED and condition.status == "False"
    return (BAD if wrong or final else BUSY), condition.reason, condition.message


def unreadable_card(o: Unreadable) -> Card:
    """An object that this release cannot read, and why."""
    return Card(o.name, BAD, "Unreadable", str(o))


def time_text(moment: datetime | None) -> str:
    """A time in ISO 8601; empty when there is none."""
    return "" if moment is None else moment.isoformat()


def facts_of(*pairs: tuple[str, object]) -> tuple[tuple[str, str], ...]:
    """Names and values of those facts that have a value."""
    return tuple((name, str(value)) for name, value in pairs if value not in {None, ""})
