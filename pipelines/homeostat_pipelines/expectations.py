"""Demands on every row of a source."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from homeostat.api.v1alpha1.featureset import Expectation, Rule, Severity
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import ExpectationOutcome


class Checks:
    """How each expectation fares on conformed columns; a missing value fails NotNull and nothing else.

    Args:
        expectations: The demands.
        entity: Column of the keys, which name the example of a message.
    """

    def __init__(self, expectations: Sequence[Expectation], entity: str) -> None:
        self._expectations = expectations
        self._entity = entity
        self._failures = [0] * len(expectations)
        self._examples = [""] * len(expectations)
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        """Takes the next rows in.

        Raises:
            InvalidData: A rule does not fit the type of its column.
        """
        self._rows += table.num_rows
        for number, expectation in enumerate(self._expectations):
            column = table.column(expectation.feature)
            wrong = pc.fill_null(_wrong(column, expectation), expectation.rule is Rule.NOT_NULL)
            if not (failures := pc.sum(wrong).as_py()):
                continue
            if not self._failures[number]:
                row = pc.index(wrong, True).as_py()
                value, key = column[row].as_py(), table.column(self._entity)[row].as_py()
                self._examples[number] = f"{value!r} of {self._entity} {key!r}"
            self._failures[number] += failures

    def outcomes(self) -> list[ExpectationOutcome]:
        """Of the rows so far."""
        return [
            ExpectationOutcome(
                feature=expectation.feature,
                rule=expectation.rule,
                severity=expectation.severity,
                failures=failures,
                message=f"{expectation.feature}: {failures} of {self._rows} rows fail {_description(expectation)}, "
                f"for example {example}"
                if failures
                else "",
            )
            for expectation, failures, example in zip(self._expectations, self._failures, self._examples, strict=True)
        ]


def blocked(outcomes: Sequence[ExpectationOutcome]) -> bool:
    """Whether the previous snapshot stays in service."""
    return any(o.failures and o.severity == Severity.BLOCK for o in outcomes)


def _wrong(column: pa.ChunkedArray, expectation: Expectation) -> pa.ChunkedArray:
    match expectation.rule:
        case Rule.NOT_NULL:
            return pc.is_null(column)
        case Rule.RANGE:
            return _outside(column, expectation)
        case Rule.ONE_OF:
            allowed = _parsed(expectation.values or [], column.type, expectation)
            return pc.and_not(pc.is_valid(column), pc.is_in(column, value_set=allowed))


def _outside(column: pa.ChunkedArray, expectation: Expectation) -> pa.ChunkedArray:
    if not (pt.is_integer(column.type) or pt.is_floating(column.type)):
        raise InvalidData(
            f"expectation Range on {expectation.feature}: its type is {column.type}, expected a number; use OneOf"
        )
    below, above = pa.scalar(False), pa.scalar(False)
    if expectation.min is not None:
        below = pc.less(column, float(expectation.min))
    if expectation.max is not None:
        above = pc.greater(column, float(expectation.max))
    return pc.or_(below, above)


def _parsed(values: list[str], kind: pa.DataType, expectation: Expectation) -> pa.Array:
    try:
        return pa.array(values, pa.string()).cast(kind)
    except pa.ArrowInvalid as error:
        raise InvalidData(
            f"expectation OneOf on {expectation.feature}: values {values} are not all {kind} ({error}); "
            "write values of the feature's type"
        ) from error


def _description(expectation: Expectation) -> str:
    match expectation.rule:
        case Rule.NOT_NULL:
            return "NotNull"
        case Rule.RANGE:
            return f"Range [{expectation.min or '-∞'}, {expectation.max or '∞'}]"
        case Rule.ONE_OF:
            return f"OneOf {', '.join(expectation.values or [])}"
