"""The observer's tables, as the newest migration leaves them. Times are seconds since 1970, UTC."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

# What versions predict, as JSON of `messages.PredictedBy`; one without a row predicts the probability of a binary model.
models = Table(
    "models",
    metadata,
    Column("namespace", String, primary_key=True),
    Column("deployment", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("document", Text, nullable=False),
)

# Probabilities are single-precision numbers, one for each class; the score is then the highest of them.
predictions = Table(
    "predictions",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("deployment", String, nullable=False),
    Column("id", String, nullable=False),
    Column("version", String, nullable=False),
    Column("entity", String, nullable=False),
    Column("time", Float, nullable=False),
    Column("score", Float, nullable=False),
    Column("inputs", Text),
    Column("probabilities", LargeBinary),
    UniqueConstraint("namespace", "deployment", "id"),
    Index("predictions_by_entity", "namespace", "deployment", "entity", "time"),
    Index("predictions_by_time", "namespace", "deployment", "time"),
    sqlite_autoincrement=True,
)

# Predictions on copies of requests. The prediction that the caller got has the same id; no outcome belongs to the copy.
mirrored = Table(
    "mirrored",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("deployment", String, nullable=False),
    Column("version", String, nullable=False),
    Column("id", String, nullable=False),
    Column("time", Float, nullable=False),
    Column("score", Float, nullable=False),
    Column("probabilities", LargeBinary),
    UniqueConstraint("namespace", "deployment", "version", "id"),
    Index("mirrored_by_time", "namespace", "deployment", "version", "time"),
    sqlite_autoincrement=True,
)

# Outcomes whose prediction has not arrived. Labels, here and below, are numbers or JSON text (see `predicted`). The label is part of the key: a contradiction is noticed at the match.
pending = Table(
    "pending",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("deployment", String, nullable=False),
    Column("prediction_id", String),
    Column("entity", String),
    Column("predicted_at", Float),
    Column("label", Integer, nullable=False),
    Column("observed_at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    UniqueConstraint("namespace", "deployment", "prediction_id", "label"),
    UniqueConstraint("namespace", "deployment", "entity", "predicted_at", "label"),
    sqlite_autoincrement=True,
)

# One outcome per prediction; ids ascend in the order of matching and are never used again, so that a range of ids,
# once read, holds the same rows for ever.
outcomes = Table(
    "outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("prediction", Integer, nullable=False, unique=True),
    Column("label", Integer, nullable=False),
    Column("observed_at", Float, nullable=False),
    Column("matched_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

exports = Table(
    "exports",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("deployment", String, nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("uri", String, nullable=False, unique=True),
    Column("digest", String, nullable=False),
    Column("reserved_at", Float, nullable=False),
    Column("uploaded_at", Float),
    Index("exports_by_last", "last"),
    sqlite_autoincrement=True,
)

business = Table(
    "business",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("namespace", String, nullable=False),
    Column("deployment", String, nullable=False),
    Column("name", String, nullable=False),
    Column("time", Float, nullable=False),
    Column("value", Float, nullable=False),
    UniqueConstraint("namespace", "deployment", "name", "time"),
    sqlite_autoincrement=True,
)
