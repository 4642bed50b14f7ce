"""Conditions of a Monitor: whether it can watch, and what it decided."""

from datetime import datetime

from homeostat.api.common import Condition
from homeostat.api.v1alpha1.monitor import Monitor, MonitorReason, MonitorStatus
from homeostat.reconcile.conditions import put, ready, reconciling, stalled
from homeostat_operators.monitor.observed import MonitorObservation

BREACHED = "Breached"
"""Condition type: whether a signal is beyond its bound; its reason is that of the last decision."""

SUSPENDED = MonitorReason.SUSPENDED


def waiting(resource: Monitor, status: MonitorStatus, now: datetime) -> list[Condition]:
    """Conditions while there is nothing to watch."""
    name = resource.spec.deployment_ref.name
    told = f"ModelDeployment {name} of namespace {resource.metadata.namespace} has no version in service yet; it is awaited."
    reason = MonitorReason.WAITING_FOR_DEPLOYMENT
    return reconciling(status.conditions, reason, told, resource.metadata.generation, now)


def conditions_of(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, now: datetime
) -> list[Condition]:
    """Ready says whether every signal can be read; Breached what is beyond its bound, and what was decided."""
    generation = resource.metadata.generation
    if observed.mistakes:
        told = " ".join(observed.mistakes)
        new = stalled(status.conditions, MonitorReason.INVALID_SPEC, told, generation, now)
    elif observed.outages:
        told = " ".join(observed.outages)
        new = reconciling(status.conditions, MonitorReason.ENGINE_UNAVAILABLE, told, generation, now)
    elif resource.spec.suspend:
        told = "Signals are judged, nothing is decided: spec.suspend is true."
        new = ready(status.conditions, MonitorReason.SUSPENDED, told, generation, now)
    else:
        version = status.signals[0].version if status.signals else ""
        told = f"{len(status.signals)} signals of version {version} are watched."
        new = ready(status.conditions, MonitorReason.WATCHING, told, generation, now)
    decision = status.last_decision
    if decision is None:
        return new
    return put(
        new,
        BREACHED,
        "True" if status.breached else "False",
        f"{decision.cause}{decision.reason}" if decision.cause != "None" else decision.reason,
        f"Decision {decision.id}: {decision.message}",
        generation,
        now,
    )
