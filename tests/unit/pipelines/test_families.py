"""Families of models: what each takes, and that its graph computes what its library does, for every task."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer

from homeostat.artifacts.bundle import digest_of
from homeostat.artifacts.dataset import LABEL
from homeostat.artifacts.model import BASELINE, EXAMPLES, MODEL, signature
from homeostat.artifacts.signature import Signature
from homeostat.engines.runs.packages import FORMER_NAMES, bundled
from homeostat.engines.runs.parameters import RESERVED
from homeostat.intervals import Floats
from homeostat.reconcile.errors import InvalidData, PlatformError
from homeostat.runs import TrainInput, TrainResult
from homeostat.signals.histogram import Baseline, FeatureKind
from homeostat_pipelines import families, memory, model, training
from homeostat_pipelines.families import light_gbm, scikit, xg_boost
from homeostat_pipelines.families.imputation import Imputation
from homeostat_pipelines.families.linear import Scaling
from homeostat_pipelines.families.protocol import Family, Matrix
from homeostat_pipelines.signature import feeds, score, signature_of
from homeostat_pipelines.targets import target_of
from support.tables import OUTPUT, a_store, feature_source, rows_of, train_input

TASKS = ["BinaryClassification", "MulticlassClassification", "Regression"]
FAMILIES = list(families.FAMILIES)
TREES = {"max_iter", "n_estimators"}
KINDS = {"txt": "String", "one": "String", "flag": "Bool", "adjacent": "Int64"}
"""Types of the features that are no numbers of double precision."""


def rows(count: int = 300, seed: int = 0) -> pa.Table:
    """Rows with missing values, constants, numbers that single precision can hardly tell apart, huge and tiny ones."""
    draw = np.random.default_rng(seed)
    number = draw.normal(size=count)

    def some(values: list[object]) -> pa.Array:
        gaps = draw.random(count) < 0.1
        return pa.array([None if gap else value for gap, value in zip(gaps, values, strict=True)])

    return pa.table(
        {
            "number": pa.array(number.tolist()),
            "sparse": some((number + draw.normal(size=count)).tolist()),
            "large": some((1e9 * number).tolist()),
            "huge": pa.array((3e38 * draw.uniform(-1, 1, count)).tolist()),
            "tiny": pa.array((1e-38 * draw.normal(size=count)).tolist()),
            "below": pa.array((-np.abs(draw.normal(size=count))).tolist()),
            "constant": pa.array([7.5] * count),
            "adjacent": pa.array((2**24 + draw.integers(0, 40, count)).tolist()),
            "flag": some((number > 0.3).tolist()),
            "txt": some(draw.choice(["a", "b", "c"], count).tolist()),
            "one": pa.array(["x"] * count),
        }
    )


def strange_rows() -> pa.Table:
    """Rows of another kind: unseen categories, and missing values where training had none."""
    table = rows(300, seed=9)
    draw = np.random.default_rng(1)
    for name in ("number", "below", "constant", "huge", "adjacent"):
        values = [None if draw.random() < 0.3 else value for value in table.column(name).to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))
    texts = draw.choice(["a", "new", ""], table.num_rows).tolist()
    return table.set_column(table.column_names.index("txt"), "txt", pa.array(texts))


def labelled(task: str, count: int = 300) -> pa.Table:
    table = rows(count)
    known = np.nan_to_num(np.array(table.column("sparse").to_pylist(), dtype=float))
    value = np.array(table.column("number")) + known + (np.array(table.column("txt").to_pylist()) == "a")
    labels = {
        "BinaryClassification": (value > 0.5).astype(np.int64),
        "MulticlassClassification": np.array(["low", "mid dle", "high", "Ärger"])[np.digitize(value, [-1, 0, 1.5])],
        "Regression": 1e7 + 300 * value,
    }
    return table.append_column(LABEL, pa.array(labels[task]))


def job(task: str) -> TrainInput:
    described = [{"name": name, "type": KINDS.get(name, "Float64")} for name in rows(1).column_names]
    return train_input(task=task, feature_sets=[feature_source(features=described)])


def quick(name: str, **parameters: object) -> Family:
    """The family with few trees."""
    trees = TREES & type(families.chosen({"family": name})).model_fields.keys()
    return families.chosen({"family": name, **({} if name == "linear" else dict.fromkeys(trees, 8)), **parameters})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_graph_computes_what_the_library_does_on_rows_unlike_those_of_training(
    name: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    natives: list[model._Native] = []
    columns: list[ColumnTransformer] = []
    compare, make = model._Native.check, model._columns

    def check(self: model._Native, found: Floats, matrix: Matrix) -> None:
        natives.append(self)
        compare(self, found, matrix)

    def made(of: Signature) -> ColumnTransformer:
        columns.append(make(of))
        return columns[-1]

    monkeypatch.setattr(model._Native, "check", check)
    monkeypatch.setattr(model, "_columns", made)
    files = model.train(rows_of(labelled(task)), signature_of(job(task)), quick(name), seed=3)
    fed = feeds(strange_rows(), signature(files).inputs)
    found = score(files[MODEL], fed)
    matrix = columns[0].transform(model._frame(fed)).astype(np.float32)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() > 0
    natives[0].check(found, matrix)
    signature(files).predicts.checked(found)


@pytest.mark.parametrize("task", TASKS)
def test_signature_examples_and_baseline_are_those_of_the_task(task: str) -> None:
    files = model.train(rows_of(labelled(task)), signature_of(job(task)), quick("hist-gradient-boosting"), seed=3)
    made, examples = signature(files), json.loads(files[EXAMPLES])
    table = labelled(task).slice(0, len(examples))
    baseline = Baseline.model_validate_json(files[BASELINE])
    assert baseline.score is not None
    assert baseline.score.n == 300
    assert score(files[MODEL], feeds(table, made.inputs)).tolist()[0] == pytest.approx(examples[0]["output"])
    if task == "MulticlassClassification":
        assert made.classes == ("high", "low", "mid dle", "Ärger")
        assert len(examples[0]["output"]) == 4
        assert baseline.score.kind is FeatureKind.CATEGORICAL
        assert set(baseline.score.categories) <= set(made.classes)
    else:
        assert isinstance(examples[0]["output"], float)
        assert baseline.score.kind is FeatureKind.NUMERIC
    assert (made.units is not None) == (task == "Regression")


def test_the_classes_of_the_output_are_in_the_order_of_the_signature() -> None:
    table = labelled("MulticlassClassification")
    files = model.train(rows_of(table), signature_of(job("MulticlassClassification")), quick("linear"), seed=3)
    made = signature(files)
    best = score(files[MODEL], feeds(table, made.inputs)).argmax(axis=1)
    right = np.array(made.classes)[best] == np.array(table.column(LABEL).to_pylist())
    assert right.mean() > 0.7


def digests(names: list[str]) -> dict[str, str]:
    """Digests of the graphs of every family and task."""
    return {
        f"{name} {task}": digest_of(
            model.train(rows_of(labelled(task)), signature_of(job(task)), quick(name), seed=3)[MODEL]
        )
        for name in names
        for task in TASKS
    }


def test_every_family_gives_the_same_model_under_every_number_of_threads() -> None:
    script = "from unit.pipelines.test_families import *; print(json.dumps(digests(FAMILIES)))"
    variables = {**os.environ, "OMP_NUM_THREADS": "3", "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=True, capture_output=True, text=True, env=variables
    )
    assert json.loads(shown.stdout.splitlines()[-1]) == digests(FAMILIES)


def test_two_classes_by_name_have_two_probabilities() -> None:
    table = labelled("BinaryClassification")
    texts = ["yes" if label else "no" for label in table.column(LABEL).to_pylist()]
    table = table.drop_columns([LABEL]).append_column(LABEL, pa.array(texts))
    for name in FAMILIES:
        files = model.train(rows_of(table), signature_of(job("MulticlassClassification")), quick(name), seed=3)
        found = score(files[MODEL], feeds(table, signature(files).inputs))
        assert found.shape == (300, 2)
        assert np.abs(found.sum(axis=1) - 1).max() < 1e-5


def test_a_graph_that_differs_from_its_library_is_a_defect_and_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scikit, "outputs", lambda *_: np.full((300, 2), 0.5))
    with pytest.raises(PlatformError, match=r"the ONNX graph of the family hist-gradient-boosting differs"):
        model.train(
            rows_of(labelled("BinaryClassification")),
            signature_of(job("BinaryClassification")),
            quick("hist-gradient-boosting"),
            seed=3,
        )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"family": "svm"}, r"parameter family is 'svm'; use one of hist-gradient-boosting, lightgbm, xgboost"),
        (
            {"family": "linear", "max_depth": 3},
            r"parameter max_depth is not one of the family linear, which has l2_regularization, max_iter; remove it",
        ),
        ({"num_leaves": 8}, r"num_leaves is not one of the family hist-gradient-boosting, which has learning_rate"),
        ({"family": "lightgbm", "num_leaves": 1}, r"parameter num_leaves is 1: Input should be greater than or equal"),
        ({"family": "xgboost", "subsample": 1.5}, r"parameter subsample is 1\.5"),
        ({"family": "linear", "l2_regularization": 0}, r"parameter l2_regularization is 0"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_the_family_has(given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        families.chosen(given)


def test_a_parameter_of_minus_one_is_left_to_the_family() -> None:
    assert families.chosen({"learning_rate": -1.0, "num_leaves": -1}) == families.chosen({})


def test_an_unknown_family_is_refused_before_the_dataset_is_made() -> None:
    objects = a_store()
    with pytest.raises(InvalidData, match="parameter family is 'svm'"):
        training.run(train_input(parameters={"family": "svm"}), objects)
    assert not any(uri.startswith("s3://homeostat/churn/datasets") for uri in objects.content)


def test_the_package_declares_every_parameter_of_every_family_and_leaves_it_to_the_family() -> None:
    declared = bundled(training.COMPILED, "tabular").declared
    kinds = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", float | None: "NUMBER_DOUBLE"}
    wanted = {
        parameter: kinds[field.annotation]  # type: ignore[index]
        for name in FAMILIES
        for parameter, field in type(families.chosen({"family": name})).model_fields.items()
    }
    given = {name: one["parameterType"] for name, one in declared.items() if name not in {*RESERVED, families.FAMILY}}
    assert given == wanted
    assert {declared[name]["defaultValue"] for name in wanted} == {families.UNSET}
    assert declared[families.FAMILY]["defaultValue"] == families.DEFAULT


def test_a_family_has_the_name_that_chooses_it_and_a_need_of_memory() -> None:
    assert [families.chosen({"family": name}).NAME for name in FAMILIES] == FAMILIES
    assert list(memory.CELLS) == FAMILIES


def test_only_the_library_of_the_chosen_family_is_loaded() -> None:
    script = (
        "import sys; from homeostat_pipelines import families, model; families.chosen({}); "
        "print(sorted({'lightgbm', 'xgboost', 'onnxmltools'} & sys.modules.keys()))"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=variables)
    assert shown.stdout.strip() == "[]"


def test_a_library_that_lacks_a_file_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(families, "import_module", lacking)
    with pytest.raises(PlatformError, match=r"the family lightgbm cannot be loaded: libgomp\.so\.1: .*; install"):
        families.chosen({"family": "lightgbm"})


def test_the_former_name_of_the_pipeline_runs_the_same_package_with_a_warning() -> None:
    assert bundled(training.COMPILED, "tabular-classification").digest == bundled(training.COMPILED, "tabular").digest
    results = []
    for name in ("tabular", *FORMER_NAMES):
        objects = a_store()
        training.run(train_input(pipeline=name, parameters={"max_iter": "5"}), objects)
        results.append(TrainResult.model_validate_json(objects.read(f"{OUTPUT}result.json")))
    new, former = results
    assert former.model == new.model
    assert former.dataset.warnings == [
        "spec.pipeline.name 'tabular-classification' is a former name of 'tabular', which was run; write 'tabular'.",
        *new.dataset.warnings,
    ]


def test_a_threshold_in_single_precision_decides_on_single_precision_as_before() -> None:
    draw = np.random.default_rng(0)
    values = np.r_[draw.normal(size=500), 2.0**24 + np.arange(50), 3e38, -3e38].astype(np.float32)
    exact = np.r_[
        draw.normal(size=200), 2.0**24 + np.arange(50) + 0.5, 1.79e308, -3.3e38, *values[:50].astype(np.float64)
    ]
    rounded = scikit.rounded_down(exact)
    assert ((values[:, None] <= exact) == (values[:, None] <= rounded)).all()


def test_what_lightgbm_decides_on_missing_values_of_features_without_any_stays_the_same() -> None:
    draw = np.random.default_rng(0)
    matrix = draw.normal(size=(500, 4)).astype(np.float32)
    family = families.chosen({"family": "lightgbm", "n_estimators": 20})
    target = (matrix[:, 0] + matrix[:, 1] ** 2 > 0.5).astype(np.int64)
    changed = family.fit(matrix, target, 2, 0).booster  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_gbm, "_in_single_precision", lambda text: text)
        original = family.fit(matrix, target, 2, 0).booster  # type: ignore[attr-defined]
    matrix[draw.random(matrix.shape) < 0.4] = np.nan
    assert (changed.predict(matrix) == original.predict(matrix)).all()
    assert changed.model_to_string() != original.model_to_string()


def test_xgboost_trains_on_numbers_whose_last_bin_would_be_infinite() -> None:
    matrix = np.array([[3.4e38], [1.0], [np.nan]], dtype=np.float32)
    assert float(np.nanmax(xg_boost._of_finite_bins(matrix))) < 1e38
    small = matrix[1:]
    assert xg_boost._of_finite_bins(small) is small


def test_a_forest_that_no_graph_could_hold_is_refused_with_its_parameters() -> None:
    forest = families.chosen({"family": "random-forest", "n_estimators": 10_000, "max_leaf_nodes": 65_536})
    with pytest.raises(
        InvalidData, match=r"n_estimators 10000, max_leaf_nodes 65536 and 1 outputs may have .* lower one"
    ):
        forest.fit(np.zeros((200_000, 1), dtype=np.float32), np.zeros(200_000), 0, 0)


def test_missing_values_become_the_median_and_a_column_says_where_they_were() -> None:
    matrix = np.array([[1, np.nan, np.nan], [2, 5, np.nan], [9, 7, np.nan]], dtype=np.float32)
    imputation = Imputation.fitted(matrix)
    assert imputation(matrix).tolist() == [[1, 7, 0, 1, 1], [2, 5, 0, 0, 1], [9, 7, 0, 0, 1]]


def test_scaling_leaves_zeros_and_ones_and_keeps_wild_values_near() -> None:
    matrix = np.array([[0, 1, 5], [1, 3, 5]], dtype=np.float32)
    scaling = Scaling.fitted(matrix)
    assert scaling(matrix).tolist() == [[0, -1, 0], [1, 1, 0]]
    wild = np.array([[1, 3e38, -3e38]], dtype=np.float32)
    assert scaling(wild).tolist() == [[1, 10, 0]]


def test_a_library_of_a_family_is_locked_without_what_needs_a_gpu() -> None:
    locked = (Path(__file__).parents[3] / "requirements" / "pipelines.txt").read_text()
    assert "\nxgboost-cpu==" in locked
    assert "nvidia" not in locked


def test_the_signature_of_a_regression_without_units_is_no_target() -> None:
    with pytest.raises(ValueError, match="has no units"):
        target_of(signature_of(job("Regression")))
