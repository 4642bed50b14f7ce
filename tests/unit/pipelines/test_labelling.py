"""Labels of each task: what files may hold, what a dataset makes of it, and what is refused."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from homeostat.api.v1alpha1.featureset import Entity
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TRAIN
from homeostat.artifacts.holdout import held_out
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import LabelInput, TrainInput
from homeostat.tasks import made
from homeostat_pipelines import dataset, labels
from homeostat_pipelines.data_warnings import DataWarnings
from homeostat_pipelines.labelling import Labelling
from support.tables import LABELS, NOON, a_store, customers, label_input, parquet, train_input

ENTITY = Entity.model_validate({"name": "customer_id", "type": "String"})
MULTICLASS, REGRESSION = Labelling(made("MulticlassClassification")), Labelling(made("Regression"))
YES = Labelling(positive="Yes")
EXPORTED = "s3://homeostat/o/"


def labelled(values: Sequence[object] | pa.Array) -> pa.Table:
    times = pa.array([NOON] * len(values), pa.timestamp("us", tz="UTC"))
    keys = [f"c{i:04d}" for i in range(len(values))]
    return pa.table({"customer_id": keys, "predicted_at": times, "churned": values})


def exported(values: Sequence[object]) -> pa.Table:
    times = pa.array([NOON] * len(values), pa.timestamp("us", tz="UTC"))
    return pa.table({"entity": [f"o{i:04d}" for i in range(len(values))], "predicted_at": times, "label": values})


def read(labelling: Labelling, *parts: pa.Table, outcomes: pa.Table | None = None) -> tuple[list[Any], list[str]]:
    """Labels in the order of their entities, and the warnings."""
    objects = MemoryObjects({f"{LABELS}part-{i}.parquet": parquet(part) for i, part in enumerate(parts)})
    sources = [label_input()]
    if outcomes is not None:
        objects.write(f"{EXPORTED}part-1-2.parquet", parquet(outcomes))
        sources.append(LabelInput(uri=EXPORTED, entity_field="entity", field="label", timestamp_field="predicted_at"))
    warnings = DataWarnings()
    table = labels.union(objects, sources, ENTITY, warnings, labelling=labelling)
    return table.column(LABEL).to_pylist(), warnings.listed()


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (["cat", "dog", "cat"], ["cat", "dog", "cat"]),
        ([3, 1, 3], ["3", "1", "3"]),
        ([3.0, 1.0, -2.0], ["3", "1", "-2"]),
        (pa.array([Decimal(3), Decimal(1), Decimal(1)], pa.decimal128(38, 0)), ["3", "1", "1"]),
        ([Decimal("3.00"), Decimal("1.00"), Decimal("1.00")], ["3", "1", "1"]),
        (pa.array(["cat", "dog", "cat"]).dictionary_encode(), ["cat", "dog", "cat"]),
        (pa.array([b"cat", b"dog", b"cat"]), ["cat", "dog", "cat"]),
    ],
)
def test_classes_are_texts_or_whole_numbers(column: Any, classes: list[str]) -> None:
    assert read(MULTICLASS, labelled(column)) == (classes, [])


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ([True, False], r"is bool, expected Class"),
        ([1.0, 1.5], r"has 1\.5 in row 1, expected Class"),
        ([Decimal("1.0"), Decimal("1.5")], r"has Decimal\('1\.5'\) in row 1, expected Class"),
        (["cat", "x" * 257], r"has x{63}… in row 1, but the name of a class has at most 256 characters"),
        ([2.0**60], r"skips whole numbers beyond 9007199254740992"),
    ],
)
def test_what_names_no_class_is_refused_with_file_column_row_and_remedy(column: list[object], named: str) -> None:
    with pytest.raises(
        InvalidData, match=rf"'churned' of {LABELS}part-0.parquet .*{named}.*; write texts or whole numbers"
    ):
        read(MULTICLASS, labelled(column))


def test_an_empty_text_is_a_missing_label_which_is_left_out_and_counted() -> None:
    found, warnings = read(MULTICLASS, labelled(["cat", "", None, "dog"]))
    assert found == ["cat", "dog"]
    assert warnings == [f"Labels in {LABELS} left out because entity, time or value is missing: 2."]


@pytest.mark.parametrize(
    "column",
    [
        [3, 1],
        [3.0, 1.0],
        [Decimal("3.0"), Decimal("1.0")],
        pa.array([3, 1], pa.uint8()),
        pa.array([3.0, 1.0], pa.float32()),
    ],
)
def test_labels_of_a_regression_are_numbers_of_any_type(column: Any) -> None:
    found, warnings = read(REGRESSION, labelled(column))
    assert (found, [type(one) for one in found], warnings) == ([3.0, 1.0], [float, float], [])


def test_nan_is_a_missing_number_which_is_left_out_and_counted() -> None:
    found, warnings = read(REGRESSION, labelled([1.5, float("nan"), None, -0.0]))
    assert [str(one) for one in found] == ["1.5", "0.0"]
    assert warnings == [f"Labels in {LABELS} left out because entity, time or value is missing: 2."]


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ([1.0, float("inf")], "is double and has inf in row 1, which is infinite or beyond 3.4e38"),
        ([1.0, 2.0, -1e39], r"is double and has -1e\+39 in row 2, which is infinite or beyond 3.4e38"),
        (["12.5"], "is string, expected Number"),
        ([True], "is bool, expected Number"),
    ],
)
def test_what_no_regression_can_predict_is_refused_with_row_and_remedy(column: list[object], named: str) -> None:
    with pytest.raises(InvalidData, match=rf"'churned' of {LABELS}part-0.parquet {named}; write finite numbers"):
        read(REGRESSION, labelled(column))


def test_of_two_texts_the_positive_one_is_1_also_beside_exported_outcomes_which_are_0_and_1() -> None:
    found, _ = read(YES, labelled(["No", "Yes"]), labelled(["No", "No"]), outcomes=exported([1, 0]))
    assert found == [0, 0, 1, 0]


def test_the_positive_one_of_whole_numbers_is_named_by_its_digits() -> None:
    assert read(Labelling(positive="2"), labelled([1, 2, 1]))[0] == [0, 1, 0]


def test_a_third_text_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InvalidData, match=r"labels have 3 texts \('No', 'Perhaps', 'Yes'\), .*; leave out the rows of"):
        read(YES, labelled(["No", "Yes", "Perhaps"]))


@pytest.mark.parametrize(("others", "end"), [("012345678", "'8', 'Yes'"), ("0123456789", "'9', …")])
def test_of_many_texts_the_first_ten_are_listed(others: str, end: str) -> None:
    with pytest.raises(InvalidData, match=rf"labels have {len(others) + 1} texts \('0', '1', .*{end}\), and a binary"):
        read(YES, labelled([*others, "Yes"]))


def test_outcomes_alone_are_labels_also_where_a_file_of_texts_has_none_yet() -> None:
    nothing = labelled(pa.array([None], pa.string()))
    assert read(YES, nothing, outcomes=exported([1, 0]))[0] == [1, 0]


def test_a_positive_text_that_no_label_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidData, match=r"no label is 'Yes'; there are 'no', 'yes'; correct spec.dataset.target.pos"):
        read(YES, labelled(["no", "yes"]))


def test_exported_outcomes_have_labels_of_their_task() -> None:
    assert read(MULTICLASS, labelled(["cat"]), outcomes=exported(["dog"]))[0] == ["cat", "dog"]
    assert read(REGRESSION, labelled([1]), outcomes=exported([2.5]))[0] == [1.0, 2.5]


def store_of(values: Sequence[object]) -> MemoryObjects:
    rows = customers(len(values))
    objects = a_store(rows)
    objects.write(f"{LABELS}part-0.parquet", parquet(labelled(values)))
    return objects


def job(task: str) -> TrainInput:
    return train_input(task=task)


@pytest.mark.parametrize(
    ("task", "values", "kind"),
    [
        ("BinaryClassification", [0, 1], pa.int8()),
        ("MulticlassClassification", ["cat", "dog", "bird"], pa.string()),
        ("Regression", [1, 2, 5], pa.float64()),
    ],
)
def test_the_label_column_of_a_dataset_has_the_type_of_its_task(
    task: str, values: list[object], kind: pa.DataType
) -> None:
    objects = store_of((values * 200)[:400])
    stored = dataset.build(job(task), objects)
    for part in (TRAIN, HOLDOUT):
        column = dataset.read(objects, BundleRef(uri=stored.uri, digest=stored.digest), part).column(LABEL)
        assert (column.type, sorted(set(column.to_pylist()))) == (kind, sorted(values))  # type: ignore[type-var]
    assert stored.warnings == []


@pytest.mark.parametrize(
    ("task", "value", "why"),
    [
        (
            "MulticlassClassification",
            "cat",
            "rows of the training part have label 'cat'; a classifier needs two classes",
        ),
        ("Regression", 7.5, "rows of the training part have label 7.5; a regression needs different ones"),
    ],
)
def test_labels_that_are_all_the_same_make_no_dataset(task: str, value: object, why: str) -> None:
    with pytest.raises(InvalidData, match=why):
        dataset.build(job(task), store_of([value] * 400))


def test_numbers_that_a_model_cannot_tell_apart_are_named() -> None:
    (warning,) = dataset.build(job("Regression"), store_of([1e9 + i % 40 for i in range(400)])).warnings
    assert warning == (
        "The label has 40 different values, of which a model, which computes in single precision, can tell apart only 2; "
        "subtract an offset or divide it."
    )


def test_more_classes_than_a_model_can_have_make_no_dataset() -> None:
    with pytest.raises(
        InvalidData, match=r"the training part cannot be used: labels have 1,\d\d\d classes, at most 1,000"
    ):
        dataset.build(job("MulticlassClassification"), store_of(list(range(1500))))


def test_classes_that_are_hardly_learnt_or_not_at_all_are_named() -> None:
    objects = store_of(["cat", "dog"] * 200)
    model = "churn.churn"
    held = [held_out(model, f"c{i:04d}", 20) for i in range(400)]
    values = ["cat", "dog"] * 200
    values[held.index(True)] = "eel"
    values[held.index(False)] = "fox"
    objects = store_of(values)
    assert dataset.build(job("MulticlassClassification"), objects).warnings == [
        "Classes with fewer than 5 rows in the training part, hardly learnt: 1 ('fox').",
        "Rows of the holdout whose class the training part does not have, which count as errors: 1 ('eel').",
    ]
