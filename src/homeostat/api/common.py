"""Types that every kind shares: object metadata, conditions, bounded strings, references."""

import math
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from homeostat.documents import StrictDocument, TolerantDocument

GROUP = "homeostat.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

# A Service bears the name of its ModelDeployment, and a Service's name begins with a letter (RFC 1035).
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
# Leaves room in 63 characters for what is appended to names of children.
NAME_LIMIT = 52
FIELD_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
DECIMAL_PATTERN = r"^-?[0-9]+(\.[0-9]+)?$"
DURATION_PATTERN = r"^([0-9]+(h|m|s))+$"
S3_PATTERN = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*$"
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"

ResourceName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_LIMIT)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_PATTERN, max_length=63)]
METRIC_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
MetricName = Annotated[str, StringConstraints(pattern=METRIC_PATTERN, max_length=63)]
"""A metric of a model's task; which ones there are is known only where spec and model meet."""

Decimal = Annotated[str, StringConstraints(pattern=DECIMAL_PATTERN, max_length=32)]
S3Uri = Annotated[str, StringConstraints(pattern=S3_PATTERN, max_length=1024)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN, max_length=71)]
Text = Annotated[str, StringConstraints(max_length=1024)]

MESSAGE_LIMIT = 1024
LONG_MESSAGE_LIMIT = 4096
LONGEST_DURATION = timedelta(hours=87_600)
"""Ten years: beyond it a duration is a slip of the keyboard, and sums of times leave the calendar."""


INT_OR_STRING = "x-kubernetes-int-or-string"
"""Schema marker of a text that may also be given as a whole number."""


LARGEST_DECIMAL = 1e24
"""Larger numbers would not fit into a `Decimal`."""

SMALL, MOST_PLACES = 1e-3, 12


def decimal(value: float) -> str:
    """A number as `Decimal` writes it: to six places, a small one to six significant digits, one too large as the largest."""
    if not 10**-MOST_PLACES <= abs(value) < SMALL:
        return f"{min(max(value, -LARGEST_DECIMAL), LARGEST_DECIMAL):.6f}"
    return f"{value:.{min(MOST_PLACES, 5 - math.floor(math.log10(abs(value))))}f}"


def map_list(*keys: str) -> dict[str, Any]:
    """Schema markers of a list whose items are told apart by ``keys``, as server-side apply wants to know."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


SET_LIST: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""Schema marker of a list without order, in which no item stands twice."""


def truncated(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The text, cut to at most `limit` characters with a mark where it is cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _message(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: truncated(value, limit) if isinstance(value, str) else value)


Message = Annotated[str, StringConstraints(max_length=MESSAGE_LIMIT), _message(MESSAGE_LIMIT)]
"""Text for people in a status: cut where it is too long, because it must never keep a status from being written."""

WARNINGS_LIMIT = 16


def _bounded_list(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:limit] if isinstance(value, list) else value)


Warnings = Annotated[
    list[Message],
    Field(description="What the run took as missing, changed or left out, with counts.", max_length=WARNINGS_LIMIT),
    _bounded_list(WARNINGS_LIMIT),
]
"""What somebody should know about the data of a run that succeeded; runs count, and report at most so many sentences."""

LongMessage = Annotated[str, StringConstraints(max_length=LONG_MESSAGE_LIMIT), _message(LONG_MESSAGE_LIMIT)]


def rule(expression: str, message: str, naming: str = "") -> dict[str, Any]:
    """A CEL validation rule for ``x-kubernetes-validations``.

    Args:
        expression: What must be true.
        message: What the API server answers where it is not.
        naming: Expression of a message that names the value, in place of the other.
    """
    return {"rule": expression, "message": message, **({"messageExpression": naming} if naming else {})}


def parse_duration(text: str) -> timedelta:
    """The length of a duration such as ``1h30m``.

    Raises:
        ValueError: The text is not a duration.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration; write hours, minutes and seconds, for example 1h30m")
    units = {"h": "hours", "m": "minutes", "s": "seconds"}
    parts = re.findall(r"([0-9]+)(h|m|s)", text)
    try:
        return sum((timedelta(**{units[unit]: int(count)}) for count, unit in parts), timedelta())
    except OverflowError:
        raise ValueError(f"{text!r} is too long for a duration; the longest is 87600h (ten years)") from None


def format_duration(span: timedelta) -> str:
    """A length of time in whole seconds in the form of the spec, such as ``1h30m``; it is the inverse of `parse_duration`."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if count]
    return "".join(parts) or "0s"


def _bounded(text: str) -> str:
    if not timedelta(0) < parse_duration(text) <= LONGEST_DURATION:
        raise ValueError(f"{text!r} must be more than 0s and at most 87600h (ten years)")
    return text


Duration = Annotated[
    str,
    StringConstraints(pattern=DURATION_PATTERN, max_length=32),
    AfterValidator(_bounded),
    Field(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "duration(self) > duration('0s') && duration(self) <= duration('87600h')",
                    "must be more than 0s and at most 87600h (ten years)",
                )
            ]
        }
    ),
]


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, the form of ``metav1.Time``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class SpecModel(StrictDocument):
    """Intent that users write."""


class StatusModel(TolerantDocument):
    """State that operators write."""


class ConditionStatus(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(StatusModel):
    """metav1.Condition: one aspect of the state of an object."""

    type: Annotated[str, Field(description="Type of the condition.", max_length=316)]
    status: ConditionStatus
    reason: Annotated[str, Field(description="Documented one-word reason for the status.", max_length=1024)]
    message: Annotated[
        str, Field(description="Human-readable explanation.", max_length=32768), _message(LONG_MESSAGE_LIMIT)
    ] = ""
    observed_generation: Annotated[
        int, Field(description="Generation of the spec that the condition was computed for.", ge=0)
    ] = 0
    last_transition_time: Annotated[datetime, Field(description="Time at which the status last changed.")]


Conditions = Annotated[
    list[Condition],
    Field(description="Latest observations of the object's state.", max_length=16, json_schema_extra=map_list("type")),
]


ObservedGeneration = Annotated[
    int,
    Field(description="Generation of the spec that this status describes; -1 before the first reconciliation.", ge=-1),
]


class ConditionType(StrEnum):
    """Condition types that every kind carries, with the meaning that kstatus gives them."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class OwnerReference(StatusModel):
    """metav1.OwnerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(StatusModel):
    """The parts of metav1.ObjectMeta that the reconcilers read."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: list[OwnerReference] = Field(default_factory=list)


SpecT = TypeVar("SpecT", bound=SpecModel)
StatusT = TypeVar("StatusT", bound=StatusModel)


class PrinterColumn(BaseModel):
    """A column of ``kubectl get``."""

    model_config = ConfigDict(frozen=True)

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    priority: int = 0


class Resource(StatusModel, Generic[SpecT, StatusT]):
    """A custom resource; the class variables say how its CRD is made."""

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SHORT_NAME: ClassVar[str]
    COLUMNS: ClassVar[tuple[PrinterColumn, ...]]
    # CEL rules on spec that compare with oldSelf; kept off the spec models, which other kinds embed as templates.
    TRANSITION_RULES: ClassVar[tuple[dict[str, Any], ...]] = ()
    # Fields of a spec that may change; None: all of them.
    MUTABLE_FIELDS: ClassVar[frozenset[str] | None] = None

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta
    spec: SpecT
    status: StatusT
