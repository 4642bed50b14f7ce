"""The policy of docs/values.md where files are read, and in what a training makes of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from homeostat.api.common import MESSAGE_LIMIT
from homeostat.api.v1alpha1.featureset import EntityType, FeatureType
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines import columns
from homeostat_pipelines.data_warnings import DataWarnings, bounded
from homeostat_pipelines.signature import feeds, signature_of
from homeostat_pipelines.values import AnyType, ColumnType
from support.tables import parquet, train_input

FILE = "s3://homeostat/raw/part-0.parquet"
SENTINEL = datetime(9999, 12, 31, tzinfo=UTC)


def read(
    column: pa.Array, kind: AnyType, content: Callable[[pa.Table], bytes] = parquet
) -> tuple[list[Any], list[str]]:
    """The values, and what is said about them."""
    warnings = DataWarnings()
    objects = MemoryObjects({FILE: content(pa.table({"x": column}))})
    return columns.read(objects, [FILE], {"x": kind}, warnings).column("x").to_pylist(), warnings.listed()


def mislabelled(texts: list[bytes]) -> pa.Array:
    """Text whose bytes are not UTF-8, as programs write it that do not look at their encoding."""
    as_bytes = pa.array(texts, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(texts), as_bytes.buffers())


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("beyond", [float("inf"), float("-inf"), 1e39, -1e300])
def test_numbers_that_single_precision_cannot_hold_are_missing_and_counted(beyond: float, kind: pa.DataType) -> None:
    values, warnings = read(pa.array([1.5, beyond, None], pa.float64()).cast(kind), FeatureType.FLOAT64)
    assert values == [1.5, None, None]
    assert warnings == ["Column 'x': values taken as missing because they are infinite or beyond 3.4e38: 1."]


def test_the_largest_number_of_single_precision_is_a_number() -> None:
    largest = float(np.finfo(np.float32).max)
    assert read(pa.array([largest, -largest]), FeatureType.FLOAT64) == ([largest, -largest], [])


def test_nan_is_missing_and_nothing_is_said_about_it() -> None:
    assert read(pa.array([float("nan"), 1.0]), FeatureType.FLOAT64) == ([None, 1.0], [])


def test_an_infinite_number_among_whole_ones_is_missing_and_counted() -> None:
    values, warnings = read(pa.array([1.0, float("inf")]), FeatureType.INT64)
    assert (values, len(warnings)) == ([1, None], 1)


def test_counts_of_several_files_are_added_up() -> None:
    warnings = DataWarnings()
    content = parquet(pa.table({"x": [1.0, float("inf")]}))
    objects = MemoryObjects({FILE: content, f"{FILE}2": content})
    columns.read(objects, [FILE, f"{FILE}2"], {"x": FeatureType.FLOAT64}, warnings)
    assert [text[-3:] for text in warnings.listed()] == [" 2."]


@pytest.mark.parametrize("kind", [FeatureType.INT64, EntityType.INT64])
@pytest.mark.parametrize("precision", [38, 9, 4])
def test_a_decimal_without_fraction_is_a_whole_number(kind: AnyType, precision: int) -> None:
    assert read(pa.array([Decimal(7), None], pa.decimal128(precision, 0)), kind) == ([7, None], [])
    assert read(pa.array([Decimal("7.00")], pa.decimal128(precision, 2)), kind) == ([7], [])


@pytest.mark.parametrize("value", ["7.5", "12345678901234567890"])
def test_a_decimal_that_is_no_whole_number_of_64_bits_is_refused_with_its_row(value: str) -> None:
    with pytest.raises(
        InvalidData, match=r"column 'x' of .* has Decimal\('.*'\) in row 1, expected Int64; write whole"
    ):
        read(pa.array([Decimal(7), Decimal(value)], pa.decimal128(38, 2)), FeatureType.INT64)


def test_a_decimal_is_a_number_and_a_label() -> None:
    assert read(pa.array([Decimal("7.25")]), FeatureType.FLOAT64) == ([7.25], [])
    assert read(pa.array([Decimal(1)], pa.decimal128(38, 0)), ColumnType.LABEL) == ([1], [])


def test_whole_numbers_of_64_bits_are_kept_to_the_last_digit_beside_gaps() -> None:
    assert read(pa.array([2**53 + 1, None, -(2**63)]), FeatureType.INT64) == ([2**53 + 1, None, -(2**63)], [])


@pytest.mark.parametrize(("kind", "limit"), [(pa.float64(), 2**53), (pa.float32(), 2**24)])
def test_whole_numbers_written_as_floats_that_skip_some_are_refused(kind: pa.DataType, limit: int) -> None:
    assert read(pa.array([float(limit)], kind), EntityType.INT64)[0] == [limit]
    with pytest.raises(InvalidData, match=f"in row 1, (float|double) skips whole numbers beyond {limit}; write whole"):
        read(pa.array([1.0, limit * 2.0], kind), EntityType.INT64)


def test_whole_numbers_beyond_2_to_53_are_rounded_where_the_spec_promises_floats() -> None:
    assert read(pa.array([2**53 + 1]), FeatureType.FLOAT64) == ([float(2**53)], [])


def test_an_unsigned_number_beyond_64_bits_is_refused_with_its_row() -> None:
    with pytest.raises(InvalidData, match="has 9223372036854775808 in row 1, expected Int64"):
        read(pa.array([1, 2**63], pa.uint64()), FeatureType.INT64)


@pytest.mark.parametrize("column", [[1, 0, None], [1.0, 0.0, float("nan")], [Decimal(1), Decimal(0), None]])
def test_ones_and_zeros_are_true_and_false(column: list[Any]) -> None:
    assert read(pa.array(column), FeatureType.BOOL) == ([True, False, None], [])


def test_another_number_is_no_boolean() -> None:
    with pytest.raises(InvalidData, match="is int64 and has 2 in row 1, expected Bool; write booleans"):
        read(pa.array([1, 2]), FeatureType.BOOL)


def test_nul_characters_are_removed_from_text_and_counted() -> None:
    values, warnings = read(pa.array(["DSL\0\0", "fi\0bre", None, "DSL"]), FeatureType.STRING)
    assert values == ["DSL", "fibre", None, "DSL"]
    assert warnings == ["Column 'x': NUL characters removed from texts: 2."]


def test_an_entity_id_with_nul_characters_is_refused_with_its_row() -> None:
    with pytest.raises(InvalidData, match=r"has 'c\\x001' in row 1; write entity ids without NUL characters"):
        read(pa.array(["a", "c\x001"]), EntityType.STRING)


def test_an_empty_entity_id_is_a_missing_one() -> None:
    assert read(pa.array(["", "a"]), EntityType.STRING)[0] == [None, "a"]


def test_text_that_is_not_utf_8_is_refused_with_its_row() -> None:
    with pytest.raises(InvalidData, match=r"has b'caf\\xe9' in row 2, expected String; write it as text in UTF-8"):
        read(mislabelled([b"tea", b"milk", b"caf\xe9"]), FeatureType.STRING)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.large_string(), pa.binary(3)])
def test_text_is_taken_in_every_form_that_writers_have(kind: pa.DataType) -> None:
    assert read(pa.array([b"tea", None], kind), FeatureType.STRING) == (["tea", None], [])


def test_a_naive_time_is_utc_and_another_zone_is_converted() -> None:
    noon = datetime(2026, 3, 2, 12)  # noqa: DTZ001 - what is tested
    expected: tuple[list[Any], list[str]] = ([noon.replace(tzinfo=UTC)], [])
    assert read(pa.array([noon]), ColumnType.TIME) == expected
    assert read(pa.array([noon], pa.timestamp("ns")), ColumnType.TIME) == expected
    berlin = pa.array([noon.replace(tzinfo=UTC)], pa.timestamp("ms", tz="Europe/Berlin"))
    assert read(berlin, ColumnType.TIME) == expected


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("ms"), pa.timestamp("us", tz="UTC")])
def test_the_last_day_of_the_calendar_is_a_time(kind: pa.DataType) -> None:
    assert read(pa.array([date(9999, 12, 31)], pa.date32()).cast(kind), ColumnType.TIME) == ([SENTINEL], [])


def test_the_last_day_of_the_calendar_is_a_time_in_sparks_old_form() -> None:
    def content(table: pa.Table) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, use_deprecated_int96_timestamps=True)
        return bytes(sink.getvalue())

    assert read(pa.array([SENTINEL]), ColumnType.TIME, content) == ([SENTINEL], [])


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("ms"), pa.timestamp("us", tz="UTC")])
@pytest.mark.parametrize("day", [3_000_000, -800_000])
def test_a_time_beyond_the_calendar_is_refused_with_its_row(kind: pa.DataType, day: int) -> None:
    per_day = {"date32[day]": 1, "timestamp[us, tz=UTC]": 86_400_000_000}.get(str(kind), 86_400_000)
    storage = pa.int32() if kind == pa.date32() else pa.int64()
    column = pa.array([0, day * per_day], storage).view(kind)
    with pytest.raises(InvalidData, match="has a time beyond the years 1 to 9999 in row 1; write timestamps of the"):
        read(column, ColumnType.TIME)


def test_a_column_that_is_twice_there_is_refused_by_name() -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(InvalidData, match="has 2 columns 'x'; rename all but one of them"):
        columns.read(MemoryObjects({FILE: parquet(twice)}), [FILE], {"x": FeatureType.INT64}, DataWarnings())


def test_a_nested_column_is_of_another_type() -> None:
    with pytest.raises(InvalidData, match="is struct<a: int64>, expected Int64"):
        read(pa.array([{"a": 1}]), FeatureType.INT64)


def test_a_model_is_fed_a_missing_value_where_an_older_dataset_has_an_infinite_one() -> None:
    source = train_input().feature_sets[0]
    signature = signature_of(train_input(feature_sets=[source.model_copy(update={"features": source.features[2:3]})]))
    fed = feeds(pa.table({"charge": [1e39, float("inf"), 2.0]}), signature.inputs)
    assert [str(value) for value in fed["charge"][:, 0]] == ["nan", "nan", "2.0"]


def test_no_more_sentences_are_listed_than_a_status_has_room_for_and_no_kind_of_them_is_lost() -> None:
    warnings = DataWarnings()
    for number in range(20):
        warnings.add(f"Column 'c{number}': NUL characters removed from texts: {{count}}.", 1_000 + number)
        warnings.add(f"Labels in s3://b/{number} left out because entity, time or value is missing: {{count}}.", 3)
    warnings.add("Labels left out because their entity has a newer one: {count} of 7.", 1)
    warnings.add("nothing: {count}", 0)
    tail = "14 more; the run's log has them."
    uris = ", ".join(f"s3://b/{number}" for number in range(1, 6))
    likewise = "Likewise, each with its own numbers, of"
    assert warnings.listed() == [
        f"Column 'c0': NUL characters removed from texts: 1,000. {likewise} 'c1', 'c2', 'c3', 'c4', 'c5', {tail}",
        f"Labels in s3://b/0 left out because entity, time or value is missing: 3. {likewise} {uris}, {tail}",
        "Labels left out because their entity has a newer one: 1 of 7.",
    ]


def test_more_kinds_of_sentences_than_a_status_has_room_for_are_counted() -> None:
    listed = bounded([f"Kind {letter}." for letter in "abcdefghijklmnopqrst"])
    assert (len(listed), listed[-1]) == (16, "There are 5 more kinds of warnings; the run's log has them.")


def test_sixteen_sentences_stay_as_they_are_and_a_long_name_does_not_crowd_out_the_sentence() -> None:
    sentences = [f"Column {'n' * 900 + str(number)!r}: 1." for number in range(17)]
    assert bounded(sentences[:16]) == sentences[:16]
    (merged,) = bounded(sentences)
    assert merged.endswith("11 more; the run's log has them.")
    assert len(merged) == MESSAGE_LIMIT
