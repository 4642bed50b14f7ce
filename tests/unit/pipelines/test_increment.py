"""Materialisations that read only new files, against those that read all."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.artifacts.layout import source_files_uri
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.runs import MaterializeResult
from homeostat_pipelines import materialize
from support.tables import NOON, OUTPUT, SOURCE, customers, feature_source, materialize_input, parquet

OFFLINE = feature_source(online_ttl_seconds=None)


class Counting(MemoryObjects):
    """Remembers what was downloaded."""

    def __init__(self, content: dict[str, bytes] | None = None) -> None:
        super().__init__(content)
        self.downloaded: list[str] = []

    def download(self, uri: str, path: Any) -> None:
        self.downloaded.append(uri)
        super().download(uri, path)

    def files_read(self) -> list[str]:
        """Names of the files of the source that were read, which are then forgotten."""
        read = [uri.removeprefix(SOURCE) for uri in self.downloaded if uri.startswith(SOURCE)]
        self.downloaded = []
        return read


def run(objects: MemoryObjects, previous: MaterializeResult | None = None, **changes: Any) -> MaterializeResult:
    snapshot = previous and previous.snapshot
    job = materialize_input(**{"feature_set": OFFLINE, "previous": snapshot, **changes})
    with mock.patch.object(materialize, "_publish", return_value=0):
        materialize.run(job, objects)
    return MaterializeResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))


def put(objects: MemoryObjects, number: int, rows: pa.Table) -> None:
    objects.content[f"{SOURCE}part-{number}.parquet"] = parquet(rows)


def a_source(files: int = 2) -> Counting:
    objects = Counting()
    for number in range(files):
        put(objects, number, customers(20, seed=number))
    return objects


def snapshot_of(result: MaterializeResult) -> Any:
    return result.snapshot and (result.snapshot.digest, result.snapshot.rows, result.snapshot.watermark)


def full_read_reason(result: MaterializeResult) -> str:
    assert result.source is not None
    return result.source.full_read_reason


def test_only_a_new_file_is_read_and_the_snapshot_is_that_of_all_files() -> None:
    objects = a_source()
    first = run(objects)
    assert objects.files_read() == ["part-0.parquet", "part-1.parquet"]
    put(objects, 2, customers(7, seed=5, customer_id=[f"c{i:04d}" for i in range(10, 17)]))
    second = run(objects, first)
    assert objects.files_read() == ["part-2.parquet"]
    assert second.source is not None
    assert (second.source.files, second.source.rows, second.source.unchanged_files) == (1, 7, 2)
    assert full_read_reason(second) == ""
    assert snapshot_of(second) == snapshot_of(run(objects))


def test_without_new_files_no_file_is_read_and_the_snapshot_stays() -> None:
    objects = a_source()
    first = run(objects)
    objects.files_read()
    second = run(objects, first)
    assert objects.files_read() == []
    assert second.snapshot == first.snapshot


def test_increments_follow_one_another() -> None:
    objects = a_source(1)
    result = run(objects)
    for number in range(1, 4):
        put(objects, number, customers(5, seed=number))
        objects.files_read()
        result = run(objects, result)
        assert objects.files_read() == [f"part-{number}.parquet"]
    assert snapshot_of(result) == snapshot_of(run(objects))


def changed(objects: MemoryObjects) -> None:
    put(objects, 1, customers(20, seed=8))


def vanished(objects: MemoryObjects) -> None:
    del objects.content[f"{SOURCE}part-1.parquet"]


def snapshot_gone(objects: MemoryObjects) -> None:
    (uri,) = (uri for uri in objects.content if uri.endswith("data.parquet"))
    del objects.content[uri]


def snapshot_changed(objects: MemoryObjects) -> None:
    (uri,) = (uri for uri in objects.content if uri.endswith("data.parquet"))
    objects.content[uri] = parquet(customers(20, seed=4))


def record_gone(objects: MemoryObjects) -> None:
    (uri,) = (uri for uri in objects.content if uri.endswith("source.json"))
    del objects.content[uri]


def record_unreadable(objects: MemoryObjects) -> None:
    (uri,) = (uri for uri in objects.content if uri.endswith("source.json"))
    objects.content[uri] = b"{}"


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (changed, "part-1.parquet has changed"),
        (vanished, "part-1.parquet is gone"),
        (snapshot_gone, "the previous snapshot is gone"),
        (snapshot_changed, "the previous snapshot was changed after it was written"),
        (record_gone, "the files of the previous snapshot are not recorded"),
        (record_unreadable, "the files of the previous snapshot are not recorded"),
    ],
)
@pytest.mark.parametrize("more", [False, True])
def test_what_cannot_be_built_upon_is_read_anew_and_the_reason_is_named(happens: Any, why: str, more: bool) -> None:
    objects = a_source()
    first = run(objects)
    happens(objects)
    if more:
        put(objects, 2, customers(5, seed=5))
    second = run(objects, first)
    assert full_read_reason(second).endswith(why)
    fresh = MemoryObjects({uri: content for uri, content in objects.content.items() if uri.startswith(SOURCE)})
    assert snapshot_of(second) == snapshot_of(run(fresh))
    assert second.snapshot is not None
    assert objects.exists(source_files_uri(second.snapshot.uri))


def test_a_damaged_snapshot_is_written_again() -> None:
    objects = a_source()
    first = run(objects)
    assert first.snapshot is not None
    stored = objects.content[first.snapshot.uri]
    snapshot_changed(objects)
    assert run(objects, first).snapshot == first.snapshot
    assert objects.content[first.snapshot.uri] == stored


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"full": True}, "that was requested"),
        ({"feature_set": OFFLINE.model_copy(update={"features": OFFLINE.features[:2]})}, "the source or the columns"),
        ({"source_uri": SOURCE.rstrip("/")}, "the source or the columns"),
    ],
)
def test_a_request_and_a_change_of_what_is_read_lead_to_all_files(changes: dict[str, Any], why: str) -> None:
    objects = a_source()
    first = run(objects)
    objects.files_read()
    assert full_read_reason(run(objects, first, **changes)).startswith(why)
    assert len(objects.files_read()) == 2


def test_a_snapshot_that_a_changed_file_no_longer_reaches_does_not_come_back_from_the_old_one() -> None:
    objects = a_source()
    first = run(objects)
    put(objects, 1, customers(3, seed=9, customer_id=["x", "y", "z"]))
    second = run(objects, first)
    assert second.snapshot is not None
    assert second.snapshot.rows == 23


def test_what_was_counted_in_files_that_are_not_read_is_still_reported() -> None:
    objects = a_source(1)
    charges = [float("inf"), *[1.0] * 19]
    put(objects, 0, customers(20, charge=charges))
    first = run(objects)
    put(objects, 1, customers(20, charge=charges))
    assert run(objects, first).warnings == run(objects).warnings != []


@pytest.mark.parametrize(("value", "blocked"), [("71", True), ("72", False)])
def test_expectations_hold_for_rows_of_files_that_are_not_read(value: str, blocked: bool) -> None:
    objects = a_source(1)
    put(objects, 0, customers(3, tenure=[1, 2, 72]))
    first = run(objects)
    put(objects, 1, customers(3, tenure=[1, 2, 3]))
    demand = [{"feature": "tenure", "rule": "Range", "max": value}]
    second = run(objects, first, expectations=demand)
    assert second.blocked is blocked
    assert [one.failures for one in second.expectations] == [int(blocked)]
    if blocked:
        assert second.expectations[0].message.startswith("tenure: 1 of 6 rows fail")


def test_files_that_a_blocked_run_read_are_read_by_the_next_one() -> None:
    objects = a_source(1)
    first = run(objects)
    put(objects, 1, customers(3, tenure=[1, 2, 90]))
    demand = [{"feature": "tenure", "rule": "Range", "max": "80"}]
    assert run(objects, first, expectations=demand).blocked
    objects.files_read()
    third = run(objects, first)
    assert objects.files_read() == ["part-1.parquet"]
    assert snapshot_of(third) == snapshot_of(run(objects))


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(-2, 2),
        st.one_of(st.none(), st.integers(0, 2)),
        st.one_of(st.none(), st.floats()),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(ROWS, min_size=2, max_size=5), st.integers(1, 4))
def test_whichever_files_come_when_the_snapshot_is_that_of_all(files: list[list[Any]], before: int) -> None:
    objects = Counting()
    result = None
    for number, rows in enumerate(files):
        keys, late, tenures, charges = (list(column) for column in zip(*rows, strict=True))
        times = pa.array([NOON + timedelta(seconds=each) for each in late], pa.timestamp("us", tz="UTC"))
        columns: dict[str, Any] = {"customer_id": keys, "observed_at": times, "tenure": pa.array(tenures, pa.int64())}
        put(objects, number, customers(len(rows), **columns, charge=pa.array(charges, pa.float64())))
        if number >= before - 1:
            result = run(objects, result)
    again = run(objects)
    if result is not None:
        assert snapshot_of(result) == snapshot_of(again)
        assert result.warnings == again.warnings
