"""Alembic migrations of the observer's database; run at every start."""
