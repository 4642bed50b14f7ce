"""Columns of files as the types that a spec promises: the policy of `homeostat.values` applied to Arrow.

What can be taken without loss is: 1.0 is the whole number 1, 1 and 0 are true and false, a decimal is a number. What a model cannot
take is a missing value and counted; what may be wrong is refused with file, column, row and remedy.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from homeostat.api.common import truncated
from homeostat.api.v1alpha1.featureset import EntityType, FeatureType
from homeostat.reconcile.errors import InvalidData
from homeostat.tasks.binary import BinaryClassification
from homeostat.tasks.multiclass import MulticlassClassification
from homeostat.tasks.regression import Regression
from homeostat.values import EXACT, LARGEST, NUL
from homeostat_pipelines.data_warnings import DataWarnings


class ColumnType(Enum):
    """Types that no feature has."""

    TIME = "Time"
    LABEL = "Label"
    """0 or 1."""
    CLASS = "Class"
    """A label by name."""
    NUMBER = "Number"
    """A label that is a number."""


AnyType = FeatureType | EntityType | ColumnType

TIME = pa.timestamp("us", tz="UTC")
ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "Time": TIME,
    "Label": pa.int8(),
    "Class": pa.string(),
    "Number": pa.float64(),
}
_REMEDY = {
    "String": "write it as text in UTF-8, or declare the type that it has",
    "Int64": "write whole numbers of at most 64 bits as integers, or declare Float64",
    "Float64": "write numbers, or declare String",
    "Bool": "write booleans, or declare the type that it has",
    "Time": "write timestamps of the years 1 to 9999",
    "Label": f"write {BinaryClassification.label_form}, or name the one of two texts that is 1 in spec.dataset.target.positive, "
    "or another task in spec.dataset.target.task",
    "Class": f"write {MulticlassClassification.label_form}",
    "Number": f"write {Regression.label_form}",
}
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999 since 1970: all that Python's times, JSON and databases can hold."""

CLASS_LENGTH = 256
"""Characters of the name of a class."""

SHOWN_LENGTH = 64
"""Characters of a value in a message."""

_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_DAY = 86_400


class Place(NamedTuple):
    """Where values come from, for messages."""

    uri: str
    column: str
    first: int = 0
    """Number of the first of the rows in the file."""

    def __str__(self) -> str:
        return f"column {self.column!r} of {self.uri}"

    def row(self, index: int) -> str:
        """The row of a value, as people find it in the file."""
        return f"row {self.first + index}"


def canonical(place: Place, column: pa.ChunkedArray, kind: AnyType, warnings: DataWarnings) -> pa.ChunkedArray:
    """The column as its canonical type; equal values are the same, and every number is one that a model can take.

    Args:
        place: Where the values come from.
        column: As the file has it.
        kind: What the spec promises.
        warnings: Receives what is taken as missing or changed.

    Raises:
        InvalidData: The column is of another type, or a value is not what it should be.
    """
    target = ARROW[kind.value]
    column = _plain(column)
    if pt.is_null(column.type):
        return column.cast(target)
    if not _fits(column.type, kind.value):
        raise InvalidData(f"{place} is {column.type}, expected {kind.value}; {_REMEDY[kind.value]}")
    if convert := _CONVERT.get(kind.value):
        return convert(place, column, kind, warnings)
    if kind is FeatureType.FLOAT64:
        # Whole numbers beyond 2^53 are rounded: the model rounds to single precision in any case.
        return _finite(place, column.cast(target, safe=False), warnings)
    if pt.is_floating(column.type):
        column = _finite(place, column, warnings)
    return _whole(place, column, kind)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_decimal32(column.type) or pt.is_decimal64(column.type):
        # Casts of Arrow 26 from these to integers fail for values that fit.
        return column.cast(pa.decimal128(column.type.precision, column.type.scale))
    if pt.is_float16(column.type):
        return column.cast(pa.float32())
    return column


def _fits(found: pa.DataType, kind: str) -> bool:
    number = bool(pt.is_integer(found) or pt.is_floating(found) or pt.is_decimal(found))
    match kind:
        case "String":
            return _textual(found)
        case "Class":
            return number or _textual(found)
        case "Int64" | "Float64" | "Number":
            # pandas writes whole numbers with gaps as floats, databases as decimals.
            return number
        case "Bool" | "Label":
            return number or bool(pt.is_boolean(found))
        case _:
            return bool(pt.is_timestamp(found) or pt.is_date(found))


def _textual(found: pa.DataType) -> bool:
    # Hive and Impala write text without its annotation, as bytes.
    texts = (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_binary, pt.is_large_binary)
    return any(is_one(found) for is_one in (*texts, pt.is_binary_view, pt.is_fixed_size_binary))


def _text(place: Place, column: pa.ChunkedArray, kind: AnyType, warnings: DataWarnings) -> pa.ChunkedArray:
    binary = pt.is_binary(column.type) or pt.is_large_binary(column.type) or pt.is_binary_view(column.type)
    if not (binary or pt.is_fixed_size_binary(column.type)):
        # Arrow does not look at the bytes of a file's text before they become Python's.
        column = column.cast(pa.large_binary() if pt.is_large_string(column.type) else pa.binary())
    text = _cast(place, column, "String")
    padded = pc.match_substring(text, NUL)
    if not (count := pc.sum(padded).as_py() or 0):
        return _without_empty(text) if isinstance(kind, EntityType) else text
    if isinstance(kind, EntityType):
        row = pc.index(padded, value=True).as_py()
        raise InvalidData(
            f"{place} has {text[row].as_py()!r} in {place.row(row)}; write entity ids without NUL characters"
        )
    warnings.add(f"Column {place.column!r}: NUL characters removed from texts: {{count}}.", count)
    return pc.replace_substring(text, NUL, "")


