"""Conditions as values: every function takes the old list and gives the new one.

Ready, Reconciling and Stalled follow kstatus (https://github.com/kubernetes-sigs/cli-utils, pkg/kstatus), so that
``kubectl wait``, ``helm --wait`` and Argo CD understand an object without knowing its kind.
"""

from collections.abc import Sequence
from datetime import datetime

from homeostat.api.common import Condition, ConditionStatus, ConditionType

Conditions = Sequence[Condition]


def get(conditions: Conditions, type: str) -> Condition | None:  # noqa: A002 - the field's own name
    """The condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == type), None)


def is_true(conditions: Conditions, type: str) -> bool:  # noqa: A002 - the field's own name
    """Whether the condition is there and True."""
    condition = get(conditions, type)
    return condition is not None and condition.status is ConditionStatus.TRUE


def put(
    conditions: Conditions,
    type: str,  # noqa: A002 - the field's own name
    status: ConditionStatus | str,
    reason: str,
    message: str,
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions with one set; its transition time moves only when its status changes.

    Args:
        conditions: The conditions so far; left as they are.
        type: Type of the condition to set.
        status: True, False or Unknown.
        reason: A documented word.
        message: A sentence for people.
        generation: Generation of the spec that this was decided for.
        now: The time; kept in whole seconds, as Kubernetes does.
    """
    old = get(conditions, type)
    status = ConditionStatus(status)
    new = Condition(
        type=type,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and old.status is status else now.replace(microsecond=0),
    )
    if old is None:
        return [*conditions, new]
    return [new if condition is old else condition for condition in conditions]


def ready(conditions: Conditions, reason: str, message: str, generation: int, now: datetime) -> list[Condition]:
    """Ready: the object is what its spec asks for."""
    return _kstatus(conditions, ConditionType.READY, reason, message, generation, now)


def reconciling(conditions: Conditions, reason: str, message: str, generation: int, now: datetime) -> list[Condition]:
    """Not ready, and being worked on."""
    return _kstatus(conditions, ConditionType.RECONCILING, reason, message, generation, now)


def stalled(conditions: Conditions, reason: str, message: str, generation: int, now: datetime) -> list[Condition]:
    """Not ready, and it will not become so by itself: someone must act."""
    return _kstatus(conditions, ConditionType.STALLED, reason, message, generation, now)


def _kstatus(
    conditions: Conditions, true: ConditionType, reason: str, message: str, generation: int, now: datetime
) -> list[Condition]:
    new = list(conditions)
    for type_ in ConditionType:
        status = ConditionStatus.TRUE if type_ is true else ConditionStatus.FALSE
        # The sentence stands at Ready and at what is true, and is not said a third time.
        text = message if type_ in (true, ConditionType.READY) else ""
        new = put(new, type_, status, reason, text, generation, now)
    return new
