"""Which files of a folder are read, and which are refused before they are."""

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from homeostat.api.v1alpha1.featureset import EntityType, FeatureType
from homeostat.artifacts.dataset import LABEL
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat_pipelines import columns, dataset, labels, materialize
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.values import AnyType, ColumnType
from support.tables import LABELS, SOURCE, a_store, customers, label_input, materialize_input, parquet, train_input

FLOAT = FeatureType.FLOAT64
HIDDEN = (
    "_temporary/0/part-1.parquet",
    "_SUCCESS.parquet",
    "_metadata/part-0.parquet",
    ".part-0.parquet",
    ".staging/part-0.parquet",
    "year=2026/_committed/part-0.parquet",
    "year=2026/.part-0.parquet",
)


def count_rows(objects: MemoryObjects) -> int:
    """Rows of the source."""
    job = materialize_input()
    uris = [found.uri for found in materialize.source_files(job, objects)]
    return sum(piece.num_rows for piece in materialize.read_source(job, objects, uris, DataWarnings()))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_files_of_jobs_that_are_not_finished_are_no_part_of_a_source(hidden: str) -> None:
    objects = a_store()
    objects.content[f"{SOURCE}{hidden}"] = b"not Parquet"
    assert count_rows(objects) == 400


@pytest.mark.parametrize("hidden", HIDDEN)
def test_files_of_jobs_that_are_not_finished_are_no_labels(hidden: str) -> None:
    objects = a_store()
    objects.content[f"{LABELS}{hidden}"] = b"not Parquet"
    entity = train_input().feature_sets[0].entities[0]
    assert labels.union(objects, [label_input()], entity, DataWarnings()).column(LABEL).null_count == 0


def test_a_folder_of_a_partition_and_a_file_named_by_the_spec_are_read_whatever_they_begin_with() -> None:
    objects = MemoryObjects({f"{SOURCE}_region=eu/part-0.parquet": b"", f"{SOURCE}_own.parquet": b""})
    assert columns.parquet_uris(objects, SOURCE) == [f"{SOURCE}_region=eu/part-0.parquet"]
    assert columns.parquet_uris(objects, f"{SOURCE}_own.parquet") == [f"{SOURCE}_own.parquet"]


def test_a_hidden_folder_above_the_source_does_not_hide_it() -> None:
    objects = MemoryObjects({"s3://homeostat/_raw/customers/part-0.parquet": b""})
    assert len(columns.parquet_uris(objects, "s3://homeostat/_raw/customers")) == 1


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "a Delta table"),
        ("_delta_log/00000000000000000010.checkpoint.parquet", "a Delta table"),
        ("metadata/v3.metadata.json", "an Iceberg table"),
        (".hoodie/hoodie.properties", "a Hudi table"),
        ("customers/_delta_log/00000000000000000000.json", "a Delta table"),
    ],
)
def test_the_folder_of_a_table_format_is_refused_by_name(inside: str, kind: str) -> None:
    objects = a_store()
    objects.content[f"{SOURCE}{inside}"] = b"{}"
    with pytest.raises(InvalidData, match=rf"{SOURCE} is {kind}, whose Parquet files also hold rows .* plain Parquet"):
        count_rows(objects)
    objects.content = {**a_store().content, f"{LABELS}{inside}": b"{}"}
    with pytest.raises(InvalidData, match=f"{LABELS} is {kind}"):
        dataset.build(train_input(), objects)


@pytest.mark.parametrize(
    ("folder", "kind", "expected"),
    [
        ("x=north%20east", FeatureType.STRING, "north east"),
        ("x=7", FeatureType.INT64, 7),
        ("x=007", EntityType.STRING, "007"),
        ("x=1.5", FeatureType.FLOAT64, 1.5),
        ("x=true", FeatureType.BOOL, True),
        ("x=2026-03-02", ColumnType.TIME, datetime(2026, 3, 2, tzinfo=UTC)),
        ("x=__HIVE_DEFAULT_PARTITION__", FeatureType.INT64, None),
        ("x=a=b", FeatureType.STRING, "a=b"),
    ],
)
def test_the_name_of_a_partitions_folder_is_a_column(folder: str, kind: AnyType, expected: Any) -> None:
    uri = f"s3://homeostat/raw/{folder}/part-0.parquet"
    objects = MemoryObjects({uri: parquet(pa.table({"y": [1, 2]}))})
    wanted: dict[str, AnyType] = {"y": FeatureType.INT64, "x": kind}
    assert columns.read(objects, [uri], wanted, DataWarnings()).to_pydict() == {"y": [1, 2], "x": [expected] * 2}


