"""Columns as programs write them, each with the values that they stand for; REFUSED where only an error is right."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from support.tables import NOON

REFUSED: list[Any] = []
Drawn = np.random.Generator
Recipe = Callable[[Drawn, int], tuple[pa.Array, list[Any]]]
"""Draws a column of so many rows."""

BEYOND = [float("inf"), float("-inf"), 1e39, -1e300, float("nan")]


def _gaps(draw: Drawn, values: list[Any], instead: list[Any]) -> tuple[list[Any], list[bool]]:
    """The values, with some of `instead` in their place, and which these are."""
    gaps = [bool(draw.random() < 0.1) for _ in values]
    return [instead[draw.integers(len(instead))] if gap else v for gap, v in zip(gaps, values, strict=True)], gaps


def _mixed(kind: pa.DataType, instead: list[Any], values: Callable[[Drawn, int], list[Any]]) -> Recipe:
    """Good values with missing ones between them."""

    def recipe(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
        column, gaps = _gaps(draw, values(draw, count), instead)
        array = pa.array(column, kind)
        read = array.to_pylist() if pa.types.is_floating(kind) else column  # single precision rounds
        return array, [None if gap else value for gap, value in zip(gaps, read, strict=True)]

    return recipe


def _refused(kind: pa.DataType, good: Any, wrong: Any) -> Recipe:
    def recipe(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
        column = [good] * count
        column[int(draw.integers(count))] = wrong
        return pa.array(column, kind), REFUSED

    return recipe


def _encoded(inner: Recipe) -> Recipe:
    """The same as codes and a dictionary."""

    def recipe(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
        array, expected = inner(draw, count)
        return array.dictionary_encode(), expected

    return recipe


def _missing(kind: pa.DataType) -> Recipe:
    return lambda _, count: (pa.nulls(count, kind), [None] * count)


def _padded(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
    texts = [["DSL", "fibre", "cable"][number] for number in draw.integers(0, 3, count)]
    return pa.array([f"{text}\0\0" if draw.random() < 0.5 else text for text in texts]), texts


def _mislabelled(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
    texts = [b"tea"] * count
    texts[int(draw.integers(count))] = b"caf\xe9"
    return pa.Array.from_buffers(pa.string(), count, pa.array(texts, pa.binary()).buffers()), REFUSED


def _normal(draw: Drawn, count: int) -> list[Any]:
    return [float(v) for v in draw.normal(60, 20, count)]


def _heavy(draw: Drawn, count: int) -> list[Any]:
    return [float(v) for v in draw.standard_cauchy(count) * 10.0 ** draw.integers(-30, 30)]


def _whole(most: int) -> Callable[[Drawn, int], list[Any]]:
    return lambda draw, count: [int(v) for v in draw.integers(-most, most, count)]


def _words(draw: Drawn, count: int) -> list[Any]:
    words = ["month", "year", "🚀", "__null__", "NaN", "x" * 400, "a'b\"c", " ", "homeostat.0", "1.0", "ß\u200b"]
    return [words[number] for number in draw.integers(0, len(words), count)]


def _many(draw: Drawn, count: int) -> list[Any]:
    return [f"word {number}" for number in draw.permutation(count)]


def _flags(draw: Drawn, count: int) -> list[Any]:
    return [bool(v) for v in draw.integers(0, 2, count)]


def _ones(kind: Callable[[Any], Any], arrow: pa.DataType) -> Recipe:
    def recipe(draw: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
        flags = _flags(draw, count)
        return pa.array([kind(flag) for flag in flags], arrow), flags

    return recipe


def _decimals(draw: Drawn, count: int) -> list[Any]:
    return [Decimal(int(v)) for v in draw.integers(-999, 999, count)]


FEATURES: dict[str, list[Recipe]] = {
    "Float64": [
        _mixed(pa.float64(), [None, *BEYOND], _normal),
        _mixed(pa.float32(), [None, float("nan"), float("inf")], _normal),
        _mixed(pa.float16(), [None, float("nan"), float("inf")], _normal),
        _mixed(pa.float64(), [None], _heavy),
        _mixed(pa.int64(), [None], _whole(2**40)),
        _mixed(pa.decimal128(20, 0), [None], _decimals),
        _encoded(_mixed(pa.float64(), [None], _normal)),
        _mixed(pa.float64(), [None], lambda _, count: [0.0] * count),
        _missing(pa.float64()),
        _missing(pa.null()),
        _refused(pa.string(), "1", "2"),
        _refused(pa.bool_(), True, False),
    ],
    "Int64": [
        _mixed(pa.int64(), [None], _whole(2**62)),
        _mixed(pa.int8(), [None], _whole(100)),
        _mixed(pa.uint64(), [None], lambda draw, count: [int(v) for v in draw.integers(0, 9, count)]),
        _mixed(pa.float64(), [None, float("nan"), float("inf")], lambda d, n: [float(v) for v in _whole(2**53)(d, n)]),
        _mixed(pa.decimal128(38, 0), [None], _decimals),
        _missing(pa.int64()),
        _refused(pa.float64(), 1.0, 2.5),
        _refused(pa.float64(), 1.0, 2.0**60),
        _refused(pa.uint64(), 1, 2**63),
        _refused(pa.decimal128(38, 1), Decimal(1), Decimal("1.5")),
        _refused(pa.string(), "1", "2"),
        _refused(pa.timestamp("us"), NOON, NOON),
    ],
    "Bool": [
        _mixed(pa.bool_(), [None], _flags),
        _ones(int, pa.int64()),
        _ones(float, pa.float64()),
        _missing(pa.bool_()),
        _refused(pa.int64(), 1, 2),
        _refused(pa.string(), "true", "false"),
    ],
    "String": [
        _mixed(pa.string(), [None], _words),
        _mixed(pa.large_string(), [None], _many),
        _encoded(_mixed(pa.string(), [None], _words)),
        _mixed(pa.string(), [None], lambda _, count: ["one"] * count),
        _missing(pa.string()),
        _padded,
        _mislabelled,
        _refused(pa.int64(), 1, 2),
        _refused(pa.list_(pa.string()), ["a"], ["b"]),
    ],
}
"""Recipes by the type that the spec promises."""


def _times(kind: pa.DataType, moment: datetime) -> Recipe:
    def recipe(_: Drawn, count: int) -> tuple[pa.Array, list[Any]]:
        array = pa.array([moment] * count, pa.timestamp("us", tz="UTC")).cast(kind)
        return array, [moment] * count

    return recipe


TIMES: list[Recipe] = [
    _times(pa.timestamp("us", tz="UTC"), NOON - timedelta(hours=2)),
    _times(pa.timestamp("ns"), NOON - timedelta(hours=2)),
    _times(pa.timestamp("ms", tz="Asia/Kathmandu"), NOON - timedelta(hours=2)),
    _times(pa.date32(), NOON - timedelta(hours=12)),
    _refused(pa.int64(), 1, 2),
    _refused(pa.timestamp("us"), NOON, None),
]

ZEROS_AND_ONES: list[Recipe] = [
    _ones(int, pa.int64()),
    _ones(float, pa.float64()),
    _ones(bool, pa.bool_()),
    _ones(Decimal, pa.decimal128(38, 0)),
    _mixed(pa.float64(), [None, float("nan")], lambda draw, count: [float(v) for v in draw.integers(0, 2, count)]),
    _refused(pa.int64(), 1, 2),
    _refused(pa.string(), "Yes", "No"),
    _refused(pa.float64(), 0.0, 0.5),
]


def _two_words(draw: Drawn, count: int) -> list[Any]:
    return [str(word) for word in draw.choice(["Yes", "No"], count)]


TEXTS: list[Recipe] = [
    _mixed(pa.string(), [None, ""], _two_words),
    _encoded(_mixed(pa.large_string(), [None], _two_words)),
    _mixed(pa.binary(), [None], lambda draw, count: [word.encode() for word in _two_words(draw, count)]),
    _refused(pa.string(), "Yes", "Perhaps"),
    _refused(pa.bool_(), True, False),
    lambda draw, count: (pa.array(draw.choice(["yes", "no"], count).tolist()), REFUSED),
    lambda draw, count: (pa.array(draw.choice(["Yes", "No", "?"], count).tolist()), REFUSED),
]
"""Of which "Yes" is the positive one."""

CLASSES: list[Recipe] = [
    _mixed(pa.string(), [None, ""], _words),
    _mixed(pa.large_string(), [None], _many),
    _encoded(_mixed(pa.string(), [None], _words)),
    _mixed(pa.int64(), [None], lambda draw, count: [int(v) for v in draw.integers(-3, 9, count)]),
    _mixed(pa.float64(), [None, float("nan")], lambda draw, count: [float(v) for v in draw.integers(0, 4, count)]),
    _mixed(pa.decimal128(38, 0), [None], lambda draw, count: [Decimal(int(v)) for v in draw.integers(0, 4, count)]),
    _padded,
    _mislabelled,
    _refused(pa.bool_(), True, False),
    _refused(pa.float64(), 0.0, 0.5),
    _refused(pa.string(), "a", "b" * 300),
    _refused(pa.list_(pa.string()), ["a"], ["b"]),
]

AMOUNTS: list[Recipe] = [
    _mixed(pa.float64(), [None, float("nan")], _normal),
    _mixed(pa.float32(), [None, float("nan")], _normal),
    _mixed(pa.float64(), [None], _heavy),
    _mixed(pa.int64(), [None], _whole(2**40)),
    _mixed(pa.decimal128(20, 0), [None], _decimals),
    _mixed(pa.float64(), [None], lambda draw, count: [float(v) for v in draw.choice([0.0, 1e30, -1e-30], count)]),
    _refused(pa.float64(), 1.0, float("inf")),
    _refused(pa.float64(), 1.0, -1e39),
    _refused(pa.string(), "1", "2"),
    _refused(pa.bool_(), True, False),
]

LABELS: dict[tuple[str, str], list[Recipe]] = {
    ("BinaryClassification", ""): ZEROS_AND_ONES,
    ("BinaryClassification", "Yes"): TEXTS,
    ("MulticlassClassification", ""): CLASSES,
    ("Regression", ""): AMOUNTS,
}
"""By task and positive text."""
