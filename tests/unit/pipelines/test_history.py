"""The row of an entity known at a time, against a search through all rows."""

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines import snapshots
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import History, NotOrdered
from homeostat_pipelines.join import join
from homeostat_pipelines.materialize import _rows
from support.tables import NOON, SNAPSHOT, feature_source, parquet

MOMENT = pa.timestamp("us", tz="UTC")
SHORT = {"ttl_seconds": 5}
ROW = st.tuples(
    st.sampled_from("abc"), st.integers(0, 9), st.one_of(st.none(), st.sampled_from(["month", "year"])),
    st.one_of(st.none(), st.integers(-1, 1)),
)  # fmt: skip
ASKED = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(-1, 20)), min_size=1, max_size=8, unique_by=lambda a: a[0]
)

Row = tuple[str, int, str | None, int | None]


def a_table(rows: list[Row]) -> pa.Table:
    keys, seconds, contracts, tenures = (list(column) for column in zip(*rows, strict=True))
    return pa.table(
        {
            "customer_id": pa.array(keys, pa.string()),
            "observed_at": pa.array([NOON + timedelta(seconds=second) for second in seconds], MOMENT),
            "contract": pa.array(contracts, pa.string()),
            "tenure": pa.array(tenures, pa.int64()),
            "charge": pa.nulls(len(rows), pa.float64()),
            "paperless": pa.nulls(len(rows), pa.bool_()),
        }
    )


def known(rows: list[Row], key: str, second: int, ttl: int) -> Row | None:
    """The rule in plain words: the latest row that is not later; of one time the greatest, missing values least."""

    def rank(row: Row) -> tuple[Any, ...]:
        return (row[1], row[2] is not None, row[2] or "", row[3] is not None, row[3] or 0)

    past = [row for row in rows if row[0] == key and row[1] <= second]
    newest = max(past, key=rank, default=None)
    return newest if newest is not None and second - newest[1] <= ttl else None


def label_rows(asked: list[tuple[str, int]]) -> pa.Table:
    keys, seconds = zip(*asked, strict=True)
    times = pa.array([NOON + timedelta(seconds=second) for second in seconds], MOMENT)
    return pa.table({"customer_id": list(keys), TIME: times, LABEL: pa.array([1] * len(asked), pa.int8())})


@given(st.lists(ROW, min_size=1, max_size=20), ASKED)
def test_the_join_finds_what_a_search_through_all_rows_finds_in_whichever_order_files_hold_them(
    rows: list[Row], asked: list[tuple[str, int]]
) -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(snapshots.ordered(a_table(rows)))})
    expected = {key: known(rows, key, second, 5) for key, second in asked}
    features = {key: row[2:] for key, row in expected.items() if row is not None and row[2:] != (None, None)}
    if not features:
        with pytest.raises(InvalidData, match="labels has features known"):
            join(objects, [feature_source(**SHORT)], label_rows(asked), DataWarnings())
        return
    table = join(objects, [feature_source(**SHORT)], label_rows(asked), DataWarnings())
    found = zip(*(table.column(name).to_pylist() for name in ("customer_id", "contract", "tenure")), strict=True)
    assert {key: tuple(values) for key, *values in found} == features


@given(st.lists(ROW, min_size=1, max_size=20), st.integers(-1, 10))
def test_training_and_online_store_take_the_same_row_of_an_entity_at_any_time(rows: list[Row], second: int) -> None:
    table = snapshots.ordered(a_table(rows))
    history = History(table.column("customer_id"), table.column("observed_at"))
    online = {
        key: (time, *values)
        for key, time, values in _rows(table.take(history.known_at(NOON + timedelta(seconds=second))), feature_source())
    }
    keys = pa.chunked_array([sorted({row[0] for row in rows})])
    at = pa.chunked_array([pa.array([NOON + timedelta(seconds=second)] * len(keys), MOMENT)])
    trained = table.take(history.rows_at(keys, at, 60).drop_null())
    assert online == {key: (time, *values) for key, time, values in _rows(trained, feature_source())}


@given(st.lists(ROW, min_size=1, max_size=12), ASKED)
def test_times_too_far_apart_for_one_number_give_the_same_rows(rows: list[Row], asked: list[tuple[str, int]]) -> None:
    table, labels = snapshots.ordered(a_table(rows)), label_rows(asked)
    near = History(table.column("customer_id"), table.column("observed_at"))
    # Nine seconds become 114,000 years, and two entities over that time have no room in one number.
    scaled, wanted = (
        pa.chunked_array([pa.array(column.cast(pa.int64()).to_numpy() * factor, pa.int64()).cast(MOMENT)])
        for column, factor in (
            (_since_noon(table.column("observed_at")), 4 * 10**11),
            (_since_noon(labels.column(TIME)), 4 * 10**11),
        )
    )
    far = History(table.column("customer_id"), scaled)
    keys = labels.column("customer_id")
    assert far.rows_at(keys, wanted, 9 * 10**12) == near.rows_at(keys, labels.column(TIME), 9 * 10**12)


def _since_noon(times: pa.ChunkedArray) -> pa.ChunkedArray:
    micros = times.cast(pa.int64()).to_numpy() - int(NOON.timestamp() * 1_000_000)
    return pa.chunked_array([pa.array(micros)])


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1]])
def test_rows_that_are_not_ordered_by_entity_and_time_are_refused(order: list[int]) -> None:
    table = snapshots.ordered(a_table([("a", 0, None, 1), ("a", 1, None, 1), ("b", 0, None, 1)])).take(pa.array(order))
    with pytest.raises(NotOrdered):
        History(table.column("customer_id"), table.column("observed_at"))
    objects = MemoryObjects({SNAPSHOT: parquet(table)})
    with pytest.raises(InvalidData, match=r"is not ordered by entity and time.*materialise it again"):
        join(objects, [feature_source()], label_rows([("a", 5)]), DataWarnings())


def test_a_snapshot_without_a_feature_of_the_spec_is_named_with_the_feature() -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(a_table([("a", 0, None, 1)]).drop_columns(["charge"]))})
    with pytest.raises(InvalidData, match=r"feature set customers has no column 'charge'; materialise it again"):
        join(objects, [feature_source()], label_rows([("a", 5)]), DataWarnings())
