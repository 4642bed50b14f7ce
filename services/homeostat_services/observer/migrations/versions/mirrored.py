"""Predictions on copies of requests, for the comparison of a version in shadow."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table; there was none before a version could be in shadow."""
    key = ("namespace", "deployment", "version", "id")
    op.create_table(
        "mirrored",
        sa.Column("seq", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in key),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("time", "score")),
        sa.UniqueConstraint(*key),
        sqlite_autoincrement=True,
    )
    op.create_index("mirrored_by_time", "mirrored", ["namespace", "deployment", "version", "time"])
