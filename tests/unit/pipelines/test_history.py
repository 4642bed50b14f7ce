"""The row of an entity known at a time, against a search through all rows."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.artifacts.dataset import LABEL, TIME
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import History, NotOrdered, known_at
from homeostat_pipelines.join import join
from homeostat_pipelines.materialize import _rows
from homeostat_pipelines.ordering import ordered
from homeostat_pipelines.snapshots import ContentDigest
from support.tables import NOON, SNAPSHOT, customers, feature_source, parquet

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


def joined(objects: MemoryObjects, labels: pa.Table, **source: Any) -> pa.Table:
    return pa.concat_tables(join(objects, [feature_source(**source)], labels, DataWarnings()))


def history_of(table: pa.Table, size: int = 1_000) -> History:
    """The history of rows that come so many at a time."""
    batches = table.to_batches(max_chunksize=size)
    return History(table.num_rows, [(batch.column("customer_id"), batch.column("observed_at")) for batch in batches])


@given(st.lists(ROW, min_size=1, max_size=20), ASKED)
def test_the_join_finds_what_a_search_through_all_rows_finds_in_whichever_order_files_hold_them(
    rows: list[Row], asked: list[tuple[str, int]]
) -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(ordered(a_table(rows)))})
    expected = {key: known(rows, key, second, 5) for key, second in asked}
    features = {key: row[2:] for key, row in expected.items() if row is not None and row[2:] != (None, None)}
    if not features:
        with pytest.raises(InvalidData, match="labels has features known"):
            joined(objects, label_rows(asked), **SHORT)
        return
    table = joined(objects, label_rows(asked), **SHORT)
    found = zip(*(table.column(name).to_pylist() for name in ("customer_id", "contract", "tenure")), strict=True)
    assert {key: tuple(values) for key, *values in found} == features


@given(
    st.lists(ROW, min_size=1, max_size=20),
    st.sets(st.tuples(st.sampled_from("abcd"), st.integers(-1, 20)), min_size=1, max_size=12),
)
def test_a_panel_joins_each_label_with_the_row_known_at_its_time(rows: list[Row], asked: set[tuple[str, int]]) -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(ordered(a_table(rows)))})
    found = ((key, second, known(rows, key, second, 5)) for key, second in sorted(asked))
    expected = [(key, second, *row[2:]) for key, second, row in found if row is not None and row[2:] != (None, None)]
    if not expected:
        return
    table = joined(objects, label_rows(sorted(asked)), **SHORT)
    seconds = [(time - NOON).total_seconds() for time in table.column(TIME).to_pylist()]
    values = (table.column(name).to_pylist() for name in ("customer_id", "contract", "tenure"))
    keys, *features = values
    assert list(zip(keys, seconds, *features, strict=True)) == expected


SHOP = st.tuples(st.integers(1, 3), st.integers(0, 9), st.one_of(st.none(), st.integers(-1, 1)))
VISIT = st.tuples(st.sampled_from("abcd"), st.integers(1, 4), st.integers(-1, 20))


@given(st.lists(ROW, min_size=1, max_size=12), st.lists(SHOP, min_size=1, max_size=12), st.lists(VISIT, min_size=1))
def test_feature_sets_of_several_entities_are_each_joined_by_their_own_key(
    rows: list[Row], shops: list[tuple[int, int, int | None]], visits: list[tuple[str, int, int]]
) -> None:
    visits = sorted(visits)
    seconds = pa.array([NOON + timedelta(seconds=second) for _, second, _ in shops], MOMENT)
    sizes = pa.array([size for *_, size in shops], pa.int64())
    table = pa.table({"shop": pa.array([shop for shop, *_ in shops]), "observed_at": seconds, "size": sizes})
    place = "s3://homeostat/shops.parquet"
    objects = MemoryObjects({SNAPSHOT: parquet(ordered(a_table(rows))), place: parquet(ordered(table))})
    of_shops = feature_source(
        name="shops", entities=[{"name": "shop", "type": "Int64"}], features=[{"name": "size", "type": "Int64"}],
        snapshot_uri=place, **SHORT,
    )  # fmt: skip
    expected = []
    for key, shop, second in visits:
        row = known(rows, key, second, 5)
        past = [each for each in shops if each[0] == shop and each[1] <= second and second - each[1] <= 5]
        size = max(past, key=lambda each: (each[1], each[2] is not None, each[2] or 0), default=(0, 0, None))[2]
        features = (*(row[2:] if row else (None, None)), size)
        if features != (None, None, None):
            expected.append((key, shop, *features))
    labels = label_rows([(key, second) for key, _, second in visits]).append_column(
        "shop", pa.array([shop for _, shop, _ in visits])
    )
    sources = [feature_source(**SHORT), of_shops]
    if not expected:
        with pytest.raises(InvalidData, match="labels has features known"):
            list(join(objects, sources, labels, DataWarnings()))
        return
    found = pa.concat_tables(join(objects, sources, labels, DataWarnings()))
    columns = [found.column(name).to_pylist() for name in ("customer_id", "shop", "contract", "tenure", "size")]
    assert list(zip(*columns, strict=True)) == expected


@given(st.lists(ROW, min_size=1, max_size=20), st.integers(-1, 10), st.integers(1, 5))
def test_training_and_online_store_take_the_same_row_of_an_entity_at_any_time(
    rows: list[Row], second: int, size: int
) -> None:
    table = ordered(a_table(rows))
    history = history_of(table)
    pieces = (table.slice(start, size) for start in range(0, table.num_rows, size))
    newest = known_at(pieces, "customer_id", "observed_at", NOON + timedelta(seconds=second))
    online = {key: (time, *values) for piece in newest for key, time, values in _rows(piece, feature_source())}
    keys = pa.chunked_array([sorted({row[0] for row in rows})])
    at = pa.chunked_array([pa.array([NOON + timedelta(seconds=second)] * len(keys), MOMENT)])
    trained = table.take(history.rows_at(keys, at, 60).drop_null())
    assert online == {key: (time, *values) for key, time, values in _rows(trained, feature_source())}


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1]])
def test_rows_that_are_not_ordered_by_entity_and_time_are_refused(order: list[int]) -> None:
    table = ordered(a_table([("a", 0, None, 1), ("a", 1, None, 1), ("b", 0, None, 1)])).take(pa.array(order))
    with pytest.raises(NotOrdered):
        history_of(table)
    objects = MemoryObjects({SNAPSHOT: parquet(table)})
    with pytest.raises(InvalidData, match=r"is not ordered by entity and time.*materialise it again"):
        joined(objects, label_rows([("a", 5)]))


def test_a_snapshot_that_was_changed_after_it_was_written_is_refused() -> None:
    stored, changed = a_table([("a", 0, "month", 1)]), a_table([("a", 0, "month", 2)])
    digest = ContentDigest(stored.schema)
    digest.add(stored)
    objects = MemoryObjects({SNAPSHOT: parquet(stored)})
    assert joined(objects, label_rows([("a", 5)]), snapshot_digest=digest.value()).num_rows == 1
    objects.content[SNAPSHOT] = parquet(changed)
    with pytest.raises(
        InvalidData, match=rf"{SNAPSHOT} .* has not the rows of its digest sha256:.* materialise it again"
    ):
        joined(objects, label_rows([("a", 5)]), snapshot_digest=digest.value())


def test_the_digest_of_a_snapshot_that_version_0_2_stored_still_holds() -> None:
    rows = ordered(customers(5))
    digest = "sha256:42b6399c1d5fb2d0cb7249309fb804023c4bd56316a5fee5d5a8541a14c2803c"
    labels = label_rows([("c0001", 5)])
    assert joined(MemoryObjects({SNAPSHOT: parquet(rows)}), labels, snapshot_digest=digest).num_rows == 1
    with pytest.raises(InvalidData, match="has not the rows of its digest"):
        joined(MemoryObjects({SNAPSHOT: parquet(rows.slice(1))}), labels, snapshot_digest=digest)


def test_a_snapshot_without_a_feature_of_the_spec_is_named_with_the_feature() -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(a_table([("a", 0, None, 1)]).drop_columns(["charge"]))})
    with pytest.raises(InvalidData, match=r"feature set customers has no column 'charge'; materialise it again"):
        joined(objects, label_rows([("a", 5)]))


@given(st.lists(ROW, min_size=1, max_size=20), ASKED, st.integers(1, 5))
def test_rows_that_come_in_pieces_have_the_history_of_all_together(
    rows: list[Row], asked: list[tuple[str, int]], size: int
) -> None:
    table, labels = ordered(a_table(rows)), label_rows(asked)
    keys, times = labels.column("customer_id"), labels.column(TIME)
    assert history_of(table, size).rows_at(keys, times, 5) == history_of(table).rows_at(keys, times, 5)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [2, 0, 1]])
def test_rows_in_pieces_that_are_not_ordered_are_refused(order: list[int]) -> None:
    table = ordered(a_table([("a", 0, None, 1), ("a", 1, None, 1), ("b", 0, None, 1)])).take(pa.array(order))
    with pytest.raises(NotOrdered):
        history_of(table, 1)


@given(st.lists(ROW, min_size=1, max_size=20), ASKED, st.integers(1, 4), st.integers(1, 4))
def test_pieces_and_row_groups_of_any_size_make_the_same_join(
    rows: list[Row], asked: list[tuple[str, int]], piece: int, group: int
) -> None:
    table = ordered(a_table(rows)).set_column(4, "charge", pa.array([float(i) for i in range(len(rows))]))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    labels = label_rows([("a", 20), *asked])
    answers = []
    for content, size in ((parquet(table), 1_000), (sink.getvalue(), piece)):
        with mock.patch("homeostat_pipelines.join.rows_per_piece", lambda _, size=size: size):
            try:
                answers.append(joined(MemoryObjects({SNAPSHOT: content}), labels).to_pylist())
            except InvalidData as error:
                answers.append([{"refused": str(error)}])
    assert answers[0] == answers[1]


def test_labels_of_integer_entities_beyond_those_of_the_snapshot_have_no_row() -> None:
    history = History(3, [(pa.array([5, 5, 9]), pa.array([1, 2, 1], MOMENT))])
    keys, times = pa.array([4, 5, 7, 9, 10]), pa.array([5] * 5, MOMENT)
    assert history.rows_at(keys, times, 60).to_pylist() == [None, 1, None, 2, None]
    assert history.rows_at(pa.array([], pa.int64()), pa.array([], MOMENT), 60).to_pylist() == []


def test_without_rows_nothing_is_known() -> None:
    keys, times = pa.array([4, 5]), pa.array([5] * 2, MOMENT)
    assert History(0, []).rows_at(keys, times, 60).to_pylist() == [None, None]
    assert list(known_at([], "customer_id", "observed_at", NOON)) == []


@pytest.mark.parametrize(("age", "row"), [(5_000_000, 0), (5_000_001, None)])
def test_a_row_is_known_for_its_ttl_to_the_microsecond(age: int, row: int | None) -> None:
    history = History(1, [(pa.array(["a"]), pa.array([7], MOMENT))])
    assert history.rows_at(pa.array(["a"]), pa.array([7 + age], MOMENT), 5).to_pylist() == [row]


def test_the_rows_of_the_answer_are_bounded_by_the_labels_with_a_row_in_one_of_the_snapshots() -> None:
    one = feature_source(features=[{"name": "tenure", "type": "Int64"}])
    other = feature_source(
        name="clients", snapshot_uri=f"{SNAPSHOT}.2", features=[{"name": "contract", "type": "String"}]
    )
    objects = MemoryObjects(
        {
            one.snapshot_uri: parquet(a_table([("a", 0, None, 1), ("b", 0, None, None)])),
            other.snapshot_uri: parquet(a_table([("b", 0, None, 1), ("c", 0, "year", 1)])),
        }
    )
    labels, bounds = label_rows([("a", 1), ("b", 1), ("c", 1), ("d", 1)]), list[int]()
    found = pa.concat_tables(join(objects, [one, other], labels, DataWarnings(), bounds.append))
    assert bounds == [3]
    assert found.column("customer_id").to_pylist() == ["a", "c"]


def a_history(*rows: tuple[str, int]) -> History:
    """Of entities and times in microseconds since 1970."""
    keys, times = zip(*rows, strict=True)
    return History(len(rows), [(pa.array(keys, pa.string()), moments(*times))])


def moments(*micros: int) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(MOMENT)


def test_at_one_time_each_entity_has_one_row() -> None:
    rows = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("c", 0), ("c", 5)]
    keys, times = zip(*rows, strict=True)
    table = pa.table({"key": list(keys), "time": moments(*times)})
    found = pa.concat_tables(known_at([table], "key", "time", datetime.fromtimestamp(2e-6, UTC)))
    assert found.column("key").to_pylist() == ["a", "b", "c"]
    assert found.column("time").cast(pa.int64()).to_pylist() == [2, 1, 0]


def test_a_row_is_known_until_exactly_its_ttl() -> None:
    rows = a_history(("a", 0)).rows_at(pa.array(["a", "a"]), moments(5_000_000, 5_000_001), 5)
    assert rows.to_pylist() == [0, None]


def test_rows_of_before_1970_are_found_among_later_ones() -> None:
    history = a_history(("a", -10), ("a", 10), ("b", -10), ("b", 10))
    asked = [(key, at) for key in "ab" for at in (-11, -10, 9, 10)]
    rows = history.rows_at(pa.array([key for key, _ in asked]), moments(*(at for _, at in asked)), 60)
    assert rows.to_pylist() == [None, 0, 0, 1, None, 2, 2, 3]
