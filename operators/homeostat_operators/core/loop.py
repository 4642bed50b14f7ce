"""The reconcile loop, the same for every kind: observe → plan → record → perform.

The loop records the status *before* it performs any action, at the resourceVersion that it observed: a second writer, or
one with an outdated view, gets a conflict and does nothing. The number of a child is therefore reserved before the child is
created, and the next reconciliation repairs a crash between any two steps because it asks for the same again.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from homeostat.api.common import API_VERSION, Condition, ConditionType, Resource
from homeostat.cluster import Conflict, Manifest
from homeostat.reconcile import conditions
from homeostat.reconcile.errors import (
    EngineUnavailable,
    InternalError,
    InvalidData,
    InvalidSpec,
    NotReadyYet,
    PlatformError,
)
from homeostat.reconcile.events import events_between
from homeostat.reconcile.stored import parsed
from homeostat_operators.core.actions import perform
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.workqueue import Key

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])
ObservationT = TypeVar("ObservationT")

REFUSED_RETRY = timedelta(seconds=60)
"""Delay before a retry of what a person has to correct outside the object, such as a missing permission."""

REFUSED = "Refused"
"""Reason of a condition: neither the user nor time corrects it, such as a missing permission."""

_NAMED = (InvalidSpec, InvalidData, NotReadyYet, EngineUnavailable, InternalError)
REASONS = (*(kind.__name__ for kind in _NAMED), REFUSED)
"""Every reason that this loop gives by itself, whatever the kind of the object."""

CONDITIONS: TypeAdapter[list[Condition]] = TypeAdapter(list[Condition])

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Operator(Generic[ResourceT, ObservationT]):
    """A kind as the loop runs it.

    Attributes:
        resource: The kind.
        observe: Reads everything that a plan depends on; the only function with input and output.
        plan: Decides; pure and total.
        children: Kinds of labelled children whose changes queue their parent, as (apiVersion, plural).
        terminal_conditions: Condition types that are Unknown until an object of the kind has ended. They repeat Ready when
            a reconciliation fails.
        refused: The status after somebody refused what the plan asked for with InvalidSpec or InvalidData, where that ends
            the object; None, or no status: only the conditions change, and the plan tries again.
        sweep: Ends what deleted objects of the kind left behind; called periodically.
    """

    resource: type[ResourceT]
    observe: Callable[[ResourceT, Clients, datetime], ObservationT]
    plan: Callable[[ResourceT, ObservationT, datetime], Plan[Any]]
    children: tuple[tuple[str, str], ...] = ()
    terminal_conditions: tuple[str, ...] = ()
    refused: Callable[[ResourceT, PlatformError, datetime], Any] | None = None
    sweep: Callable[[Clients], None] | None = None


AnyOperator = Operator[Any, Any]


class Gone(Exception):  # noqa: N818 - a state, not a failure
    """The object no longer exists."""


class ReconcileOutcome(StrEnum):
    """How a reconciliation ended, as a label of the metrics."""

    PLANNED = "planned"
    GONE = "gone"
    CONFLICT = "conflict"
    WAITING = "waiting"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    REFUSED = "refused"


@dataclass(frozen=True)
class ReconcileResult:
    """The end of one reconciliation.

    Attributes:
        outcome: How it ended.
        requeue_after: When the next one is due if no event comes first; None: only after an event.
    """

    outcome: ReconcileOutcome
    requeue_after: timedelta | None = None


# A short delay, so that a bug that conflicts every time does not keep a core busy.
RETRY_AT_ONCE = ReconcileResult(ReconcileOutcome.CONFLICT, timedelta(milliseconds=100))


def reconcile(operator: AnyOperator, clients: Clients, key: Key, now: datetime) -> ReconcileResult:
    """Reconciles one object.

    An unexpected error becomes the object's condition and passes through: the workers log and count it, and the queue
    retries with back-off.
    """
    try:
        manifest = clients.cluster.get(API_VERSION, operator.resource.KIND, key.namespace, key.name)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            # Kubernetes deletes its children, by their owner reference.
            return ReconcileResult(ReconcileOutcome.GONE)
        return _reconcile(operator, clients, manifest, now)
    except Gone:
        return ReconcileResult(ReconcileOutcome.GONE)
    except Conflict as conflict:
        log.info("conflict", kind=operator.resource.KIND, key=str(key), detail=str(conflict))
        return RETRY_AT_ONCE


def _reconcile(operator: AnyOperator, clients: Clients, manifest: Manifest, now: datetime) -> ReconcileResult:
    try:
        resource = parsed(operator.resource, manifest)
        plan = operator.plan(resource, operator.observe(resource, clients, now), now)
        status = _document(plan.status)
        manifest = record(clients, manifest, status, now)
        for action in plan.actions:
            perform(action, clients)
    except PlatformError as error:
        return _failed(operator, clients, manifest, error, now)
    except (Conflict, Gone):
        raise
    except Exception as error:
        _record_defect(operator, clients, manifest, error, now)
        raise
    return ReconcileResult(ReconcileOutcome.PLANNED, plan.requeue_after)


def _record_defect(
    operator: AnyOperator, clients: Clients, manifest: Manifest, error: Exception, now: datetime
) -> None:
    """Shows an unexpected error where a person looks first; what stops this, too, is less telling than the error itself."""
    defect = InternalError(
        f"unexpected {type(error).__name__}: {error}. The operator retries with back-off; its log has the traceback. Please "
        "report it as a defect of Homeostat"
    )
    with suppress(Exception):
        record(clients, manifest, _with_conditions(operator, manifest, defect, now), now)


def _document(status: BaseModel) -> Manifest:
    """A status as it is written: valid by its own schema, messages cut."""
    valid = type(status).model_validate(status.model_dump())
    return valid.model_dump(mode="json", by_alias=True, exclude_none=True)


def record(clients: Clients, manifest: Manifest, status: Manifest, now: datetime) -> Manifest:
    """Writes a status if it differs, and the Events that follow from its conditions.

    Args:
        clients: Access to the cluster.
        manifest: The object as it was observed.
        status: The whole new status.
        now: Time of the Events.

    Returns:
        The object as it is stored now.

    Raises:
        Conflict: The object has changed since it was observed.
        Gone: It no longer exists.
    """
    old = manifest.get("status", {})
    if old == status:
        return manifest
    written = clients.cluster.replace_status({**manifest, "status": status})
    if written is None:
        raise Gone
    for event in events_between(_conditions(old), _conditions(status)):
        clients.cluster.record_event(manifest, event.type, event.reason, event.message, now)
    return written


def _conditions(status: Manifest) -> list[Condition]:
    return CONDITIONS.validate_python(status.get("conditions", []))


def _failed(
    operator: AnyOperator, clients: Clients, manifest: Manifest, error: PlatformError, now: datetime
) -> ReconcileResult:
    """Records who must act: in the object's conditions, or as its end where its kind says that this is one.

    If the object has changed meanwhile (a lost answer may have been a success), the next reconciliation observes first.
    """
    result = _result_of(error)
    if result.outcome is ReconcileOutcome.INVALID and operator.terminal_conditions:
        # A kind whose objects end: its plan decides that this was the end.
        result = replace(result, requeue_after=REFUSED_RETRY)
    status = _refused(operator, manifest, error, now) or _with_conditions(operator, manifest, error, now)
    record(clients, manifest, status, now)
    return result


def _refused(operator: AnyOperator, manifest: Manifest, error: PlatformError, now: datetime) -> Manifest | None:
    """The status that the kind itself gives after a refusal; None where it gives none.

    The kind's own pure function decides, because only a typed status can hold the end: a plan must not read it back from a
    condition.
    """
    if operator.refused is None or not isinstance(error, InvalidSpec | InvalidData):
        return None
    try:
        resource = operator.resource.model_validate(manifest)
    except ValidationError:
        return None  # the spec itself cannot be read: it may be corrected
    status = operator.refused(resource, error, now)
    return None if status is None else _document(status)


def _with_conditions(operator: AnyOperator, manifest: Manifest, error: PlatformError, now: datetime) -> Manifest:
    """The status with nothing but its conditions changed."""
    status = dict(manifest.get("status", {}))
    generation = manifest["metadata"].get("generation", 0)
    # An end is final, whatever fails afterwards.
    terminal = () if "completionTime" in status else operator.terminal_conditions
    new = _with_error(_conditions(status), error, generation, now, terminal)
    status["conditions"] = CONDITIONS.dump_python(new, mode="json", by_alias=True)
    status["observedGeneration"] = generation
    return status


def _result_of(error: PlatformError) -> ReconcileResult:
    match error:
        case InvalidSpec() | InvalidData():
            return ReconcileResult(ReconcileOutcome.INVALID)
        case NotReadyYet(retry_in=retry_in):
            return ReconcileResult(ReconcileOutcome.WAITING, retry_in)
        case EngineUnavailable(retry_in=retry_in):
            return ReconcileResult(ReconcileOutcome.UNAVAILABLE, retry_in)
        case _:
            return ReconcileResult(ReconcileOutcome.REFUSED, REFUSED_RETRY)


def _with_error(
    old: list[Condition], error: PlatformError, generation: int, now: datetime, terminal_conditions: tuple[str, ...]
) -> list[Condition]:
    reason, message = _reason(error), str(error)
    final = "False" if isinstance(error, InvalidSpec | InvalidData) else "Unknown"
    settled = (reason, message, generation, now)
    match error:
        case InvalidSpec() | InvalidData():
            new = conditions.stalled(old, *settled)
        case _ if conditions.is_true(old, ConditionType.READY):
            # What is in service stays in service while an engine is away; the reason shows that nothing reconciles it.
            new = conditions.put(old, ConditionType.READY, "True", *settled)
            new = conditions.put(new, ConditionType.RECONCILING, "True", *settled)
        case _:
            new = conditions.reconciling(old, *settled)
    for type_ in terminal_conditions:
        new = conditions.put(new, type_, final, *settled)
    return new


def _reason(error: PlatformError) -> str:
    return next((kind.__name__ for kind in _NAMED if isinstance(error, kind)), REFUSED)


def clock() -> datetime:
    """Now, in whole seconds as Kubernetes keeps time."""
    return datetime.now(UTC).replace(microsecond=0)
