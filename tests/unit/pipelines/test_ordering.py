"""Rows put in order in pieces, against sorting all of them at once."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.engines.objects.memory import MemoryObjects
from homeostat_pipelines import columns, materialize, ordering, snapshots
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.ordering import Ordering, ordered
from support.tables import NOON, SOURCE, feature_source, materialize_input, materialized

TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "ab", "b", "ß", "🚀"]))
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "Ä", "é", "🚀", "ﬁ"]),
        st.integers(-2, 2),
        TEXTS,
        st.one_of(st.none(), st.integers(-(2**62), 2**62)),
        st.one_of(st.none(), st.floats(), st.just(-0.0)),
        st.one_of(st.none(), st.booleans()),
    ),
    min_size=1,
    max_size=30,
)
SIZES = st.integers(1, 8)


def without_nan(number: float | None) -> float | None:
    """No column of a type that a spec promises has it."""
    return None if number is None or math.isnan(number) else number


def a_table(rows: list[tuple[Any, ...]]) -> pa.Table:
    values = [list(column) for column in zip(*rows, strict=True)]
    values[1] = [NOON + timedelta(microseconds=late) for late in values[1]]
    schema = snapshots.schema_of(feature_source())
    return pa.table([pa.array(each, field.type) for each, field in zip(values, schema, strict=True)], schema)


@contextmanager
def small(run: int, block: int, blocks: int, fan_in: int = 64, piece: int = 3) -> Iterator[None]:
    """Limits so small that a few rows do not fit."""
    limits = {"RUN_BYTES": run, "BLOCK_BYTES": block, "BLOCKS_BYTES": blocks, "FAN_IN": fan_in}
    with ExitStack() as changed:
        for name, value in limits.items():
            changed.enter_context(mock.patch.object(ordering, name, value))
        for module in (columns, snapshots):
            changed.enter_context(mock.patch.object(module, "rows_per_piece", return_value=piece))
        yield


def in_order(table: pa.Table, size: int, *others: pa.Table) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        rows = Ordering(Path(folder), table.schema)
        for start in range(0, table.num_rows, size):
            rows.add(table.slice(start, size))
        found = list(rows.merged(*(iter(other.to_batches(max_chunksize=size)) for other in others)))
    return pa.concat_tables([table.schema.empty_table(), *found]).combine_chunks()


@given(ROWS, SIZES, st.integers(1, 400), st.integers(1, 200), st.integers(1, 800), st.integers(2, 4))
def test_runs_of_any_size_make_the_order_of_all_rows_together(
    rows: list[tuple[Any, ...]], size: int, run: int, block: int, blocks: int, fan_in: int
) -> None:
    table = a_table([(*row[:4], without_nan(row[4]), row[5]) for row in rows])
    with small(run, block, blocks, fan_in):
        assert in_order(table, size).equals(ordered(table))


@given(ROWS, ROWS, SIZES)
def test_rows_that_are_in_order_already_are_merged_with_those_that_are_not(
    rows: list[tuple[Any, ...]], more: list[tuple[Any, ...]], size: int
) -> None:
    table, other = (a_table([(*row[:4], None, row[5]) for row in each]) for each in (rows, more))
    with small(100, 50, 200):
        found = in_order(table, size, ordered(other))
    assert found.equals(ordered(pa.concat_tables([table, other])))


def test_memory_does_not_grow_with_rows_that_are_all_equal(tmp_path: Path) -> None:
    table = a_table([("a", 0, "x", 1, 1.0, True)] * 1_000)
    with small(table.nbytes // 10, table.nbytes // 200, table.nbytes // 10):
        rows = Ordering(tmp_path, table.schema)
        for start in range(0, 1_000, 10):
            rows.add(table.slice(start, 10))
        greatest = max(piece.num_rows for piece in rows.merged())
    assert greatest <= 200


@given(ROWS, SIZES, SIZES)
def test_a_digest_does_not_depend_on_pieces(rows: list[tuple[Any, ...]], one: int, other: int) -> None:
    table = a_table(rows)
    digests = set()
    for size in (one, other, len(rows)):
        content = snapshots.ContentDigest(table.schema)
        for start in range(0, len(rows), size):
            content.add(table.slice(start, size))
        digests.add(content.value())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [(["ab", "c"], ["a", "bc"]), (["", None], [None, ""]), (["a"], ["a", ""]), ([None], [""])],
)
def test_texts_that_read_the_same_in_a_row_have_different_digests(
    one: list[str | None], other: list[str | None]
) -> None:
    def digest(texts: list[str | None]) -> str:
        table = pa.table({"x": pa.array(texts, pa.string())})
        content = snapshots.ContentDigest(table.schema)
        content.add(table)
        return content.value()

    assert digest(one) != digest(other)


@given(ROWS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 300))
def test_a_source_in_pieces_makes_the_snapshot_that_all_its_rows_at_once_make(
    rows: list[tuple[Any, ...]], files: int, group: int, run: int
) -> None:
    table = a_table(rows)
    source = feature_source(online_ttl_seconds=None)
    wanted, per_file = snapshots.wanted_columns(source), -(-len(rows) // files)
    objects = MemoryObjects()
    for number in range(files):
        sink = pa.BufferOutputStream()
        pq.write_table(table.slice(number * per_file, per_file), sink, row_group_size=group)
        objects.content[f"{SOURCE}{number}.parquet"] = sink.getvalue().to_pybytes()
    expected = ordered(columns.read(objects, sorted(objects.content), wanted, DataWarnings()))
    with small(run, 50, 200), mock.patch.object(materialize, "_publish", return_value=0):
        materialize.run(materialize_input(feature_set=source), objects)
    snapshot = materialized(objects).snapshot
    assert snapshot is not None
    found = pq.read_table(pa.BufferReader(objects.read(snapshot.uri)))
    assert found.equals(expected)
    assert snapshot.rows == len(rows)
    assert snapshot.watermark == max(expected.column("observed_at").to_pylist())
