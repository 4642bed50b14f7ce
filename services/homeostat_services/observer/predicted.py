"""What versions predict, and how their predictions and outcomes stand in the database.

A label is a number, or JSON text: a bare text such as `01` would become the number 1 in a column of numbers.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from homeostat.intervals import Floats
from homeostat.tasks import UNNAMED, LabelType, Task
from homeostat_services.observer.messages import Label, PredictedBy, Prediction
from homeostat_services.observer.tables import models

Key = tuple[str, str, str]
"""Namespace, deployment and version."""

Column = int | float | str


NUMBERS_AT_A_TIME = 2_000_000
"""Of outputs, in memory."""


class Output(NamedTuple):
    """The columns of an output."""

    score: float
    probabilities: bytes | None


class UnusableValueError(ValueError):
    """A prediction or an outcome that its version cannot have; the text names field, value and remedy."""


def record_models(connection: sa.Connection, deployment: tuple[str, str], given: Mapping[str, PredictedBy]) -> None:
    """Keep what these versions predict; the newest word counts."""
    for version, model in given.items():
        key = {"namespace": deployment[0], "deployment": deployment[1], "version": version}
        row = insert(models).values(**key, document=model.model_dump_json())
        connection.execute(row.on_conflict_do_update(set_={"document": row.excluded.document}))


def tasks_of(connection: sa.Connection, keys: Iterable[Key]) -> dict[Key, Task]:
    """What these versions predict: the probability of a binary model where nothing else is recorded."""
    found: dict[Key, Task] = {}
    for key in set(keys):
        own = (models.c.namespace == key[0]) & (models.c.deployment == key[1]) & (models.c.version == key[2])
        document = connection.scalar(sa.select(models.c.document).where(own))
        found[key] = UNNAMED if document is None else PredictedBy.model_validate_json(document).predicts
    return found


def prediction_columns(place: str, prediction: Prediction, task: Task) -> dict[str, Any]:
    """The columns of a prediction's output.

    Raises:
        UnusableValueError: It is none of the task.
    """
    score, given = prediction.score, prediction.probabilities
    field, value = ("probabilities", given) if task.label_type is LabelType.CLASS else ("score", score)
    model = f"version {prediction.version} predicts {task.name}"
    if value is None or (score is None) == (given is None):
        raise UnusableValueError(f"{place}: {model}; give {field} and nothing else")
    try:
        task.checked([value])
    except ValueError as error:
        shown = value if given is None else f"{len(given)} numbers"
        raise UnusableValueError(f"{place}.{field} is {shown}, but {model}: {error}") from error
    if given is None:
        return {"score": score, "probabilities": None}
    return {"score": max(given), "probabilities": np.array(given, dtype="<f4").tobytes()}


def outputs_of(rows: Sequence[Any], task: Task) -> tuple[list[Any], Floats]:
    """The rows that have an output of this task, and the outputs.

    Args:
        rows: With the columns `score` and `probabilities`.
        task: What their version predicts.
    """
    if task.label_type is not LabelType.CLASS:
        kept = [row for row in rows if row.probabilities is None]
        return kept, np.array([row.score for row in kept], dtype=np.float64)
    # Others were recorded under the same version before it had these classes.
    classes = task.checked([]).shape[1]
    kept = [row for row in rows if len(row.probabilities or b"") == 4 * classes]
    outputs = np.frombuffer(b"".join(row.probabilities for row in kept), dtype="<f4")
    return kept, outputs.reshape(len(kept), classes).astype(np.float64)


def rows_at_a_time(task: Task) -> int:
    """Predictions of a task that are looked at together."""
    return NUMBERS_AT_A_TIME // math.prod(task.checked([]).shape[1:])


def label_column(label: Label) -> Column:
    """A label as it stands in the database."""
    return json.dumps(label) if isinstance(label, bool | str) else label


def label_of(column: Column) -> Label:
    """A label from the database."""
    label: Label = json.loads(column) if isinstance(column, str) else column
    return label


def as_label(label: Label, task: Task) -> Column | None:
    """The label as the task has it: 0 or 1, a number, or the text of a class; None if it is none.

    The class of a whole number is its text, however it is written.
    """
    if isinstance(label, str):
        return label if task.label_type is LabelType.CLASS else None
    if task.label_type is LabelType.ZERO_OR_ONE:
        return int(label) if label in (0, 1) else None
    if isinstance(label, bool):
        return None
    if task.label_type is LabelType.NUMBER:
        return float(label)
    return str(int(label)) if float(label).is_integer() else None


def refusal(place: str, label: Label, version: str, task: Task) -> str:
    """Why a label is refused, with field, value and remedy."""
    return f"{place}.label is {label!r}, but version {version} predicts {task.name}: write {task.label_form}"
