"""How the labels of a training are read: the task, and which of two texts is 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from homeostat.artifacts.dataset import LABEL
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import TrainInput
from homeostat.tasks import UNNAMED, LabelType, Task, made
from homeostat_pipelines.values import ARROW, ColumnType

_COLUMNS = {
    LabelType.ZERO_OR_ONE: ColumnType.LABEL,
    LabelType.CLASS: ColumnType.CLASS,
    LabelType.NUMBER: ColumnType.NUMBER,
}
_NAMED = 10
"""Texts that a message lists at most."""


@dataclass(frozen=True)
class Labelling:
    """The task of a training, and which of two texts is its label 1."""

    task: Task = UNNAMED
    positive: str = ""

    @staticmethod
    def of(job: TrainInput) -> "Labelling":
        """What a run's input names."""
        return Labelling(made(job.task), job.positive)

    def column(self, *, exported: bool) -> ColumnType:
        """Type of the label column of a file; in exported outcomes, texts are 0 and 1 already."""
        if self.positive and not exported:
            return ColumnType.CLASS
        return _COLUMNS[self.task.label_type]

    def conformed(self, tables: Sequence[pa.Table]) -> list[pa.Table]:
        """The tables with labels of the task: of two texts, the positive one becomes 1.

        Raises:
            InvalidData: There are more than two texts, or none is the positive one.
        """
        texts = [table for table in tables if pa.types.is_string(table.schema.field(LABEL).type)]
        if not self.positive:
            return list(tables)
        found = sorted({text for table in texts for text in pc.unique(table.column(LABEL)).to_pylist()})
        listed = ", ".join(map(repr, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")
        if found and self.positive not in found:
            raise InvalidData(
                f"no label is {self.positive!r}; there are {listed}; correct spec.dataset.target.positive"
            )
        if len(found) > 2:
            raise InvalidData(
                f"labels have {len(found)} texts ({listed}), and a binary classifier has two; leave out the rows of the others, "
                "or train with spec.dataset.target.task MulticlassClassification"
            )
        return [self._as_numbers(table) for table in tables]

    def _as_numbers(self, table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(LABEL)
        labels = table.column(LABEL)
        if not pa.types.is_string(labels.type):
            return table
        return table.set_column(place, LABEL, pc.equal(labels, self.positive).cast(ARROW[ColumnType.LABEL.value]))
