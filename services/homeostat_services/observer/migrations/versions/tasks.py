"""Predictions of every task: what versions predict, and probabilities of classes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table and the columns; labels keep their columns, which take text beside numbers."""
    key = ("namespace", "deployment", "version")
    op.create_table(
        "models",
        *(sa.Column(name, sa.String, primary_key=True) for name in key),
        sa.Column("document", sa.Text, nullable=False),
    )
    for table in ("predictions", "mirrored"):
        op.add_column(table, sa.Column("probabilities", sa.LargeBinary))
