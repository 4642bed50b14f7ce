"""What a story is about: real rows before and after a change, and the words for them.

The chapters of `tools.demo.story` tell every scenario; `tools.demo.scenarios` lists them.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from tools.demo.values import Label, Outputs


@dataclass(frozen=True)
class Scenario:
    """The data and the words of a story; every frame has the entity, the features of the FeatureSet and the label.

    Attributes:
        name: Of the namespace, the folder of samples, the registered model, its ModelDeployment and its Monitor.
        feature_set: Name of the FeatureSet, and of the folder of its source.
        entity: Column of the key, a text.
        label: Column of the outcome.
        old: Rows from before the change; v1 is trained on them.
        early: Rows that come with the change.
        late: Rows from after the change, unseen until v2 has been promoted.
        arrival: Name of the group that `early` forms, and of its file.
        share: Share of rows from after the change among the requests since then.
        signals: Names of the Monitor's signals that must be calm at the end; the first one judges drift.
        causes: What the Monitor must diagnose, in any order, before v2 is trained.
        rows: Plural word for what a row is about.
        opening: What is in the object store at the beginning.
        change: The change in three words.
        newcomers: What `early` holds, after its number.
        answer: The words for a prediction.
    """

    name: str
    feature_set: str
    entity: str
    label: str
    old: pd.DataFrame
    early: pd.DataFrame
    late: pd.DataFrame
    arrival: str
    share: float
    rows: str
    opening: str
    change: str
    newcomers: str
    answer: Callable[[Outputs], str]
    signals: tuple[str, ...] = ("drift", "accuracy")
    causes: tuple[str, ...] = ("UnprovenShift", "CovariateShift")

    @property
    def source(self) -> str:
        """Where the FeatureSet reads."""
        return f"s3://homeostat/{self.name}/{self.feature_set}/"

    @property
    def label_files(self) -> str:
        """Where the first training reads its labels."""
        return f"s3://homeostat/{self.name}/labels/"

    def entities(self, frame: pd.DataFrame) -> list[str]:
        """The keys of a frame's rows."""
        return [str(key) for key in frame[self.entity]]

    def outcomes(self) -> dict[str, Label]:
        """What turned out, by entity."""
        everything = pd.concat([self.old, self.early, self.late])
        return dict(zip(self.entities(everything), everything[self.label].tolist(), strict=True))

    def features(self, frame: pd.DataFrame, known_since: datetime) -> bytes:
        """Parquet of what is known of the rows, dated in the hour before `known_since`."""
        table = frame.drop(columns=self.label)
        return _parquet(table.assign(observed_at=_spread(len(frame), known_since - timedelta(hours=1))))

    def labels(self, frame: pd.DataFrame, decided_by: datetime) -> bytes:
        """Parquet of outcomes, dated in the hour before `decided_by`."""
        table = frame[[self.entity, self.label]]
        return _parquet(table.assign(predicted_at=_spread(len(frame), decided_by - timedelta(hours=1))))


def half(entity: str) -> bool:
    """A fixed half of the entities, by a hash of its own: it must not line up with the holdout's."""
    return hashlib.sha256(f"launch/{entity}".encode()).digest()[0] < 128


def _spread(count: int, start: datetime) -> pd.DatetimeIndex:
    """Times spread evenly over the hour after `start`."""
    step = 3600 / max(count, 1)
    return pd.DatetimeIndex([(start + timedelta(seconds=index * step)).astimezone(UTC) for index in range(count)])


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, coerce_timestamps="us", allow_truncated_timestamps=True)
    return buffer.getvalue()
