"""What a training needs of memory: known from its rows and columns before it begins."""

from collections.abc import Mapping

from homeostat.control_groups import memory_limit
from homeostat.reconcile.errors import InvalidData

_PROCESS = 200 * 2**20
"""Bytes of a training of few rows: the interpreter and its libraries."""

_ROW, _CLASS = 80, 32
"""Bytes of a row, and of each class beyond the second (measured)."""

_SAMPLE, _COPY = 200_000, 16
"""Rows that are copied, as a piece on their way into the matrix and by a library to decide on the bins, and bytes of each
of their columns (measured)."""

CELLS: Mapping[str, int] = {
    "hist-gradient-boosting": 9,
    "lightgbm": 8,
    "xgboost": 9,
    "random-forest": 16,
    "extra-trees": 16,
    "linear": 32,
}
"""Bytes of each column of a row by the family of the model: the matrix, its bins, its copies (measured)."""


def check_training(rows: int, columns: int, family: str, classes: int = 2) -> None:
    """Refuses a training that would not fit into the memory of this run.

    Args:
        rows: Rows to train on.
        columns: Columns of the matrix that the model is fitted to: one of a number or a boolean, of a text one of each
            category.
        family: The family of the model.
        classes: How many it tells apart.

    Raises:
        InvalidData: It would not fit; the text says what would.
    """
    limit = memory_limit()
    row, copied = _ROW + _CLASS * max(0, classes - 2) + CELLS[family] * columns, _COPY * columns
    needed = _PROCESS + rows * row + min(rows, _SAMPLE) * copied
    if needed <= limit:
        return
    left = max(0, limit - _PROCESS)
    fitting = max(min(left // (row + copied), _SAMPLE), (left - _SAMPLE * copied) // row)
    raise InvalidData(
        f"a training on {rows:,} rows and {columns:,} columns (one of a number, of a text one of each category) needs about "
        f"{_mebibytes(needed)} of memory, and this run may use {_mebibytes(limit)}, in which {fitting:,} rows fit; raise "
        f"spec.placement.resources.limits.memory to {_mebibytes(needed)}, or train on fewer rows with a shorter "
        "spec.dataset.window or on fewer features"
    )


def _mebibytes(count: int) -> str:
    return f"{-(-count // 2**20)}Mi"
