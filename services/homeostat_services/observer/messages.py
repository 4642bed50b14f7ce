"""What clients send to the observer and get from it; camelCase on the wire."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from homeostat.api.common import ResourceName
from homeostat.documents import StrictDocument
from homeostat.tasks import Fit, Task, Units, made
from homeostat.tasks.multiclass import MOST_CLASSES
from homeostat.values import INTEGER_LIMIT, LARGEST

NAMESPACE_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A namespace may begin with a digit, names of our kinds may not."""

BATCH = 5000
"""Items of one request at most."""

Namespace = Annotated[str, StringConstraints(pattern=NAMESPACE_PATTERN, max_length=63)]
PredictionId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
EntityKey = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


LONGEST_LABEL = 256


def _label(value: object) -> object:
    whole = isinstance(value, int) and -INTEGER_LIMIT <= value < INTEGER_LIMIT
    if whole or (isinstance(value, float) and -LARGEST <= value <= LARGEST):
        return value
    if isinstance(value, str) and 0 < len(value) <= LONGEST_LABEL:
        return value
    raise ValueError(f"give a number, a boolean, or a text of 1 to {LONGEST_LABEL} characters")


Label = Annotated[
    bool | int | float | str,
    PlainValidator(_label),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("boolean", "number", "string")]}),
]
"""What really happened, of any task."""


class Message(StrictDocument):
    """A request or a response; a key that a client sends as a number is taken as text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class Addressed(Message):
    """A document about one ModelDeployment."""

    namespace: Namespace
    deployment: ResourceName


class PredictedBy(Message):
    """What a version predicts."""

    task: str
    classes: Annotated[
        tuple[str, ...],
        Field(max_length=MOST_CLASSES, description="In the order of `probabilities`, of a multiclass model."),
    ] = ()
    units: Annotated[Units | None, Field(description="Zero and unit of the labels of training, of a regression.")] = (
        None
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if not self.classes and self.predicts.checked([]).ndim > 1:
            raise ValueError(f"classes is missing; {self.task} predicts one of them")
        return self

    @property
    def predicts(self) -> Task:
        """The task; raises ValueError for one that there is not."""
        return made(self.task, Fit(self.classes, self.units))


class Prediction(Message):
    """One answered prediction."""

    id: PredictionId
    version: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    entity: EntityKey
    time: Annotated[AwareDatetime, Field(description="When it was answered: RFC 3339, or seconds since 1970.")]
    score: Annotated[
        float | None,
        Field(allow_inf_nan=False, description="Probability of the positive class of a binary model, or a number."),
    ] = None
    probabilities: Annotated[
        list[float] | None, Field(max_length=MOST_CLASSES, description="Of each class of a multiclass model.")
    ] = None
    inputs: Annotated[dict[str, Any] | None, Field(description="Feature values, where payloads are logged.")] = None
    mirrored: Annotated[
        bool,
        Field(description="Made on a mirrored request: not returned to the caller, and no outcome is matched with it."),
    ] = False


class Predictions(Addressed):
    """A batch of the prediction log."""

    models: dict[str, PredictedBy] = Field(
        default_factory=dict,
        max_length=32,
        description="What these versions predict; one of which nothing was said predicts the probability of a binary model.",
    )
    predictions: Annotated[list[Prediction], Field(min_length=1, max_length=BATCH)]


class PredictionsAnswer(Message):
    """What became of a batch."""

    accepted: int
    duplicate: Annotated[int, Field(description="Already recorded under their id; unchanged.")]
    unusable_outcomes: Annotated[
        int, Field(description="Outcomes that waited for these, but are no labels of what was predicted; dropped.")
    ] = 0


class Outcome(Message):
    """What really happened, for a prediction given by id, or by entity and time."""

    prediction_id: PredictionId | None = None
    entity: EntityKey | None = None
    predicted_at: Annotated[
        AwareDatetime | None,
        Field(
            description="With entity: selects its prediction nearest to this time, before or after it, within the "
            "tolerance; of two equally near ones the earlier."
        ),
    ] = None
    label: Annotated[
        Label, Field(description="0, 1 or a boolean for a binary model, a number for a regression, a class as text.")
    ]
    observed_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    @model_validator(mode="after")
    def _names_one_prediction(self) -> Self:
        by_entity = self.entity is not None and self.predicted_at is not None
        if (self.prediction_id is not None) == by_entity or (self.entity is None) != (self.predicted_at is None):
            raise ValueError("give either predictionId, or entity and predictedAt")
        return self


class Outcomes(Addressed):
    """A batch of outcomes."""

    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=BATCH)]


class MatchResult(StrEnum):
    """What became of an outcome."""

    ACCEPTED = "Accepted"
    DUPLICATE = "Duplicate"
    CONFLICTING = "Conflicting"
    UNKNOWN = "Unknown"
    UNUSABLE = "Unusable"


class OutcomeMatch(Message):
    """What became of one outcome, and the prediction that it is about."""

    result: MatchResult
    prediction_id: str | None = None
    version: Annotated[str | None, Field(description="Version of the model that predicted.")] = None
    predicted_at: Annotated[AwareDatetime | None, Field(description="When that prediction was answered.")] = None


class OutcomesAnswer(Message):
    """What became of a batch; the four numbers add up to its length. One with an unusable label is refused as a whole."""

    accepted: Annotated[int, Field(description="Matched with their prediction.")]
    duplicate: Annotated[int, Field(description="Known already; nothing changed.")]
    conflicting: Annotated[
        int, Field(description="Another label is recorded for that prediction; the first one stays.")
    ]
    unknown: Annotated[int, Field(description="No such prediction yet; kept, and matched when it arrives.")]
    matches: Annotated[
        list[OutcomeMatch],
        Field(description="One for each outcome of the batch, in its order; without what is unknown."),
    ]


class BusinessValue(Message):
    """One business number."""

    name: MetricName
    value: Annotated[float, Field(allow_inf_nan=False)]
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Business(Addressed):
    """A batch of business numbers."""

    values: Annotated[list[BusinessValue], Field(min_length=1, max_length=BATCH)]


class BusinessAnswer(Message):
    """What became of a batch."""

    accepted: int
    duplicate: Annotated[int, Field(description="Recorded already for that name and time; nothing changed.")]


class ExportAnswer(Message):
    """How far the export is."""

    labelled: Annotated[int, Field(description="Outcomes matched with a prediction and not yet forgotten.")]
    exported: Annotated[int, Field(description="Rows in the object store.")]
    parts: Annotated[int, Field(description="Files in the object store.")]
    skipped: Annotated[int, Field(description="Labelled predictions with an impossible time, which are not exported.")]
    lag_seconds: Annotated[float, Field(description="Age of the oldest matched outcome that is not exported; 0: none.")]
