"""A plan: the decision of one reconciliation, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from homeostat_operators.core.actions import Action

StatusT = TypeVar("StatusT", covariant=True)  # noqa: PLC0105 - a plan only hands its status out


@dataclass(frozen=True)
class Plan(Generic[StatusT]):
    """A decision.

    Attributes:
        status: The status to record, before any action is performed.
        actions: What to perform once it is recorded, in this order.
        requeue_after: When to reconcile again if no event comes first; None: only after an event.
    """

    status: StatusT
    actions: tuple[Action, ...] = ()
    requeue_after: timedelta | None = None


def pointer_to(warnings: Sequence[str], field: str) -> list[str]:
    """A sentence about warnings, for a condition, which stays short; none where there are none."""
    if not warnings:
        return []
    return [f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''} about the data: see {field}."]
