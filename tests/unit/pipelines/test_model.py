"""The model, its files, the steps and the evaluation."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest

from homeostat.api.common import MESSAGE_LIMIT
from homeostat.artifacts import storage
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.dataset import HOLDOUT, LABEL, TRAIN
from homeostat.artifacts.holdout import Holdout
from homeostat.engines.objects.memory import MemoryObjects
from homeostat.engines.runs.packages import bundled
from homeostat.engines.runs.parameters import arguments
from homeostat.reconcile.errors import EngineUnavailable, InvalidData, InvalidSpec, PlatformError
from homeostat.runs import EvaluateInput, EvaluateResult, FailureReason, RunFailure, TrainResult
from homeostat.signals.gate import Verdict
from homeostat.signals.histogram import Baseline
from homeostat_pipelines import compile as compiling
from homeostat_pipelines import dataset, evaluate, families, model, pieces, steps
from homeostat_pipelines.objects import PatientObjects
from homeostat_pipelines.report import Report
from homeostat_pipelines.signature import feeds, score, signature_of
from homeostat_pipelines.training import COMPILED
from support.tables import OUTPUT, customers, feature_source, labels, parquet, rows_of, train_input

QUICK = families.chosen({"max_iter": 20})
SIGNATURE = signature_of(train_input())


def rows(count: int = 400, seed: int = 0) -> pa.Table:
    table = customers(count, seed)
    return table.append_column(LABEL, labels(table, seed=seed + 1).column("churned").cast(pa.int8()))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return model.train(rows_of(rows()), SIGNATURE, QUICK, seed=42)


def test_an_unseen_category_and_missing_values_are_scored(files: dict[str, bytes]) -> None:
    strange = customers(
        1, contract=["decade"], charge=pa.array([None], pa.float64()), tenure=pa.array([None], pa.int64())
    )
    (found,) = score(files["model.onnx"], feeds(strange, SIGNATURE.inputs))
    assert 0 < found < 1


def test_the_same_rows_parameters_and_seed_give_the_same_files(files: dict[str, bytes]) -> None:
    assert model.train(rows_of(rows()), SIGNATURE, QUICK, seed=42) == files


@pytest.mark.parametrize("size", [1, 7, 150])
def test_rows_that_are_read_in_pieces_give_the_same_files(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(pieces, "rows_per_piece", lambda _: size)
    monkeypatch.setattr(model, "rows_per_piece", lambda _: size)
    assert model.train(rows_of(rows()), SIGNATURE, QUICK, seed=42) == files


def test_the_files_are_the_same_under_every_number_of_threads(files: dict[str, bytes]) -> None:
    script = (
        "from unit.pipelines.test_model import *\n"
        "print(storage.store(MemoryObjects(), 's3://b/m', model.train(rows_of(rows()), SIGNATURE, QUICK, seed=42)).digest)"
    )
    variables = {**os.environ, "OMP_NUM_THREADS": "3", "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=variables)
    assert shown.stdout.strip() == storage.store(MemoryObjects(), "s3://b/m", files).digest


def test_the_examples_are_scored_as_recorded_and_some_have_gaps(files: dict[str, bytes]) -> None:
    examples = json.loads(files["examples.json"])
    table = pa.Table.from_pylist(
        [e["inputs"] for e in examples], schema=customers(2).select([i.name for i in SIGNATURE.inputs]).schema
    )
    assert score(files["model.onnx"], feeds(table, SIGNATURE.inputs)).tolist() == pytest.approx(
        [e["output"] for e in examples]
    )
    assert len(examples) >= 5
    assert any(e["inputs"]["charge"] is None for e in examples)


def test_the_baseline_has_every_feature_and_the_score(files: dict[str, bytes]) -> None:
    baseline = Baseline.model_validate_json(files["baseline.json"])
    assert [f.name for f in baseline.features] == ["contract", "tenure", "charge", "paperless"]
    assert baseline.score is not None
    assert baseline.score.n == 400


def test_the_signature_names_inputs_with_their_datatypes(files: dict[str, bytes]) -> None:
    signature = json.loads(files["signature.json"])
    assert signature["model"] == "churn.churn"
    assert signature["featureSets"] == ["customers"]
    assert [i["datatype"] for i in signature["inputs"]] == ["BYTES", "INT64", "FP64", "BOOL"]
    assert signature["positive"] == "churned"


def test_a_feature_in_two_sets_is_refused() -> None:
    with pytest.raises(InvalidData, match="'contract' is in more than one"):
        signature_of(train_input(feature_sets=[feature_source(), feature_source(name="others")]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"depth": "3"}, "'depth' is unknown; the pipeline has colsample_bytree, family, l2_regularization"),
        ({"max_iter": "many"}, "'max_iter' is 'many'; write a whole number"),
        ({"job": "{}"}, "'job' is unknown"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(given: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        arguments(bundled(COMPILED, "tabular").declared, given)


def test_an_unknown_pipeline_is_named_beside_those_there_are() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.pipeline\.name 'text' is unknown; use one of tabular$"):
        bundled(COMPILED, "text")


def test_the_compiled_packages_are_up_to_date() -> None:
    for name, text in compiling.compiled().items():
        assert (COMPILED / f"{name}.yaml").read_text() == text


def a_trained_world() -> tuple[MemoryObjects, str, str]:
    """A store with a dataset and a model trained on it, and their records."""
    objects = MemoryObjects()
    train, holdout = dataset.split(rows(), "churn.churn", "customer_id", Holdout(percent=20))
    parts = {TRAIN: parquet(train), HOLDOUT: parquet(holdout)}
    stored = storage.store(objects, "s3://homeostat/churn/datasets", parts)
    record = json.dumps(
        {**stored.model_dump(), "rows": train.num_rows, "holdoutRows": holdout.num_rows, "watermark": None}
    )
    trained = steps.train(train_input().model_dump_json(by_alias=True), record, {"max_iter": 20}, objects)
    return objects, record, trained


def test_the_last_step_writes_the_result() -> None:
    objects, data, trained = a_trained_world()
    steps.assess(train_input(gpus=2).model_dump_json(by_alias=True), data, trained, "sha256:p", 0.0, objects=objects)
    result = TrainResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))
    assert set(result.metrics) == {"auc", "logloss", "brier", "accuracy", "skill", "calibrationError"}
    assert result.metrics["auc"] > 0.6
    assert result.gpu_seconds > 0


def test_a_model_against_itself_is_held_and_a_minimum_alone_promotes() -> None:
    objects, data, trained = a_trained_world()
    stored = BundleRef.model_validate_json(trained)
    held = json.loads(data)
    job = EvaluateInput.model_validate(
        {
            "namespace": "churn", "challenger": stored, "champion": None, "seed": 1, "output": OUTPUT,
            "dataset": {"uri": held["uri"], "digest": held["digest"]},
            "gate": {"minimum": [{"metric": "auc", "value": "0.5"}], "mustBeat": [{"metric": "logloss"}]},
        }
    )  # fmt: skip
    verdicts = []
    for champion in (None, stored):
        evaluate.run(job.model_copy(update={"champion": champion}), objects)
        verdicts.append(EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report.verdict)
    assert verdicts == [Verdict.PROMOTE, Verdict.HOLD]


@pytest.mark.parametrize("grown", [20, 50])
def test_a_gate_judges_no_model_on_rows_that_it_was_trained_on_although_the_holdout_has_grown(grown: int) -> None:
    objects, _, trained = a_trained_world()
    train, holdout = dataset.split(rows(), "churn.churn", "customer_id", Holdout(percent=grown))
    stored = storage.store(objects, "s3://homeostat/churn/datasets", {HOLDOUT: parquet(holdout)})
    wider = signature_of(train_input(holdout_percent=grown))
    challenger = storage.store(
        objects, "s3://homeostat/churn/models", model.train(rows_of(train), wider, QUICK, seed=1)
    )
    job = {
        "namespace": "churn", "challenger": challenger, "champion": json.loads(trained), "seed": 1, "output": OUTPUT,
        "dataset": {"uri": stored.uri, "digest": stored.digest}, "gate": {"mustBeat": [{"metric": "logloss"}]},
    }  # fmt: skip
    evaluate.run(EvaluateInput.model_validate(job), objects)
    report = EvaluateResult.model_validate_json(objects.read(f"{OUTPUT}result.json")).report
    assert report.rows == dataset.split(rows(), "churn.churn", "customer_id", Holdout(percent=20))[1].num_rows
    assert holdout.num_rows > report.rows or grown == 20


def test_a_gate_without_a_row_that_neither_model_has_seen_says_what_may_not_grow() -> None:
    objects, _, trained = a_trained_world()
    seen, _ = dataset.split(rows(), "churn.churn", "customer_id", Holdout(percent=20))
    stored = storage.store(objects, "s3://homeostat/churn/datasets", {HOLDOUT: parquet(seen)})
    job = {
        "namespace": "churn", "challenger": json.loads(trained), "champion": None, "seed": 1, "output": OUTPUT,
        "dataset": {"uri": stored.uri, "digest": stored.digest}, "gate": {"minimum": [{"metric": "auc", "value": "0.5"}]},
    }  # fmt: skip
    with pytest.raises(InvalidData, match=r"holdout.percent of a TrainingJob may shrink, but not grow"):
        evaluate.run(EvaluateInput.model_validate(job), objects)


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (InvalidData("x"), FailureReason.INVALID_DATA, "^x$"),
        (EngineUnavailable("x"), FailureReason.SOURCE_UNAVAILABLE, "^x$"),
        (PlatformError("x"), FailureReason.ERROR, "^x$"),
        (ZeroDivisionError("by zero"), FailureReason.ERROR, "^unexpected ZeroDivisionError: by zero; this is a defect"),
        (KeyError(), FailureReason.ERROR, "^unexpected KeyError; this is a defect"),
        (
            ValueError("x" * 2_000),
            FailureReason.ERROR,
            "^unexpected ValueError: x+…; .* the run's log has the traceback",
        ),
    ],
)
def test_a_failure_says_who_must_act(error: Exception, reason: FailureReason, message: str) -> None:
    objects = MemoryObjects()
    with pytest.raises(type(error)), Report(objects, OUTPUT).failures():
        raise error
    failure = RunFailure.model_validate_json(objects.read(f"{OUTPUT}failure.json"))
    assert failure.reason is reason
    assert re.search(message, failure.message)
    assert len(failure.message) < MESSAGE_LIMIT


class Flaky(MemoryObjects):
    """Does not answer a number of times."""

    def __init__(self, outages: int) -> None:
        super().__init__({"s3://b/a": b"1"})
        self.outages = outages

    def read(self, uri: str) -> bytes:
        self.outages -= 1
        if self.outages >= 0:
            raise EngineUnavailable("down")
        return super().read(uri)


def test_a_brief_outage_of_the_store_is_waited_out_and_a_long_one_is_reported() -> None:
    assert PatientObjects(Flaky(1)).read("s3://b/a") == b"1"
    with pytest.raises(EngineUnavailable):
        PatientObjects(Flaky(1000), patience=0).read("s3://b/a")


INTERNAL = [
    "positive",
    "label",
    "probabilities",
    "event_timestamp",
    "variable",
    "concat_result",
    "probability_of_both",
    "x",
]


def test_a_feature_can_have_any_name_that_the_graph_s_converter_uses_itself() -> None:
    kinds = ["String", "Int64", "Float64", "Bool"]
    described = [{"name": name, "type": kinds[index % 4]} for index, name in enumerate(INTERNAL)]
    signature = signature_of(train_input(feature_sets=[feature_source(features=described)]))
    source = rows().drop_columns(["customer_id", "observed_at"])
    columns = [
        source.column(["contract", "tenure", "charge", "paperless"][index % 4]) for index in range(len(INTERNAL))
    ]
    table = pa.table(dict(zip(INTERNAL, columns, strict=True))).append_column(LABEL, source.column(LABEL))
    files = model.train(rows_of(table), signature, QUICK, seed=42)
    scores = score(files["model.onnx"], feeds(table, signature.inputs))
    assert np.abs(scores - scores.mean()).max() > 0.1
    session = onnxruntime.InferenceSession(files["model.onnx"])
    assert [each.name for each in session.get_inputs()] == INTERNAL
    assert [each.name for each in session.get_outputs()] == ["probability"]
