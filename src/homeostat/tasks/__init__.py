"""What models predict: one module for each task, behind the Protocol `Task`; nothing else branches on it.

docs/adr/0019 has the reasons for its shape.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from homeostat.tasks.binary import BinaryClassification, BinaryCohort
from homeostat.tasks.multiclass import MulticlassClassification, MulticlassCohort
from homeostat.tasks.protocol import Better, Cohort, Fit, Labels, LabelType, Measured, Method, Metric, Task, Units
from homeostat.tasks.regression import Regression, RegressionCohort

UNNAMED = BinaryClassification()
"""The task of what names none: a spec without a target, and bundles and predictions from before tasks had names."""

_MADE: Mapping[str, Callable[[Fit], Task]] = {
    UNNAMED.name: lambda _: UNNAMED,
    MulticlassClassification.name: lambda fit: MulticlassClassification(fit.classes),
    Regression.name: lambda fit: Regression(fit.units.origin, fit.units.scale) if fit.units else Regression(),
}

TASKS = tuple(_MADE)
"""Names of the tasks, as specs and `signature.json` have them."""


def _task_of(cohort: object) -> str:
    """Documents from before tasks had names are of binary models."""
    named = cohort.get("task", UNNAMED.name) if isinstance(cohort, Mapping) else getattr(cohort, "task", "")
    return str(named)


AnyCohort: TypeAlias = Annotated[
    Annotated[BinaryCohort, Tag(UNNAMED.name)]
    | Annotated[MulticlassCohort, Tag(MulticlassClassification.name)]
    | Annotated[RegressionCohort, Tag(Regression.name)],
    Discriminator(_task_of),
]
"""A cohort of any of these tasks, as documents hold it."""


def made(name: str, fit: Fit = Fit()) -> Task:  # noqa: B008 - immutable
    """The task of that name with what it took from the labels of training.

    Raises:
        ValueError: There is no such task.
    """
    if name not in _MADE:
        raise ValueError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return _MADE[name](fit)


def lacking(task: Task, metrics: Iterable[str]) -> str:
    """A sentence on those of these metrics that the task does not have, with those that it has; empty if there is none."""
    unknown = [name for name in dict.fromkeys(metrics) if name not in task.metrics]
    if not unknown:
        return ""
    return f"{task.name} has no metric {', '.join(map(repr, unknown))}; it has {', '.join(task.metrics)}"


__all__ = [
    "TASKS",
    "UNNAMED",
    "AnyCohort",
    "Better",
    "Cohort",
    "Fit",
    "LabelType",
    "Labels",
    "Measured",
    "Method",
    "Metric",
    "Task",
    "Units",
    "lacking",
    "made",
]
