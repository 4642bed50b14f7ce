"""Conditions of a Monitor: whether it can watch, and what it decided."""

from datetime import datetime

from homeostat.api.common import Condition
from homeostat.api.v1alpha1.monitor import Monitor, MonitorReason, MonitorStatus
from homeostat.reconcile.conditions import put, ready, reconciling, stalled
from homeostat.signals import Cause, note_of_unjudged
from homeostat_operators.monitor.diagnosis import unjudged_of
from homeostat_operators.monitor.observed import MonitorObservation

BREACHED = "Breached"
"""Condition type: whether a signal is beyond its bound; its reason is the cause of the last decision."""

RETRAINING_ADMITTED = "RetrainingAdmitted"
"""Condition type: whether the last decision created a TrainingJob; its reason is the decision's."""

# "None" and "Unknown" are causes, but as reasons of a condition they would say nothing.
_CAUSES: dict[str, str] = {Cause.NONE: MonitorReason.WITHIN_BOUNDS, Cause.UNKNOWN: MonitorReason.NO_DATA}

SUSPENDED = MonitorReason.SUSPENDED


def waiting(resource: Monitor, status: MonitorStatus, observed: MonitorObservation, now: datetime) -> list[Condition]:
    """Conditions while there is nothing to watch."""
    about = f"ModelDeployment {resource.spec.deployment_ref.name} of namespace {resource.metadata.namespace}"
    state = "has no version in service yet; waiting for it." if observed.deployment else "does not exist; create it."
    message = f"{about} {state}"
    reason = MonitorReason.WAITING_FOR_DEPLOYMENT
    return reconciling(status.conditions, reason, message, resource.metadata.generation, now)


def conditions_of(
    resource: Monitor, status: MonitorStatus, observed: MonitorObservation, now: datetime
) -> list[Condition]:
    """Ready says whether every signal can be read; Breached what is beyond its bound, and what was decided."""
    generation = resource.metadata.generation
    if observed.mistakes:
        message = " ".join(observed.mistakes)
        new = stalled(status.conditions, MonitorReason.INVALID_SPEC, message, generation, now)
    elif observed.damages:
        message = " ".join(observed.damages)
        new = stalled(status.conditions, MonitorReason.INVALID_DATA, message, generation, now)
    elif observed.outages:
        message = " ".join(observed.outages)
        new = reconciling(status.conditions, MonitorReason.ENGINE_UNAVAILABLE, message, generation, now)
    elif resource.spec.suspend:
        message = "Signals are evaluated but no decisions are made: spec.suspend is true."
        new = ready(status.conditions, MonitorReason.SUSPENDED, message, generation, now)
    else:
        version = status.signals[0].version if status.signals else ""
        message = f"{len(status.signals)} signals of version {version} are monitored."
        new = ready(status.conditions, MonitorReason.MONITORING, message, generation, now)
    return _with_decision(new, status, generation, now)


def _with_decision(
    conditions: list[Condition], status: MonitorStatus, generation: int, now: datetime
) -> list[Condition]:
    """The conditions with what the last decision says: why a bound is breached, and what follows from it."""
    decision = status.last_decision
    if decision is None:
        return conditions
    message = f"Decision {decision.id}: {decision.message}"
    # Two conditions, so that an Event follows from a new cause and from a new reason alike.
    breached = "True" if status.breached else "False"
    cause = _CAUSES.get(decision.cause, decision.cause)
    # A decision stands while figures change: what it left open is not what the newest windows leave open.
    left_open = note_of_unjudged(unjudged_of(status.signals))
    known = message if status.breached or left_open in message else f"{message} {left_open}"
    new = put(conditions, BREACHED, breached, cause, known, generation, now)
    admitted = "True" if decision.training_job else "False"
    return put(new, RETRAINING_ADMITTED, admitted, decision.reason, message, generation, now)
