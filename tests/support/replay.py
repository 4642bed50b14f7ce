"""Plans from recorded observations: what a plan depends on survives JSON, whatever the test is about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from homeostat_operators.core.loop import AnyOperator
from homeostat_operators.core.observations import from_json, to_json
from homeostat_operators.core.plan import Plan

PlanFunction = Callable[[Any, Any, datetime], Plan[Any]]


def replayed(plan: PlanFunction, resource: Any, observed: Any, now: datetime) -> Plan[Any]:
    """The plan, after a check that the same plan follows from the recorded observation."""
    decided = plan(resource, observed, now)
    recorded = from_json(type(observed), to_json(observed))
    assert recorded == observed
    assert plan(resource, recorded, now) == decided
    return decided


def replaying(operator: AnyOperator) -> AnyOperator:
    """The operator with every plan replayed."""
    return replace(operator, plan=lambda resource, observed, now: replayed(operator.plan, resource, observed, now))