def test_a_column_of_the_file_comes_before_the_name_of_its_folder() -> None:
    uri = "s3://homeostat/raw/x=7/part-0.parquet"
    objects = MemoryObjects({uri: parquet(pa.table({"x": [1, 2]}))})
    assert columns.read(objects, [uri], {"x": FeatureType.INT64}, DataWarnings()).column("x").to_pylist() == [1, 2]


def test_a_partition_of_another_type_is_refused_by_name() -> None:
    uri = "s3://homeostat/raw/x=seven/part-0.parquet"
    objects = MemoryObjects({uri: parquet(pa.table({"y": [1]}))})
    with pytest.raises(InvalidData, match=r"the folder x=seven of .* is not a value of type Int64; rename it"):
        columns.read(objects, [uri], {"x": FeatureType.INT64}, DataWarnings())


def test_a_small_file_of_more_rows_than_fit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "memory_limit", lambda: 256 * 2**20)
    same = parquet(pa.table({"x": pa.array(np.zeros(5_000_000))}))
    assert len(same) < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(
        InvalidData, match=r"p\.parquet has 5,000,000 rows; .* about 0\.3 GiB .* may use 0\.2 GiB; raise"
    ):
        columns.read(MemoryObjects({"s3://b/p.parquet": same}), ["s3://b/p.parquet"], {"x": FLOAT}, DataWarnings())
    assert pa.total_allocated_bytes() - before < 10_000_000


def test_of_a_file_that_is_read_in_pieces_neither_bytes_nor_rows_stay_in_memory() -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"x": np.random.default_rng(1).normal(size=2_000_000)})
    pq.write_table(table, sink, row_group_size=50_000, use_dictionary=False)
    objects = MemoryObjects({"s3://b/p.parquet": sink.getvalue().to_pybytes()})
    del table, sink
    before, most = pa.total_allocated_bytes(), 0
    with mock.patch.object(columns, "rows_per_piece", return_value=50_000):
        for _ in columns.pieces(objects, "s3://b/p.parquet", {"x": FLOAT}, DataWarnings()):
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 6_000_000


@pytest.mark.parametrize("dictionary", [False, True])
def test_long_texts_count_with_their_bytes_also_those_that_the_file_holds_once(
    dictionary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "memory_limit", lambda: columns._OVERHEAD + 3 * 2_000_000)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": ["x" * 1_000] * 20_000}), sink, use_dictionary=dictionary, compression="zstd")
    objects = MemoryObjects({"s3://b/p.parquet": sink.getvalue().to_pybytes()})
    with pytest.raises(InvalidData, match=r"p\.parquet has 20,000 rows; .* raise the memory limit"):
        columns.read(objects, ["s3://b/p.parquet"], {"x": FeatureType.STRING}, DataWarnings())


def test_rows_of_all_files_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "memory_limit", lambda: columns._OVERHEAD + 3 * 8 * 1_500)
    content = parquet(pa.table({"x": pa.array([1.0] * 1_000)}))
    objects = MemoryObjects({f"{SOURCE}{number}.parquet": content for number in range(2)})
    wanted: dict[str, AnyType] = {"x": FLOAT}
    assert columns.read(objects, [f"{SOURCE}0.parquet"], wanted, DataWarnings()).num_rows == 1_000
    with pytest.raises(
        InvalidData, match=r"1\.parquet has 1,000 rows; with the files before it they need about 0\.2 GiB"
    ):
        columns.read(objects, [f"{SOURCE}0.parquet", f"{SOURCE}1.parquet"], wanted, DataWarnings())


def test_customers_fit_into_the_memory_of_this_machine() -> None:
    assert count_rows(a_store(customers(5_000))) == 5_000


def test_a_row_that_is_refused_is_numbered_within_its_file_although_it_is_read_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "rows_per_piece", lambda _: 3)
    numbers = [*range(7), 2.5]
    objects = MemoryObjects({"s3://b/p.parquet": parquet(pa.table({"x": pa.array(numbers, pa.float64())}))})
    with pytest.raises(InvalidData, match=r"column 'x' of s3://b/p\.parquet is double and has 2\.5 in row 7"):
        columns.read(objects, ["s3://b/p.parquet"], {"x": FeatureType.INT64}, DataWarnings())
