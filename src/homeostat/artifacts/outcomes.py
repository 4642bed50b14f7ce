"""Exported outcomes: Parquet files that the observer writes and trainings read as labels (`outcomesOf`)."""

from enum import StrEnum

PREDICTION_ID, ENTITY, PREDICTED_AT = "prediction_id", "entity", "predicted_at"
VERSION, SCORE, LABEL, OBSERVED_AT = "version", "score", "label", "observed_at"


class ColumnType(StrEnum):
    """Types of the columns: text, a time in UTC with microseconds, a double, a 64-bit integer."""

    TEXT = "text"
    TIME = "time"
    DOUBLE = "double"
    INTEGER = "integer"


COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    (PREDICTION_ID, ColumnType.TEXT),
    (ENTITY, ColumnType.TEXT),
    (PREDICTED_AT, ColumnType.TIME),
    (VERSION, ColumnType.TEXT),
    (SCORE, ColumnType.DOUBLE),
    (LABEL, ColumnType.INTEGER),
    (OBSERVED_AT, ColumnType.TIME),
)
"""Columns in order. Entity keys are text, whatever their type in the FeatureSet."""

LABEL_COLUMNS = (ENTITY, PREDICTED_AT, LABEL)
"""The columns that a training reads: entity, time of the prediction, label."""
