"""Labels, the point-in-time join and the holdout."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.api.v1alpha1.dataset import RowsPerEntity
from homeostat.api.v1alpha1.featureset import Entity, Feature
from homeostat.artifacts import storage
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TRAIN
from homeostat.artifacts.holdout import held_out
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import LabelInput
from homeostat_pipelines import dataset, labels
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.join import join
from support import tables
from support.tables import LABELS, NOON, SNAPSHOT, a_store, customers, feature_source, label_input, parquet

ENTITY = Entity.model_validate({"name": "customer_id", "type": "String"})
TIME = pa.timestamp("us", tz="UTC")
third_party = pytest.mark.filterwarnings("ignore")  # Feast, Dask and pandas warn about each other


def labelled(*rows: tuple[str, datetime, object]) -> pa.Table:
    keys, times, values = zip(*rows, strict=True)
    return pa.table({"customer_id": list(keys), "predicted_at": pa.array(times, TIME), "churned": list(values)})


def union_of(*parts: pa.Table, since: datetime | None = None) -> dict[str, int]:
    objects = MemoryObjects({f"{LABELS}part-{i}.parquet": parquet(part) for i, part in enumerate(parts)})
    table = labels.union(objects, [label_input()], ENTITY, DataWarnings(), since)
    return dict(zip(table.column("customer_id").to_pylist(), table.column(LABEL).to_pylist(), strict=True))


def test_the_newest_label_of_an_entity_wins_over_all_parts() -> None:
    early, late = NOON, NOON + timedelta(hours=1)
    assert union_of(labelled(("a", late, 1), ("b", early, 0)), labelled(("a", early, 0), ("b", late, 1))) == {
        "a": 1,
        "b": 1,
    }


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 1)), max_size=4), max_size=4)
)
def test_of_labels_of_one_time_the_one_of_the_later_file_and_row_wins(parts: list[list[tuple[str, int, int]]]) -> None:
    given_rows = [row for part in parts for row in part]
    files = [
        labelled(*((key, NOON + timedelta(hours=hour), value) for key, hour, value in part)) for part in parts if part
    ]
    if not files:
        return
    expected: dict[str, tuple[int, int]] = {}
    for key, hour, value in given_rows:
        if key not in expected or hour >= expected[key][0]:
            expected[key] = (hour, value)
    found = union_of(*files)
    assert found == {key: value for key, (_, value) in expected.items()}
    assert list(found) == sorted(found)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(0, 1)), max_size=4), max_size=4)
)
def test_all_labels_of_an_entity_are_rows_and_of_one_time_the_one_of_the_later_source(
    parts: list[list[tuple[str, int, int]]],
) -> None:
    files = [
        labelled(*((key, NOON + timedelta(hours=hour), value) for key, hour, value in part)) for part in parts if part
    ]
    if not files:
        return
    objects = MemoryObjects({f"{LABELS}{number}/a.parquet": parquet(file) for number, file in enumerate(files)})
    sources = [label_input(f"{LABELS}{number}/") for number in range(len(files))]
    warnings = DataWarnings()
    found = labels.union(objects, sources, ENTITY, warnings, taken=RowsPerEntity.ALL)
    expected = {(key, NOON + timedelta(hours=hour)): value for part in parts for key, hour, value in part}
    rows = list(zip(*(column.to_pylist() for column in found.columns), strict=True))
    assert rows == [(key, time, expected[key, time]) for key, time in sorted(expected)]
    lost = sum(map(len, parts)) - len(expected)
    text = f"Labels left out because their entity has another one of the same time: {lost} of {lost + len(expected)}."
    assert warnings.listed() == ([text] if lost else [])


VALUES = st.tuples(st.one_of(st.none(), st.floats(-9, 9)), st.one_of(st.none(), st.sampled_from(["web", "shop", ""])))
SENT = [Feature.model_validate({"name": n, "type": t}) for n, t in (("basket", "Float64"), ("channel", "String"))]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), VALUES), min_size=1, max_size=8))
def test_columns_of_the_labels_are_features_of_every_row(
    given_rows: list[tuple[str, int, tuple[float | None, str | None]]],
) -> None:
    rows = labelled(*((key, NOON + timedelta(hours=hour), 1) for key, hour, _ in given_rows))
    baskets, channels = zip(*(values for *_, values in given_rows), strict=True)
    rows = rows.append_column("basket", pa.array(baskets, pa.float64()))
    rows = rows.append_column("channel", pa.array(channels, pa.string()))
    objects = MemoryObjects({f"{LABELS}part-0.parquet": parquet(rows)})
    expected = {(key, NOON + timedelta(hours=hour)): values for key, hour, values in given_rows}
    newest = {key: max(time for other, time in expected if other == key) for key, _ in expected}
    for taken, keys in ((RowsPerEntity.ALL, sorted(expected)), (RowsPerEntity.NEWEST, sorted(newest.items()))):
        found = labels.union(objects, [label_input()], ENTITY, DataWarnings(), taken=taken, further=SENT)
        assert found.column_names == ["customer_id", *found.column_names[1:3], "basket", "channel"]
        columns = [found.column(index).to_pylist() for index in (0, 1, 3, 4)]
        assert list(zip(*columns, strict=True)) == [(key, time, *expected[key, time]) for key, time in keys]


def test_a_request_feature_of_another_type_is_refused_with_file_and_remedy() -> None:
    rows = labelled(("a", NOON, 1)).append_column("basket", pa.array(["much"]))
    objects = MemoryObjects({f"{LABELS}part-0.parquet": parquet(rows)})
    with pytest.raises(InvalidData, match=r"'basket' of s3://.* is string, expected Float64; write numbers"):
        labels.union(objects, [label_input()], ENTITY, DataWarnings(), further=SENT[:1])
    with pytest.raises(InvalidData, match=r"has no column 'channel'"):
        labels.union(objects, [label_input()], ENTITY, DataWarnings(), further=SENT[1:])


def test_a_request_feature_is_no_column_of_another_role() -> None:
    wrong = [Feature.model_validate({"name": "churned", "type": "Int64"})]
    with pytest.raises(InvalidData, match=r"column 'churned' of .* is entity, time or label, and not another"):
        labels.union(a_store(), [label_input()], ENTITY, DataWarnings(), further=wrong)


def test_request_features_reach_the_stored_dataset_beside_those_that_are_joined() -> None:
    objects, rows = a_store(), tables.labels(customers())
    baskets = [None if number % 9 == 0 else float(number) for number in range(rows.num_rows)]
    objects.content[f"{LABELS}part-0.parquet"] = parquet(rows.append_column("basket", pa.array(baskets, pa.float64())))
    job = tables.train_input(request_features=SENT[:1])
    record = dataset.build(job, objects)
    stored = BundleRef(uri=record.uri, digest=record.digest)
    found = pa.concat_tables([dataset.read(objects, stored, name) for name in (TRAIN, HOLDOUT)]).sort_by("customer_id")
    assert found.column("basket").to_pylist() == baskets
    assert found.column("tenure").to_pylist() == customers().column("tenure").to_pylist()


def test_a_label_without_the_key_of_one_of_its_entities_is_left_out_and_counted() -> None:
    rows = labelled(("a", NOON, 1), ("b", NOON, 0)).append_column("shop", pa.array([7, None], pa.int64()))
    objects, warnings = MemoryObjects({f"{LABELS}part-0.parquet": parquet(rows)}), DataWarnings()
    shop = Entity.model_validate({"name": "shop", "type": "Int64"})
    found = labels.union(objects, [label_input()], ENTITY, warnings, further=[shop])
    assert (found.column("customer_id").to_pylist(), found.column("shop").to_pylist()) == (["a"], [7])
    assert warnings.listed() == [f"Labels in {LABELS} left out because entity, time or value is missing: 1."]


def test_a_panel_keeps_all_rows_of_an_entity_on_one_side_of_the_holdout() -> None:
    objects = a_store()
    objects.content[f"{LABELS}earlier.parquet"] = parquet(tables.labels(customers(), at=NOON - timedelta(hours=1)))
    record = dataset.build(tables.train_input(rows_per_entity=RowsPerEntity.ALL), objects)
    stored = BundleRef(uri=record.uri, digest=record.digest)
    train, holdout = (
        dataset.read(objects, stored, name).column("customer_id").to_pylist() for name in (TRAIN, HOLDOUT)
    )
    assert len(train) + len(holdout) == 800
    assert not {*train} & {*holdout}
    assert record.warnings == []


def test_labels_before_the_window_are_left_out() -> None:
    table = labelled(("a", NOON, 1), ("b", NOON - timedelta(days=2), 0))
    assert union_of(table, since=NOON - timedelta(days=1)) == {"a": 1}


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.integers(-3, 3), st.integers(-3, 3))
def test_labels_of_a_source_are_those_from_its_from_to_before_its_to(hours: list[int], since: int, until: int) -> None:
    def at(hour: int) -> datetime:
        return NOON + timedelta(hours=hour)

    rows = labelled(*((f"c{number}", at(hour), 1) for number, hour in enumerate(hours)))
    objects = MemoryObjects({f"{LABELS}part-0.parquet": parquet(rows), f"{LABELS[:-1]}2/a.parquet": parquet(rows)})
    source = label_input().model_copy(update={"since": at(since), "until": at(until)})
    expected = [f"c{number}" for number, hour in enumerate(hours) if since <= hour < until]
    if not expected:
        named = r"labels/ from 2026-03-0\d \d\d:00:00 to 2026-03-0\d \d\d:00:00; wait for labels"
        with pytest.raises(InvalidData, match=named):
            labels.union(objects, [source], ENTITY, DataWarnings())
        return
    found = labels.union(objects, [source], ENTITY, DataWarnings())
    assert found.column("customer_id").to_pylist() == expected
    both = labels.union(objects, [source, label_input(f"{LABELS[:-1]}2/")], ENTITY, DataWarnings())
    assert both.num_rows == len(hours), "a window is that of its own source"


def test_exported_outcomes_join_labels_from_files() -> None:
    outcomes = pa.table(
        {
            "prediction_id": ["p"], "entity": ["a"], "predicted_at": pa.array([NOON + timedelta(hours=1)], TIME),
            "version": ["1"], "score": [0.4], "label": [1], "observed_at": pa.array([NOON], TIME),
        }
    )  # fmt: skip
    objects = MemoryObjects(
        {
            f"{LABELS}part-0.parquet": parquet(labelled(("a", NOON, 0))),
            "s3://homeostat/o/part-1-2.parquet": parquet(outcomes),
        }
    )
    exported = LabelInput(uri="s3://homeostat/o/", entity_field="entity", field="label", timestamp_field="predicted_at")
    assert labels.union(objects, [label_input(), exported], ENTITY, DataWarnings()).column(LABEL).to_pylist() == [1]


def test_outcomes_of_whole_number_entities_come_as_text() -> None:
    outcomes = pa.table({"entity": ["7"], "predicted_at": pa.array([NOON], TIME), "label": [1]})
    objects = MemoryObjects({"s3://homeostat/o/part-1-2.parquet": parquet(outcomes)})
    exported = LabelInput(uri="s3://homeostat/o/", entity_field="entity", field="label", timestamp_field="predicted_at")
    number = Entity.model_validate({"name": "account", "type": "Int64"})
    assert labels.union(objects, [exported], number, DataWarnings()).column("account").to_pylist() == [7]


def test_booleans_are_labels() -> None:
    assert union_of(labelled(("a", NOON, True), ("b", NOON, False))) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("value", "named"),
    [(2, "is int64 and has 2 in row 0, expected Label"), ("Yes", "is string, expected Label"), (0.5, "Label")],
)
def test_a_label_that_is_not_0_or_1_is_refused_with_field_value_and_remedy(value: object, named: str) -> None:
    with pytest.raises(InvalidData, match=f"'churned'.*{named}.*; write 0 and 1, or booleans"):
        union_of(labelled(("a", NOON, value)))


def test_no_label_at_all_is_said_with_the_sources() -> None:
    with pytest.raises(InvalidData, match="there is no label in s3://homeostat/raw/labels/"):
        labels.union(MemoryObjects(), [label_input()], ENTITY, DataWarnings())


def test_the_holdout_depends_on_model_and_entity_alone() -> None:
    chosen = [key for key in (f"c{i}" for i in range(1000)) if held_out("churn.churn", key, 20)]
    assert chosen[:3] == ["c8", "c11", "c19"]
    assert 150 < len(chosen) < 250
    assert all(held_out("churn.churn", key, 30) for key in chosen)


@third_party
def test_a_feature_row_later_than_the_prediction_is_not_used() -> None:
    hour = timedelta(hours=1)
    known = customers(3, tenure=[1, 2, 3]).set_column(
        1, "observed_at", pa.array([NOON - 3 * hour, NOON - hour, NOON + hour], TIME)
    )
    rows = known.set_column(0, "customer_id", pa.array(["a", "a", "a"]))
    objects = MemoryObjects({SNAPSHOT: parquet(rows)})
    asked = labels.union(
        MemoryObjects({f"{LABELS}l.parquet": parquet(labelled(("a", NOON, 1)))}),
        [label_input()],
        ENTITY,
        DataWarnings(),
    )
    found = pa.concat_tables(join(objects, [feature_source()], asked, DataWarnings()))
    assert found.column("tenure").to_pylist() == [2]


@third_party
def test_labels_without_features_within_ttl_are_left_out_and_types_are_kept() -> None:
    rows = customers(3, tenure=[1, 2, None]).set_column(
        1,
        "observed_at",
        pa.array([NOON - timedelta(days=2), NOON - timedelta(hours=1), NOON - timedelta(hours=1)], TIME),
    )
    asked = labels.union(
        MemoryObjects({f"{LABELS}l.parquet": parquet(labelled(*((f"c000{i}", NOON, 1) for i in range(5))))}),
        [label_input()],
        ENTITY,
        DataWarnings(),
    )
    objects = MemoryObjects({SNAPSHOT: parquet(rows)})
    found = pa.concat_tables(join(objects, [feature_source()], asked, DataWarnings()))
    assert found.column("customer_id").to_pylist() == ["c0001", "c0002"]
    assert found.column("tenure").to_pylist() == [2, None]
    assert found.schema.field("tenure").type == pa.int64()


@third_party
def test_a_dataset_is_named_by_its_content_and_its_parts_share_no_entity() -> None:
    objects = a_store()
    job = tables.train_input()
    first, second = dataset.build(job, objects), dataset.build(job, objects)
    assert first == second
    stored = BundleRef(uri=first.uri, digest=first.digest)
    parts = [dataset.read(objects, stored, name).column("customer_id").to_pylist() for name in (TRAIN, HOLDOUT)]
    assert [len(part) for part in parts] == [first.rows, first.holdout_rows]
    assert sorted(parts[0] + parts[1]) == customers().column("customer_id").to_pylist()


@third_party
def test_labels_of_one_class_make_no_dataset() -> None:
    objects = a_store()
    rows = tables.labels(customers())
    objects.content[f"{LABELS}part-0.parquet"] = parquet(rows.set_column(2, "churned", pa.array([1] * 400)))
    with pytest.raises(InvalidData, match=r"all \d+ rows of the training part have label 1; a classifier needs both"):
        dataset.build(tables.train_input(), objects)


@third_party
def test_too_few_rows_are_counted_in_the_message() -> None:
    with pytest.raises(
        InvalidData, match=r"training part has \d+ labelled rows with features, at least 50 are required"
    ):
        dataset.build(tables.train_input(), a_store(customers(20)))


def test_a_changed_file_is_noticed() -> None:
    objects = MemoryObjects()
    stored = storage.store(objects, "s3://homeostat/m", {"a": b"1"})
    objects.content[f"{stored.uri}/a"] = b"2"
    with pytest.raises(InvalidData, match="it was changed"):
        storage.fetch(objects, stored, ["a"])


def warnings_of(objects: MemoryObjects, **changes: Any) -> list[str]:
    return dataset.build(tables.train_input(**changes), objects).warnings


def test_a_dataset_of_good_data_has_no_warnings() -> None:
    assert warnings_of(a_store()) == []


def test_labels_that_an_entitys_newer_label_replaces_are_counted() -> None:
    objects = a_store()
    objects.content[f"{LABELS}earlier.parquet"] = parquet(tables.labels(customers(), at=NOON - timedelta(hours=1)))
    assert warnings_of(objects) == ["Labels left out because their entity has a newer one: 400 of 800."]


def test_labels_without_time_or_value_or_features_are_counted() -> None:
    rows = tables.labels(customers(402)).slice(400).set_column(2, "churned", pa.array([None, 1]))
    objects = a_store()
    objects.content[f"{LABELS}unknown.parquet"] = parquet(rows)
    assert warnings_of(objects) == [
        "Labels in s3://homeostat/raw/labels/ left out because entity, time or value is missing: 1.",
        "Labels left out because no feature was known at their time within ttl: 1 of 401.",
    ]


@pytest.mark.parametrize("bad", ["unknown", "7.5", "007", "", "9223372036854775808", "99999999999999999999", "-0"])
def test_an_exported_outcome_whose_entity_id_is_no_integer_is_left_out_and_counted(bad: str) -> None:
    keys = [bad, "7", "-9223372036854775808", "9223372036854775807"]
    exported = pa.table({"entity": keys, "predicted_at": pa.array([NOON] * 4, TIME), "label": [1, 0, 1, 0]})
    objects = MemoryObjects({"s3://homeostat/o/part-1-2.parquet": parquet(exported)})
    source = LabelInput(uri="s3://homeostat/o/", entity_field="entity", field="label", timestamp_field="predicted_at")
    warnings = DataWarnings()
    number = Entity.model_validate({"name": "account", "type": "Int64"})
    found = labels.union(objects, [source], number, warnings)
    assert found.column("account").to_pylist() == [-(2**63), 7, 2**63 - 1]
    expected = "missing: 1." if not bad else f"entity id is not an Int64, such as {bad!r}: 1."
    assert [text.endswith(expected) for text in warnings.listed()] == [True]


def test_an_export_without_rows_is_read() -> None:
    exported = pa.table(
        {"entity": pa.array([], pa.string()), "predicted_at": pa.array([], TIME), "label": pa.array([], pa.int8())}
    )
    objects = MemoryObjects({"s3://homeostat/o/part-1-2.parquet": parquet(exported)})
    source = LabelInput(uri="s3://homeostat/o/", entity_field="entity", field="label", timestamp_field="predicted_at")
    number = Entity.model_validate({"name": "account", "type": "Int64"})
    with pytest.raises(InvalidData, match="there is no label in"):
        labels.union(objects, [source], number, DataWarnings())


def test_a_source_without_files_is_said() -> None:
    objects = a_store()
    empty = label_input(uri="s3://homeostat/none/")
    assert warnings_of(objects, labels=[label_input(), empty]) == [
        "Label sources without Parquet files: 1 (s3://homeostat/none/)."
    ]


def test_whole_numbers_that_single_precision_merges_are_named() -> None:
    rows = customers()
    charge = pa.array([1_700_000_000.0 + number % 64 for number in range(rows.num_rows)])
    tenure = pa.array([1_700_000_000 + number % 64 for number in range(rows.num_rows)])
    rows = rows.set_column(4, "charge", charge).set_column(3, "tenure", tenure)
    assert warnings_of(a_store(rows)) == [
        f"Feature {name!r} has 64 different values, of which a model, which computes in single precision, can tell apart "
        "only 1; subtract an offset or divide it."
        for name in ("tenure", "charge")
    ]


@pytest.mark.parametrize(
    "columns", [["entity", "at", "at"], ["entity", "entity", "churned"], ["entity", "at", "entity"]]
)
def test_one_column_cannot_be_entity_time_and_label_at_once(columns: list[str]) -> None:
    entity, time, field = columns
    source = LabelInput(uri=LABELS, entity_field=entity, field=field, timestamp_field=time)
    objects = MemoryObjects({f"{LABELS}l.parquet": parquet(pa.table({"entity": ["a"]}))})
    with pytest.raises(InvalidData, match="need three columns for entity, time and label"):
        labels.union(objects, [source], ENTITY, DataWarnings())
