"""A training by the Local engine: the steps share one process."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from homeostat.artifacts.model import MODEL, SIGNATURE, signature
from homeostat.artifacts.storage import fetch
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs.packages import bundled
from homeostat.reconcile.errors import InvalidData
from homeostat.runs import FailureReason, RunFailure, TrainResult
from homeostat_pipelines import families, training
from homeostat_pipelines.report import Report
from support.tables import LABELS, OUTPUT, SNAPSHOT, a_store, customers, parquet, train_input

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast, Dask and pandas warn about each other


def trained(objects: MemoryObjects, **parameters: str) -> TrainResult:
    training.run(train_input(parameters=parameters), objects)
    return TrainResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))


def test_every_step_runs_and_the_last_one_writes_the_result() -> None:
    objects = a_store()
    result = trained(objects, max_iter="20")
    assert result.metrics["auc"] > 0.6
    assert result.dataset.rows + result.dataset.holdout_rows == 400
    assert result.pipeline_digest == bundled(training.COMPILED, "tabular").digest
    assert objects.exists(f"{result.model.uri}/{MODEL}")


def test_a_parameter_that_is_not_given_has_the_default_of_the_family() -> None:
    objects = a_store()
    defaults = families.chosen({}).model_dump()
    assert trained(objects).model == trained(objects, max_iter=str(defaults["max_iter"])).model
    assert trained(objects).model != trained(objects, max_iter="20").model


def test_a_failing_step_ends_the_run_with_its_reason() -> None:
    objects = MemoryObjects({SNAPSHOT: parquet(customers()), f"{LABELS}part-0.parquet": b"not Parquet"})
    with pytest.raises(InvalidData), Report(objects, OUTPUT).failures():
        training.run(train_input(), objects)
    failure = RunFailure.model_validate_json(objects.read(f"{OUTPUT}failure.json"))
    assert failure.reason is FailureReason.INVALID_DATA
    assert not objects.exists(f"{OUTPUT}result.json")


def test_every_pipeline_that_ships_with_the_platform_runs_locally() -> None:
    assert {path.stem for path in training.COMPILED.glob("*.yaml")} == set(training.PIPELINES)


@pytest.mark.parametrize("module", ["training", "evaluate", "steps"])
def test_a_run_imports_neither_kfp_nor_feast_before_it_needs_them_and_waits_passively(module: str) -> None:
    script = (
        f"import homeostat_pipelines, os, sys; assert 'numpy' not in sys.modules; import homeostat_pipelines.{module}\n"
        "print(os.environ['OMP_WAIT_POLICY'], sorted({'kfp', 'feast', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    cleared = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=cleared)
    assert shown.stdout.strip() == "PASSIVE []"


def test_a_training_runs_to_its_end_without_importing_feast_or_dask() -> None:
    script = (
        "import sys; from homeostat_pipelines import families, training; from support.tables import a_store, train_input;"
        "training.run(train_input(parameters={'max_iter': '5'}), a_store());"
        "print(sorted({'feast', 'dask', 'kfp'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("feature", ["contract", "tenure", "charge", "paperless"])
def test_a_feature_without_any_value_is_not_trained_on_and_the_result_says_so(feature: str) -> None:
    rows = customers()
    kind = rows.schema.field(feature).type
    index = rows.column_names.index(feature)
    objects = a_store(rows.set_column(index, feature, pa.nulls(rows.num_rows, kind)))
    result = trained(objects, max_iter="5")
    inputs = signature(fetch(objects, result.model, [SIGNATURE])).inputs
    assert feature not in {each.name for each in inputs}
    assert len(inputs) == 3
    assert result.dataset.warnings == [
        f"Feature {feature!r} is not trained on: its values are missing in all {result.dataset.rows} rows."
    ]


def test_a_feature_whose_drift_cannot_be_judged_is_named_in_the_result() -> None:
    rows = customers()
    index = rows.column_names.index("contract")
    ids = pa.array([f"id-{n}" for n in range(rows.num_rows)])
    result = trained(a_store(rows.set_column(index, "contract", ids)), max_iter="5")
    assert result.dataset.warnings == [
        "Drift of feature 'contract' is not fully judged: 100% of new rows are expected to have a value that is new."
    ]
