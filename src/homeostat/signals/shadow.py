"""A candidate in shadow: its predictions on mirrored requests, compared with those returned to callers."""

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from homeostat.documents import TolerantDocument
from homeostat.intervals import Floats, figure
from homeostat.tasks import UNNAMED, LabelType, Task, made
from homeostat.tasks.binary import BOUNDARY

NEWEST = 20_000
"""Newest mirrored requests that are compared: more would change no figure and cost time at every poll."""

Output = float | Sequence[float] | Floats
"""A number, or a probability for each class."""


class ShadowComparison(TolerantDocument):
    """Predictions on mirrored requests, compared with those returned to the callers of the same requests."""

    task: str = Field(UNNAMED.name, description="What the candidate predicts.")
    mirrored: int = Field(0, ge=0, description="Predictions made on mirrored requests.")
    compared: int = Field(0, ge=0, description="Those compared with the prediction returned to the caller.")
    difference_sum: float = Field(
        0.0, description="Sum of the candidate's prediction minus the returned one; 0 for classes."
    )
    absolute_difference_sum: float = Field(
        0.0,
        ge=0,
        description="Sum of the absolute differences; of classes, half the sum of those of their probabilities.",
    )
    max_absolute_difference: float = Field(0.0, ge=0)
    disagreements: int = Field(
        0,
        ge=0,
        description="Comparisons in which the two scores lie on different sides of 0.5, or another class is the most probable.",
    )

    def sentence(self) -> str:
        """The comparison in words; empty while nothing is compared."""
        if not self.compared:
            return ""
        mean = self.difference_sum / self.compared
        absolute, largest = self.absolute_difference_sum / self.compared, self.max_absolute_difference
        where, share = "higher" if mean >= 0 else "lower", self.disagreements / self.compared
        requests = f"On {self.compared} mirrored requests its"
        match made(self.task).label_type:
            case LabelType.ZERO_OR_ONE:
                return (
                    f"{requests} scores are {abs(mean):.3f} {where} on average than those returned to callers "
                    f"(mean absolute difference {absolute:.3f}, largest {largest:.3f}); "
                    f"{share:.1%} fall on the other side of {BOUNDARY}."
                )
            case LabelType.NUMBER:
                return (
                    f"{requests} predictions are {figure(abs(mean))} {where} on average than those returned to callers "
                    f"(mean absolute difference {figure(absolute)}, largest {figure(largest)})."
                )
            case LabelType.CLASS:
                return (
                    f"{requests} probabilities differ by {absolute:.3f} on average from those returned to callers "
                    f"(half the sum over the classes, largest {largest:.3f}); {share:.1%} have another most probable class."
                )


def compare(mirrored: int, pairs: Iterable[tuple[Output, Output]], task: Task = UNNAMED) -> ShadowComparison:
    """Compare predictions one by one.

    Args:
        mirrored: Predictions made on mirrored requests, compared or not.
        pairs: (candidate's output, output returned to the caller), both as the task has them.
        task: What both predict.
    """
    known = list(pairs)
    if not known:
        return ShadowComparison(task=task.name, mirrored=mirrored)
    mine, theirs = (np.array(outputs, dtype=np.float64) for outputs in zip(*known, strict=True))
    differences, disagree = _differences(mine, theirs, task)
    absolute = np.abs(differences)
    return ShadowComparison(
        task=task.name,
        mirrored=mirrored,
        compared=len(known),
        difference_sum=0.0 if task.label_type is LabelType.CLASS else float(differences.sum()),
        absolute_difference_sum=float(absolute.sum()),
        max_absolute_difference=float(absolute.max()),
        disagreements=disagree,
    )


class Answered(NamedTuple):
    """Mirrored requests that versions of one task answered.

    Attributes:
        task: What these versions predict.
        mine: The candidate's outputs.
        returned: The outputs returned to callers.
    """

    task: Task
    mine: Floats
    returned: Floats


def compare_all(mirrored: int, task: Task, groups: Iterable[Answered]) -> ShadowComparison:
    """Compare a candidate with every version that answered; those that predict something else are not compared.

    Args:
        mirrored: Predictions made on mirrored requests, compared or not.
        task: What the candidate predicts.
        groups: Outputs by what the answering versions predict.
    """
    alike = [group for group in groups if group.task.name == task.name]
    joined = functools.reduce(lambda one, group: one.joined(group.task), alike, task)
    pairs = [
        pair
        for group in alike
        for pair in zip(joined.adopted(group.mine, task), joined.adopted(group.returned, group.task), strict=True)
    ]
    return compare(mirrored, pairs, joined)


def _differences(mine: Floats, theirs: Floats, task: Task) -> tuple[Floats, int]:
    """The difference of each pair, and how many of them lead to different decisions."""
    match task.label_type:
        case LabelType.ZERO_OR_ONE:
            return mine - theirs, int(((mine >= BOUNDARY) != (theirs >= BOUNDARY)).sum())
        case LabelType.NUMBER:
            return mine - theirs, 0
        case LabelType.CLASS:
            other = mine.argmax(axis=1) != theirs.argmax(axis=1)
            return np.abs(mine - theirs).sum(axis=1) / 2, int(other.sum())
