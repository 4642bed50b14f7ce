"""Outcomes in memory."""

from dataclasses import dataclass
from datetime import datetime

from homeostat.signals.performance import CohortCounts, count_cohort


@dataclass(frozen=True)
class Prediction:
    """A prediction and what became of it; label is None while that is unknown."""

    version: str
    entity: str
    time: datetime
    score: float
    label: int | None = None


class MemoryOutcomes:
    """Predictions in memory, by (namespace, deployment); every labelled one counts as exported."""

    def __init__(self) -> None:
        self.predictions: dict[tuple[str, str], list[Prediction]] = {}

    def add(self, namespace: str, deployment: str, *predictions: Prediction) -> None:
        """Adds predictions."""
        self.predictions.setdefault((namespace, deployment), []).extend(predictions)

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> CohortCounts:
        """See Outcomes."""
        known = self.predictions.get((namespace, deployment), [])
        made = [p for p in known if p.version == version and start < p.time <= end]
        matured = [p for p in made if p.label is not None]
        return count_cohort([p.score for p in matured], [p.label for p in matured if p.label is not None], len(made))

    def labelled_entities(self, namespace: str, deployment: str, since: datetime) -> int:
        """See Outcomes."""
        known = self.predictions.get((namespace, deployment), [])
        return len({p.entity for p in known if p.label is not None and p.time >= since})
