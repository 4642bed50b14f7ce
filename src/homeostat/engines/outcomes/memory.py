"""Outcomes in memory."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import numpy as np

from homeostat.artifacts.holdout import Holdout, held_out
from homeostat.artifacts.outcomes import LabelGain
from homeostat.signals.shadow import NEWEST, Answered, ShadowComparison, compare_all
from homeostat.tasks import UNNAMED, AnyCohort, Task


@dataclass(frozen=True)
class Prediction:
    """A prediction and what became of it; label is None while that is unknown.

    One that is mirrored was made on a copy of the request whose answer has the same id.
    """

    version: str
    entity: str
    time: datetime
    score: float | tuple[float, ...]
    """A number, or a probability for each class."""
    label: int | float | str | None = None
    id: str = ""
    mirrored: bool = False


class MemoryOutcomes:
    """Predictions in memory, by (namespace, deployment); every labelled one counts as exported."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], list[Prediction]] = {}
        self._tasks: dict[tuple[str, str, str], Task] = {}

    def add(self, namespace: str, deployment: str, *predictions: Prediction) -> None:
        """Adds predictions."""
        self._all.setdefault((namespace, deployment), []).extend(predictions)

    def predicts(self, namespace: str, deployment: str, version: str, task: Task) -> None:
        """Record what a version predicts; others predict the probability of a binary model."""
        self._tasks[namespace, deployment, version] = task

    def _task(self, namespace: str, deployment: str, version: str) -> Task:
        return self._tasks.get((namespace, deployment, version), UNNAMED)

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> AnyCohort:
        """See Outcomes."""
        known = self._answered(namespace, deployment)
        made = [p for p in known if p.version == version and start < p.time <= end]
        matured = [p for p in made if p.label is not None]
        task = self._task(namespace, deployment, version)
        labels = [p.label for p in matured if p.label is not None]
        return cast("AnyCohort", task.cohort([p.score for p in matured], labels, len(made)))

    def shadow(self, namespace: str, deployment: str, version: str, since: datetime) -> ShadowComparison:
        """See Outcomes."""
        returned = {p.id: p for p in self._answered(namespace, deployment) if p.id}
        every = self._all.get((namespace, deployment), [])
        made = (p for p in every if p.mirrored and p.version == version and p.time > since)
        copies = sorted(made, key=lambda p: p.time)[-NEWEST:]
        answers: dict[str, list[Prediction]] = {}
        for copy in copies:
            if copy.id in returned:
                answers.setdefault(returned[copy.id].version, []).append(copy)
        groups = [
            Answered(
                self._task(namespace, deployment, by),
                np.array([copy.score for copy in of]),
                np.array([returned[copy.id].score for copy in of]),
            )
            for by, of in answers.items()
        ]
        return compare_all(len(copies), self._task(namespace, deployment, version), groups)

    def _answered(self, namespace: str, deployment: str) -> list[Prediction]:
        return [p for p in self._all.get((namespace, deployment), []) if not p.mirrored]

    def label_gain(self, namespace: str, deployment: str, since: datetime, model: str, holdout: Holdout) -> LabelGain:
        """See Outcomes."""
        made = [p for p in self._answered(namespace, deployment) if p.label is not None and p.time >= since]
        newest = max((p.time for p in made), default=since)
        middle, cut = since + (newest - since) / 2, newest - timedelta(seconds=holdout.kept_seconds)
        by_time = {p.entity for p in made if holdout.kept_seconds and p.time >= cut}
        kept = [p for p in made if p.entity not in by_time and not held_out(model, p.entity, holdout.percent or 0)]
        every, later = Counter(p.entity for p in kept), Counter(p.entity for p in kept if p.time > middle)
        return LabelGain(
            rows=len(every),
            held_out=len({p.entity for p in made}) - len(every),
            outcomes=len(kept),
            later_rows=sum(later[entity] == number for entity, number in every.items()),
            later_outcomes=later.total(),
        )
