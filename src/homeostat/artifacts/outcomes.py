"""Exported outcomes: Parquet files that the observer writes and trainings read as labels (`outcomesOf`)."""

from enum import StrEnum

from homeostat.documents import TolerantDocument

PREDICTION_ID, ENTITY, PREDICTED_AT = "prediction_id", "entity", "predicted_at"
VERSION, SCORE, LABEL, OBSERVED_AT = "version", "score", "label", "observed_at"


class ColumnType(StrEnum):
    """Types of the columns: text, a time in UTC with microseconds, a double, a 64-bit integer."""

    TEXT = "text"
    TIME = "time"
    DOUBLE = "double"
    INTEGER = "integer"


def columns(label: ColumnType) -> tuple[tuple[str, ColumnType], ...]:
    """Columns in order, with labels of that type: integer (0 and 1), double, or text (classes).

    Entity keys are text, whatever their type in the FeatureSet. The score of a multiclass prediction is its highest probability.
    """
    return (
        (PREDICTION_ID, ColumnType.TEXT),
        (ENTITY, ColumnType.TEXT),
        (PREDICTED_AT, ColumnType.TIME),
        (VERSION, ColumnType.TEXT),
        (SCORE, ColumnType.DOUBLE),
        (LABEL, label),
        (OBSERVED_AT, ColumnType.TIME),
    )


LABEL_COLUMNS = (ENTITY, PREDICTED_AT, LABEL)
"""The columns that a training reads: entity, time of the prediction, label."""


class LabelGain(TolerantDocument):
    """What exported outcomes of predictions since a time add to a training, which takes one row of each entity.

    The later half is that of the time from then to the newest of these predictions.
    """

    rows: int
    """Entities that a version may be trained on."""
    held_out: int = 0
    """Entities of the holdout, which no version is trained on."""
    outcomes: int = 0
    """Outcomes of the entities in `rows`."""
    later_rows: int = 0
    """Those of `rows` whose first prediction is in the later half."""
    later_outcomes: int = 0
    """Those of `outcomes` whose prediction is in the later half."""

    def of_all_rows(self) -> "LabelGain":
        """The same for a training that takes a row of each outcome."""
        return self.model_copy(update={"rows": self.outcomes, "later_rows": self.later_outcomes})