def _without_empty(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """No request can name an empty id: it is a missing one."""
    return pc.if_else(pc.equal(ids, ""), pa.scalar(None, pa.string()), ids)


def _classes(place: Place, column: pa.ChunkedArray, kind: AnyType, warnings: DataWarnings) -> pa.ChunkedArray:
    """Names of classes: texts, or whole numbers by their digits; an empty text is a missing one."""
    if not _textual(column.type):
        return _whole(place, _finite(place, column, warnings) if pt.is_floating(column.type) else column, kind)
    names = _without_empty(_text(place, column, kind, warnings))
    long = pc.greater(pc.utf8_length(names), CLASS_LENGTH)
    _refuse(place, names, long, f"but the name of a class has at most {CLASS_LENGTH} characters", kind.value)
    return names


def _numbers(place: Place, column: pa.ChunkedArray, *_: object) -> pa.ChunkedArray:
    """Labels that are numbers: NaN is a missing one, and an infinite one is refused, because no row would predict it."""
    numbers = column.cast(pa.float64(), safe=False)
    beyond = pc.greater(pc.abs(numbers), LARGEST)
    _refuse(place, column, beyond, "which is infinite or beyond 3.4e38", "Number")
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), pc.add(numbers, 0.0))


def _finite(place: Place, column: pa.ChunkedArray, warnings: DataWarnings) -> pa.ChunkedArray:
    """NaN, infinite numbers and those beyond single precision become null, and -0.0 becomes 0.0."""
    beyond = pc.greater(pc.abs(column.cast(pa.float64())), LARGEST)
    if count := pc.sum(beyond).as_py() or 0:
        text = (
            f"Column {place.column!r}: values taken as missing because they are infinite or beyond 3.4e38: {{count}}."
        )
        warnings.add(text, count)
    none = pa.scalar(None, column.type)
    return pc.if_else(pc.or_(beyond, pc.is_nan(column)), none, pc.add(column, pa.scalar(0, column.type)))


def _whole(place: Place, column: pa.ChunkedArray, kind: AnyType) -> pa.ChunkedArray:
    """Whole numbers, booleans, labels of 0 and 1, and classes by number."""
    if pt.is_boolean(column.type):
        return column.cast(ARROW[kind.value])
    if pt.is_floating(column.type):
        size = column.type.bit_width // 8
        skipped = pc.greater(pc.abs(column.cast(pa.float64())), float(EXACT[size]))
        _refuse(place, column, skipped, f"{column.type} skips whole numbers beyond {EXACT[size]}", kind.value)
    if isinstance(kind, EntityType) or kind is FeatureType.INT64:
        return _cast(place, column, kind.value)
    numbers = _cast(place, column, "Int64", kind.value)
    if kind is not ColumnType.CLASS:
        other = pc.invert(pc.is_in(numbers, value_set=pa.array([0, 1, None], pa.int64())))
        _refuse(place, column, other, f"expected {kind.value}", kind.value)
    return numbers.cast(ARROW[kind.value])


def _times(place: Place, column: pa.ChunkedArray, *_: object) -> pa.ChunkedArray:
    """Times in UTC; one without a zone is taken as UTC, and a finer one is cut to microseconds."""
    if pt.is_date32(column.type):
        ticks, per_second = pc.multiply(column.cast(pa.int32()).cast(pa.int64()), _DAY), 1
    else:
        ticks = column.cast(pa.int64())
        per_second = _TICKS["ms"] if pt.is_date64(column.type) else _TICKS.get(column.type.unit, 0)
    if per_second:  # nanoseconds end in the year 2262
        first, last = _FIRST_SECOND * per_second, _LAST_SECOND * per_second + per_second - 1
        wrong = pc.or_(pc.less(ticks, first), pc.greater(ticks, last))
        if pc.any(wrong).as_py():
            row = pc.index(wrong, value=True).as_py()
            raise InvalidData(f"{place} has a time beyond the years 1 to 9999 in {place.row(row)}; {_REMEDY['Time']}")
    return column.cast(TIME, safe=False)


def _refuse(place: Place, column: pa.ChunkedArray, wrong: pa.ChunkedArray, why: str, kind: str) -> None:
    if pc.any(wrong).as_py():
        row = pc.index(wrong, value=True).as_py()
        shown = truncated(str(column[row].as_py()), SHOWN_LENGTH)
        raise InvalidData(f"{place} is {column.type} and has {shown} in {place.row(row)}, {why}; {_REMEDY[kind]}")


def _cast(place: Place, column: pa.ChunkedArray, kind: str, promised: str = "") -> pa.ChunkedArray:
    """The column as the type `kind`, which is a step on the way to the promised one where that is given."""
    try:
        return column.cast(ARROW[kind])
    except pa.ArrowInvalid as error:
        row, promised = _first_failing(column, ARROW[kind]), promised or kind
        raise InvalidData(
            f"{place} is {column.type} and has {column[row].as_py()!r} in {place.row(row)}, expected {promised}; "
            f"{_REMEDY[promised]}"
        ) from error


def _first_failing(column: pa.ChunkedArray, target: pa.DataType) -> int:
    """The first row whose cast fails, by bisection: Arrow's errors do not name it."""
    first, end = 0, len(column)
    while end - first > 1:
        middle = (first + end) // 2
        try:
            column.slice(first, middle - first).cast(target)
        except pa.ArrowInvalid:
            end = middle
        else:
            first = middle
    return first


_CONVERT: Mapping[str, Callable[[Place, pa.ChunkedArray, AnyType, DataWarnings], pa.ChunkedArray]] = {
    "String": _text,
    "Time": _times,
    "Class": _classes,
    "Number": _numbers,
}
"""By type of column, where numbers have no part in it or are taken in a way of its own."""
