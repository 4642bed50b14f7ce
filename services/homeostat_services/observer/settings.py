"""Settings of the observer, from the environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from homeostat.settings import Settings


class ObserverServiceSettings(Settings):
    """What the observer keeps and for how long, as `HOMEOSTAT_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="HOMEOSTAT_", extra="ignore")

    database: Path = Field(Path("/data/observer.db"), description="File of the SQLite database.")
    export_seconds: float = Field(
        5, gt=0, description="Between two exports; each makes a part per deployment with news."
    )
    retention_hours: float = Field(2160, gt=0, description="Predictions older than this are forgotten.")
    match_tolerance_seconds: float = Field(
        600,
        ge=0,
        description="How far from predictedAt, before or after it, the prediction of an outcome by entity may lie.",
    )

    @property
    def retention(self) -> timedelta:
        """How long predictions are kept."""
        return timedelta(hours=self.retention_hours)

    @property
    def match_tolerance(self) -> timedelta:
        """How far from predictedAt the prediction may lie."""
        return timedelta(seconds=self.match_tolerance_seconds)
