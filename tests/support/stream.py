"""A stream of events of some months: rows of a day share what happened that day, a season moves them, and labels come late."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.intervals import Floats
from homeostat.runs import FeatureSource, TrainInput
from support.tables import parquet, train_input

START = datetime(2026, 1, 5, tzinfo=UTC)
SNAPSHOT = "s3://homeostat/stream/snapshot.parquet"
LABELS = "s3://homeostat/stream/labels/"
FEATURES = {"day": "String", "temperature": "Float64", "humidity": "Float64", "size": "Float64", "age": "Float64"}


@dataclass(frozen=True)
class Stream:
    """Events, their labels, and how late these come."""

    days: NDArray[np.int64]
    columns: dict[str, Any]
    label: NDArray[np.int64]
    lateness: NDArray[np.int64]
    """Days from an event to its label."""

    def known(self, day: int) -> NDArray[np.bool_]:
        """The events whose label is known at the end of a day."""
        return np.asarray(self.days + self.lateness <= day)

    def table(self, chosen: NDArray[np.bool_]) -> pa.Table:
        """Events as a dataset holds them."""
        columns = {name: np.asarray(values)[chosen] for name, values in self.columns.items()}
        return pa.table({**columns, LABEL: self.label[chosen]}).append_column(TIME, self._times(chosen))

    def _times(self, chosen: NDArray[np.bool_]) -> pa.Array:
        within = np.arange(self.days.size) % 1440 if self.days.max() else np.zeros(self.days.size)
        moments = [
            START + timedelta(days=int(d), minutes=int(m))
            for d, m in zip(self.days[chosen], within[chosen], strict=True)
        ]
        return pa.array(moments, pa.timestamp("us", "UTC"))

    def store(self, day: int) -> tuple[MemoryObjects, TrainInput]:
        """What a training finds at the end of a day, and its input without a holdout."""
        known = self.table(self.known(day))
        features = known.drop_columns([LABEL, TIME]).append_column("seen_at", known.column(TIME))
        labels = pa.table({"event": known.column("event"), "late": known.column(LABEL), "at": known.column(TIME)})
        source = FeatureSource.model_validate(
            {
                "name": "events", "entities": [{"name": "event", "type": "String"}], "timestamp_field": "seen_at",
                "features": [{"name": name, "type": kind} for name, kind in FEATURES.items()],
                "ttl_seconds": 86_400, "online_ttl_seconds": None, "schema_hash": "sha256:one", "snapshot_uri": SNAPSHOT,
            }
        )  # fmt: skip
        described = {"uri": LABELS, "entity_field": "event", "field": "late", "timestamp_field": "at"}
        job = train_input(model="stream", feature_sets=[source], labels=[described], holdout_percent=0)
        return MemoryObjects({SNAPSHOT: parquet(features), f"{LABELS}part-0.parquet": parquet(labels)}), job


def a_stream(seed: int = 7, days: int = 200, each: int = 40, shock: float = 1.0, season: float = 0.4) -> Stream:
    """Events of so many days.

    Args:
        seed: Of everything drawn.
        days: Number of days.
        each: Events of a day.
        shock: Standard deviation, in log odds, of what the events of one day share.
        season: Amplitude, in log odds, of what moves all days over a year.
    """
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), each)
    rows = day.size
    temperature, humidity = rng.normal(15, 8, days)[day], rng.uniform(30, 95, days)[day]
    size, age = rng.normal(0, 1, rows), rng.uniform(0, 1, rows)
    odds = 0.6 * size - 0.8 * age - 0.4 + shock * rng.normal(0, 1, days)[day]
    odds = odds + season * np.sin(2 * np.pi * day / 365)
    risk: Floats = 1 / (1 + np.exp(-odds))
    columns = {
        "event": [f"e{n:06}" for n in range(rows)],
        "day": [f"{START + timedelta(days=int(d)):%Y-%m-%d}" for d in day],
        "temperature": temperature, "humidity": humidity, "size": size, "age": age,
    }  # fmt: skip
    return Stream(day, columns, (rng.random(rows) < risk).astype(np.int64), rng.integers(1, 15, rows))
