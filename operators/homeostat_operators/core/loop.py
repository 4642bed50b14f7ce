"""The reconcile loop, the same for every kind: observe → plan → record → perform.

The status is recorded *before* anything is done, at the resourceVersion that was observed: whoever comes second, or with
an old view, gets a conflict and does nothing. So the number of a child is always reserved before its create, and a crash
between any two steps is repaired by the next turn, which asks for the same again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from homeostat.api.common import API_VERSION, Condition, ConditionStatus, ConditionType, Resource
from homeostat.cluster import Conflict, Manifest
from homeostat.reconcile import conditions
from homeostat.reconcile.errors import EngineUnavailable, InvalidData, InvalidSpec, NotReadyYet, PlatformError
from homeostat.reconcile.events import events_between
from homeostat_operators.core.actions import perform
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.workqueue import Key

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])
ObservedT = TypeVar("ObservedT")

REFUSED_RETRY = timedelta(seconds=60)
"""Until something that somebody else has to put right is tried again."""

REFUSED = "Refused"
"""Reason of a condition: something that neither the user nor time will put right, such as a permission that is lacking."""

CONDITIONS: TypeAdapter[list[Condition]] = TypeAdapter(list[Condition])

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Operator(Generic[ResourceT, ObservedT]):
    """What the loop needs to know of a kind.

    Attributes:
        resource: The kind.
        observe: Reads everything that a plan looks at; the only place with input and output.
        plan: Decides; pure and total.
        children: Kinds of labelled children whose changes queue their parent, as (apiVersion, plural).
        told: Condition types of the kind, Unknown until it has ended, that repeat what Ready says when a turn fails.
        sweep: Ends what objects of the kind left behind that are there no more; called from time to time.
    """

    resource: type[ResourceT]
    observe: Callable[[ResourceT, Clients], ObservedT]
    plan: Callable[[ResourceT, ObservedT, datetime], Plan[Any]]
    children: tuple[tuple[str, str], ...] = ()
    told: tuple[str, ...] = ()
    sweep: Callable[[Clients], None] | None = None


AnyOperator = Operator[Any, Any]


class Gone(Exception):  # noqa: N818 - a state, not a failure
    """The object is there no more."""


class Outcome(StrEnum):
    """How a turn went, as a label of the metrics."""

    PLANNED = "planned"
    GONE = "gone"
    CONFLICT = "conflict"
    WAITING = "waiting"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    REFUSED = "refused"


@dataclass(frozen=True)
class Turn:
    """The end of one turn: how it went, and when the next is due if nothing happens before."""

    outcome: Outcome
    requeue_in: timedelta | None = None


# At once, but not so fast that a mistake would keep a core busy.
AGAIN = Turn(Outcome.CONFLICT, timedelta(milliseconds=100))


def reconcile(operator: AnyOperator, clients: Clients, key: Key, now: datetime) -> Turn:
    """One turn for one object.

    Unexpected errors pass through: the queue logs and counts them, and tries again with back-off.
    """
    try:
        return _turn(operator, clients, key, now)
    except Gone:
        return Turn(Outcome.GONE)
    except Conflict as conflict:
        log.info("conflict", kind=operator.resource.KIND, key=str(key), detail=str(conflict))
        return AGAIN


def _turn(operator: AnyOperator, clients: Clients, key: Key, now: datetime) -> Turn:
    manifest = clients.cluster.get(API_VERSION, operator.resource.KIND, key.namespace, key.name)
    if manifest is None or manifest["metadata"].get("deletionTimestamp"):
        raise Gone  # its children go with it, by their owner reference
    try:
        resource = _parsed(operator.resource, manifest)
        plan = operator.plan(resource, operator.observe(resource, clients), now)
        status = plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        manifest = record(clients, manifest, status, now)
        for action in plan.actions:
            perform(action, clients)
    except PlatformError as error:
        return _failed(operator, clients, manifest, error, now)
    return Turn(Outcome.PLANNED, plan.requeue_in)


def _parsed(kind: type[ResourceT], manifest: Manifest) -> ResourceT:
    try:
        return kind.model_validate(manifest)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if fault["loc"][:1] != ("status",)]
        if not faults:
            raise  # our own writing: a bug, not the user's
        raise InvalidSpec("; ".join(_fault(fault) for fault in faults[:5])) from error


def _fault(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown field; remove it or correct its name"
    if fault["type"] == "value_error":
        return f"{where}: {message}"
    return f"{where}: {fault['input']!r} is not valid: {message}; correct it"


def record(clients: Clients, manifest: Manifest, status: Manifest, now: datetime) -> Manifest:
    """Writes a status if it differs, and the Events that follow from its conditions.

    Args:
        clients: Where to.
        manifest: The object as it was observed.
        status: The whole new status.
        now: Time of the Events.

    Returns:
        The object as it is now.

    Raises:
        Conflict: The object has changed since it was observed.
        Gone: It is there no more.
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


def _failed(operator: AnyOperator, clients: Clients, manifest: Manifest, error: PlatformError, now: datetime) -> Turn:
    """Says in the object's conditions who must act; nothing else of its status is touched.

    If the object is not as this turn knows it (a lost answer may have been a success), the next turn looks first.
    """
    turn = _turn_after(error)
    if turn.outcome is Outcome.INVALID and operator.told:
        turn = replace(turn, requeue_in=REFUSED_RETRY)  # a kind that ends: its plan decides that this was the end
    status = dict(manifest.get("status", {}))
    generation = manifest["metadata"].get("generation", 0)
    told = _told(_conditions(status), error, generation, now, operator.told)
    status["conditions"] = CONDITIONS.dump_python(told, mode="json", by_alias=True)
    status["observedGeneration"] = generation
    record(clients, manifest, status, now)
    return turn


def _turn_after(error: PlatformError) -> Turn:
    match error:
        case InvalidSpec() | InvalidData():
            return Turn(Outcome.INVALID)
        case NotReadyYet(retry_in=retry_in):
            return Turn(Outcome.WAITING, retry_in)
        case EngineUnavailable(retry_in=retry_in):
            return Turn(Outcome.UNAVAILABLE, retry_in)
        case _:
            return Turn(Outcome.REFUSED, REFUSED_RETRY)


def _told(
    old: list[Condition], error: PlatformError, generation: int, now: datetime, repeated: tuple[str, ...]
) -> list[Condition]:
    reason, message = _reason(error), str(error)
    final = "False" if isinstance(error, InvalidSpec | InvalidData) else "Unknown"
    settled = (reason, message, generation, now)
    match error:
        case InvalidSpec() | InvalidData():
            new = conditions.stalled(old, *settled)
        case _ if conditions.is_true(old, ConditionType.READY):
            # What is in service stays in service while an engine is away; the reason says that nobody watches it.
            new = conditions.put(old, ConditionType.READY, "True", *settled)
            new = conditions.put(new, ConditionType.RECONCILING, "True", *settled)
        case _:
            new = conditions.reconciling(old, *settled)
    for type_ in repeated:
        known = conditions.get(old, type_)
        if known is not None and known.status is not ConditionStatus.UNKNOWN:
            continue  # it has ended, and that is not undone
        new = conditions.put(new, type_, final, *settled)
    return new


def _reason(error: PlatformError) -> str:
    named = (InvalidSpec, InvalidData, NotReadyYet, EngineUnavailable)
    return next((kind.__name__ for kind in named if isinstance(error, kind)), REFUSED)


def clock() -> datetime:
    """Now, in whole seconds as Kubernetes keeps time."""
    return datetime.now(UTC).replace(microsecond=0)
