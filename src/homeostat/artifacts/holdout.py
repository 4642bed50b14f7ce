"""The holdout: which rows no version of a model is trained on. Trainings, the gate and the observer ask here alone."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from homeostat.documents import TolerantDocument

LATER_SHARE = 0.2
"""Share of the labels, the newest ones, that are the holdout where none is stated."""

LEAST_SHARE, MOST_SHARE = 0.05, 0.5
"""Shares that a holdout by time may have where none is stated: many labels of one time cannot be told apart by it."""

PERCENT = 20
"""The share of entities where none is stated and the labels have no order in time."""

Times = NDArray[np.datetime64]
"""In UTC."""


class Holdout(TolerantDocument):
    """How the holdout of a training is chosen, and what of the choice only its data tell. All absent: no form is stated."""

    percent: Annotated[int | None, Field(description="Share of entities, or of groups, in percent.")] = None
    group_by: Annotated[str, Field(description="Feature whose values are held out as a whole; empty: the entity.")] = ""
    latest_seconds: Annotated[
        int | None, Field(description="Length of the newest time, from which on all rows are.")
    ] = None
    refit: Annotated[bool, Field(description="Whether the served model is trained on the rows of `latest`, too.")] = (
        True
    )
    since: Annotated[datetime | None, Field(description="Time of the first row of `latest`.")] = None
    through: Annotated[datetime | None, Field(description="Time of the newest row that a refitted model has seen.")] = (
        None
    )

    @property
    def by_time(self) -> bool:
        """Whether rows are told apart by their time."""
        return self.percent is None

    @property
    def refits(self) -> bool:
        """Whether the model that is served is another one than that which is judged."""
        return self.by_time and self.refit

    @property
    def kept_seconds(self) -> int:
        """Length of the newest time whose rows the model that is served is not trained on."""
        return 0 if self.refits else self.latest_seconds or 0

    def resolved(self, times: Times) -> "Holdout":
        """The holdout with the time from which on rows belong to it, by those of all labels.

        Where no form is stated, the newest labels are; where they have no order in time, a share of the entities.
        """
        if self.percent is not None:
            return self
        newest = times.max()
        if self.latest_seconds is not None:
            return self.model_copy(update={"since": _moment(newest - np.timedelta64(self.latest_seconds, "s"))})
        since = np.sort(times)[int(times.size * (1 - LATER_SHARE))]
        if LEAST_SHARE <= float((times >= since).mean()) <= MOST_SHARE:
            return self.model_copy(update={"since": _moment(since)})
        return Holdout(percent=PERCENT)

    def unseen(
        self,
        model: str,
        entities: Callable[[], Sequence[object]],
        times: Callable[[], Times],
        groups: Callable[[], Sequence[object]],
    ) -> NDArray[np.bool_]:
        """Which rows no model with this holdout was trained on, whatever its seed, its window and the other rows.

        Args:
            model: `<namespace>.<model>`.
            entities: Gives the key of each row's entity.
            times: Gives the time of each row.
            groups: Gives the value of the grouping feature of each row; a row without one is in no group, and trained on.
        """
        if self.through is not None:
            return np.asarray(times() > _compared(self.through))
        if self.since is not None:
            return np.asarray(times() >= _compared(self.since))
        percent = self.percent or 0
        if not self.group_by:
            return np.array([held_out(model, str(key), percent) for key in entities()], dtype=bool)
        values = groups()
        chosen = {value: value is not None and held_out(model, str(value), percent) for value in set(values)}
        return np.array([chosen[value] for value in values], dtype=bool)


def held_out(model: str, entity: str, percent: int) -> bool:
    """Whether an entity belongs to the holdout of a model, whatever the seed, the window and the other entities.

    Args:
        model: `<namespace>.<model>`.
        entity: Key of the entity as text, or the value of a group.
        percent: Share of entities in the holdout.
    """
    return int(hashlib.sha256(f"{model}/{entity}".encode()).hexdigest()[:8], 16) % 100 < percent


def _moment(time: np.datetime64) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(time.astype("datetime64[us]").astype(np.int64)))


def _compared(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
