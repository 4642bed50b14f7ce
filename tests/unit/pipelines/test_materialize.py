"""Source, expectations and snapshots."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import ExpectationOutcome
from homeostat_pipelines import columns, expectations, materialize, snapshots
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.history import known_at
from homeostat_pipelines.ordering import ordered
from support.tables import SOURCE, a_store, customers, feature_source, materialize_input, materialized, parquet


def read_source(objects: MemoryObjects) -> pa.Table:
    job = materialize_input()
    uris = [found.uri for found in materialize.source_files(job, objects)]
    return pa.concat_tables(materialize.read_source(job, objects, uris, DataWarnings()))


def a_table(rows: pa.Table) -> pa.Table:
    return read_source(a_store(rows))


def outcomes(rows: pa.Table, expectation: Mapping[str, object], size: int = 1_000) -> list[ExpectationOutcome]:
    checks = expectations.Checks(materialize_input(expectations=[expectation]).expectations, "customer_id")
    for start in range(0, rows.num_rows, size):
        checks.add(rows.slice(start, size))
    return checks.outcomes()


def digest(table: pa.Table) -> str:
    content = snapshots.ContentDigest(table.schema)
    content.add(table)
    return content.value()


def test_a_blocked_expectation_leaves_no_snapshot_behind() -> None:
    objects = a_store()
    materialize.run(materialize_input(expectations=[{"feature": "charge", "rule": "NotNull"}]), objects)
    result = materialized(objects)
    assert result.blocked
    assert result.snapshot is None
    assert not objects.list("s3://homeostat/churn/featuresets/customers/sha")
    assert [o.failures for o in result.expectations] == [24]


def test_a_warning_names_how_many_rows_fail_and_an_example() -> None:
    wanted = {"feature": "tenure", "rule": "Range", "max": "70", "severity": "Warn"}
    (outcome,) = outcomes(a_table(customers(3, tenure=[1, 71, 72])), wanted, 1)
    assert not expectations.blocked([outcome])
    assert outcome.message == "tenure: 2 of 3 rows fail Range [-∞, 70], for example 71 of customer_id 'c0001'"


@pytest.mark.parametrize(
    ("expectation", "failures"),
    [
        ({"feature": "contract", "rule": "OneOf", "values": ["month"]}, 1),
        ({"feature": "tenure", "rule": "OneOf", "values": ["1", "2", "3"]}, 0),
        ({"feature": "tenure", "rule": "Range", "min": "2"}, 1),
        ({"feature": "charge", "rule": "Range", "min": "0", "max": "10"}, 1),
        ({"feature": "charge", "rule": "NotNull"}, 1),
    ],
)
def test_every_rule_counts_its_failures_and_only_not_null_minds_gaps(
    expectation: dict[str, object], failures: int
) -> None:
    rows = customers(3, contract=["month", "year", None], tenure=[1, 2, 3], charge=[5.0, 11.0, float("nan")])
    for size in (1, 2, 3):
        assert [o.failures for o in outcomes(a_table(rows), expectation, size)] == [failures]


def test_a_range_of_texts_is_refused() -> None:
    with pytest.raises(InvalidData, match="use OneOf"):
        outcomes(a_table(customers(3)), {"feature": "contract", "rule": "Range", "min": "1"})


def test_a_column_of_another_type_is_named_with_both_types_and_a_remedy() -> None:
    rows = customers(2, tenure=["one", "two"])
    with pytest.raises(InvalidData, match=r"column 'tenure' of s3://.* is string, expected Int64; write whole numbers"):
        a_table(rows)


def test_a_fraction_is_no_whole_number() -> None:
    with pytest.raises(InvalidData, match="expected Int64"):
        a_table(customers(2, tenure=[1.0, 2.5]))


def test_whole_numbers_with_gaps_written_as_floats_are_accepted() -> None:
    assert a_table(customers(2, tenure=[1.0, float("nan")])).column("tenure").to_pylist() == [1, None]


def test_a_missing_column_is_named_beside_those_that_are_there() -> None:
    with pytest.raises(InvalidData, match=r"no column 'tenure' .* it has customer_id, observed_at"):
        a_table(customers(2).drop_columns(["tenure"]))


def test_a_row_without_entity_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"'customer_id' of .* is missing in 1 of 2 rows"):
        a_table(customers(2, customer_id=["a", None]))


def test_an_empty_source_says_what_to_do() -> None:
    objects = a_store()
    objects.content = {}
    with pytest.raises(InvalidData, match="holds no Parquet file; write one"):
        read_source(objects)


def test_a_file_that_is_not_parquet_is_named() -> None:
    objects = a_store()
    objects.content[f"{SOURCE}part-1.parquet"] = b"not parquet"
    with pytest.raises(InvalidData, match=r"part-1\.parquet is not a readable Parquet file"):
        read_source(objects)


def test_a_neighbouring_prefix_is_not_read() -> None:
    objects = a_store()
    objects.content["s3://homeostat/raw/customers-old/part-0.parquet"] = parquet(customers(2))
    assert columns.parquet_uris(objects, "s3://homeostat/raw/customers") == [f"{SOURCE}part-0.parquet"]


def test_the_same_rows_in_other_files_and_order_have_the_same_digest() -> None:
    rows = customers(50)
    shuffled = rows.take(pa.array(list(reversed(range(50)))))
    parts = a_store(shuffled.slice(0, 20))
    parts.content[f"{SOURCE}part-1.parquet"] = parquet(shuffled.slice(20))
    digests = {digest(ordered(table)) for table in (a_table(rows), read_source(parts))}
    assert len(digests) == 1


@pytest.mark.parametrize("column", ["contract", "tenure", "charge", "paperless"])
def test_one_changed_value_changes_the_digest(column: str) -> None:
    rows = customers(3, charge=[1.0, 2.0, 3.0])
    values = rows.column(column).to_pylist()
    changed = rows.set_column(rows.column_names.index(column), column, pa.array([None, *values[1:]]))
    assert digest(a_table(rows)) != digest(a_table(changed))


def test_a_gap_is_not_a_zero() -> None:
    gap, zero = customers(2, tenure=[1, None]), customers(2, tenure=[1, 0])
    assert digest(a_table(gap)) != digest(a_table(zero))


def test_a_snapshot_is_written_once_and_names_its_newest_row(tmp_path: Path) -> None:
    objects = a_store()
    written = snapshots.write(tmp_path / "data.parquet", [ordered(a_table(customers(5)))], feature_source())
    first = snapshots.store(objects, written, "s3://homeostat/s/")
    objects.content[first.uri] = b"as it was"
    assert snapshots.store(objects, written, "s3://homeostat/s/") == first
    assert objects.content[first.uri] == b"as it was"
    assert first.watermark == customers(1).column("observed_at")[0].as_py()


def test_the_newest_row_of_each_entity_goes_online() -> None:
    rows = pa.concat_tables([customers(3), customers(3, seed=9)])
    times = pa.array([10, 20, 30, 30, 10, 20], pa.timestamp("s", tz="UTC"))
    table = ordered(a_table(rows.set_column(1, "observed_at", times)))
    for size in (1, 2, 6):
        pieces = (table.slice(start, size) for start in range(0, 6, size))
        newest = pa.concat_tables(known_at(pieces, "customer_id", "observed_at", datetime.fromtimestamp(30, UTC)))
        assert newest.column("customer_id").to_pylist() == ["c0000", "c0001", "c0002"]
        assert [t.timestamp() for t in newest.column("observed_at").to_pylist()] == [30, 20, 30]


def test_negative_zeros_are_zeros_so_that_the_digest_does_not_depend_on_which_comes_first() -> None:
    digests = set()
    for charges in ([0.0, -0.0], [-0.0, 0.0]):
        rows = customers(2, charge=charges).set_column(0, "customer_id", pa.array(["a", "a"]))
        digests.add(digest(ordered(a_table(rows))))
    assert len(digests) == 1
