"""What models predict: one module for each task, behind the Protocol `Task`; nothing else branches on it.

docs/adr/0019 has the reasons for its shape.
"""

from collections.abc import Mapping
from typing import TypeAlias

from homeostat.tasks.binary import BinaryClassification, BinaryCohort
from homeostat.tasks.protocol import Better, Cohort, Labels, Measured, Method, Metric, Task

UNNAMED = BinaryClassification()
"""The task of what names none: bundles from before tasks had names, predictions, and the spec of a training."""

TASKS: Mapping[str, Task] = {UNNAMED.name: UNNAMED}
"""The tasks that the platform offers, by their names in `signature.json`."""


AnyCohort: TypeAlias = BinaryCohort
"""A cohort of any of these tasks, as documents hold it."""


def named(name: str) -> Task:
    """The task of that name.

    Raises:
        ValueError: The platform does not offer it.
    """
    if name not in TASKS:
        raise ValueError(f"task {name!r} is not one that this release offers; it offers {', '.join(TASKS)}")
    return TASKS[name]


__all__ = [
    "TASKS",
    "UNNAMED",
    "AnyCohort",
    "Better",
    "Cohort",
    "Labels",
    "Measured",
    "Method",
    "Metric",
    "Task",
    "named",
]
