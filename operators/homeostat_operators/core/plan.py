"""What a plan is: the decision of one turn of the loop, as a value."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from homeostat_operators.core.actions import Action

StatusT = TypeVar("StatusT", covariant=True)  # noqa: PLC0105 - a plan only hands its status out


@dataclass(frozen=True)
class Plan(Generic[StatusT]):
    """A decision.

    Attributes:
        status: The status to record, before anything is done.
        actions: What to do once it is recorded, in this order.
        requeue_in: When to look again if nothing happens before; None: only when something happens.
    """

    status: StatusT
    actions: tuple[Action, ...] = ()
    requeue_in: timedelta | None = None
