"""The first tables."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, and start the ids of outcomes where no earlier database can have been."""
    _text, _number, _real = sa.String, sa.Integer, sa.Float
    op.create_table(
        "predictions",
        sa.Column("seq", _number, primary_key=True),
        *(sa.Column(name, _text, nullable=False) for name in ("namespace", "deployment", "id", "version", "entity")),
        *(sa.Column(name, _real, nullable=False) for name in ("time", "score")),
        sa.Column("inputs", sa.Text),
        sa.UniqueConstraint("namespace", "deployment", "id"),
        sqlite_autoincrement=True,
    )
    op.create_index("predictions_by_entity", "predictions", ["namespace", "deployment", "entity", "time"])
    op.create_index("predictions_by_time", "predictions", ["namespace", "deployment", "time"])
    op.create_table(
        "pending",
        sa.Column("seq", _number, primary_key=True),
        *(sa.Column(name, _text, nullable=False) for name in ("namespace", "deployment")),
        *(sa.Column(name, _text) for name in ("prediction_id", "entity")),
        sa.Column("predicted_at", _real),
        sa.Column("label", _number, nullable=False),
        *(sa.Column(name, _real, nullable=False) for name in ("observed_at", "received_at")),
        sa.UniqueConstraint("namespace", "deployment", "prediction_id", "label"),
        sa.UniqueConstraint("namespace", "deployment", "entity", "predicted_at", "label"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outcomes",
        sa.Column("id", _number, primary_key=True),
        sa.Column("prediction", _number, nullable=False, unique=True),
        sa.Column("label", _number, nullable=False),
        *(sa.Column(name, _real, nullable=False) for name in ("observed_at", "matched_at")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "exports",
        sa.Column("seq", _number, primary_key=True),
        *(sa.Column(name, _text, nullable=False) for name in ("namespace", "deployment")),
        *(sa.Column(name, _number, nullable=False) for name in ("first", "last", "rows")),
        sa.Column("uri", _text, nullable=False, unique=True),
        sa.Column("digest", _text, nullable=False),
        sa.Column("reserved_at", _real, nullable=False),
        sa.Column("uploaded_at", _real),
        sqlite_autoincrement=True,
    )
    op.create_index("exports_by_last", "exports", ["last"])
    op.create_table(
        "business",
        sa.Column("seq", _number, primary_key=True),
        *(sa.Column(name, _text, nullable=False) for name in ("namespace", "deployment", "name")),
        *(sa.Column(name, _real, nullable=False) for name in ("time", "value")),
        sa.UniqueConstraint("namespace", "deployment", "name", "time"),
        sqlite_autoincrement=True,
    )
    # Parts in the object store are named by these ids. A database that was lost and made anew must not reach the names
    # of its predecessor's parts: milliseconds since 1970 are ahead of any count that came before.
    start = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('outcomes', :start)")
    op.get_bind().execute(start, {"start": int(time.time() * 1000)})
