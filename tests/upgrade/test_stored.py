"""The present code parses, serves, monitors and migrates what every release stored; see the README beside this file."""

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from jsonschema import Draft202012Validator

from homeostat.api.crdgen.definition import definition
from homeostat.api.v1alpha1 import KINDS, ModelDeployment, Monitor, TrainingJob
from homeostat.artifacts.holdout import Holdout
from homeostat.runs import TrainResult
from homeostat.tasks.binary import BinaryCohort
from homeostat_operators.monitor.observed import MonitorObservation
from homeostat_operators.monitor.plan import plan
from homeostat_services.observer.label_gain import label_gain
from homeostat_services.observer.store import Store, open_database
from homeostat_services.observer.tables import metadata
from homeostat_services.predictor.model import load
from support.stored import UPGRADE, VERSIONS, bucket, manifest

pytestmark = pytest.mark.parametrize("version", VERSIONS)
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)


@by_kind
def test_a_stored_object_is_read_without_losing_a_field(version: str, kind: Any) -> None:
    stored = manifest(version, kind.PLURAL)
    read = kind.model_validate(stored).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert lost(stored, read) == []


def lost(old: Any, new: Any, path: str = "") -> list[str]:
    """Paths whose value is gone or another one; fields may be added."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [found for key, value in old.items() for found in lost(value, new.get(key), f"{path}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [found for i, (a, b) in enumerate(zip(old, new, strict=True)) for found in lost(a, b, f"{path}[{i}]")]
    return [] if old == new else [path]


@by_kind
def test_the_present_schema_accepts_a_stored_object(version: str, kind: Any) -> None:
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    stored = manifest(version, kind.PLURAL)
    errors = [error.message for error in Draft202012Validator(closed(schema)).iter_errors(stored)]
    assert errors == []


def closed(schema: Any) -> Any:
    """The schema as strict field validation applies it: a field that it does not name is an error."""
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if "properties" in inner:
        inner["properties"] = {name: closed(value) for name, value in schema["properties"].items()}
        inner["additionalProperties"] = False
    return inner


def test_the_predictor_loads_the_bundle_in_service_and_scores_its_examples(version: str) -> None:
    stable = ModelDeployment.model_validate(manifest(version, "modeldeployments")).status.stable
    assert stable is not None
    objects = bucket(version)
    model = load(objects, stable.uri, stable.digest)
    examples = json.loads(objects.read(f"{stable.uri}/examples.json"))
    columns = {name: [each["inputs"][name] for each in examples] for name in examples[0]["inputs"]}
    assert model.scores(columns) == pytest.approx([each["probability"] for each in examples], abs=1e-5)


def test_a_training_of_then_names_the_bundle_and_its_result_is_read(version: str) -> None:
    job, objects = TrainingJob.model_validate(manifest(version, "trainingjobs")), bucket(version)
    (uri,) = [each for each in objects.list("s3://homeostat/") if each.endswith("/result.json")]
    result = TrainResult.model_validate_json(objects.read(uri))
    assert job.status.model is not None
    assert (job.status.model.uri, job.status.model.digest) == (result.model.uri, result.model.digest)
    assert {metric.name for metric in job.status.metrics} == set(result.metrics)


def test_a_monitor_goes_on_from_the_stored_decision_and_makes_no_second_training_of_it(version: str) -> None:
    monitor = Monitor.model_validate(manifest(version, "monitors"))
    deployment = ModelDeployment.model_validate(manifest(version, "modeldeployments"))
    last, record = monitor.status.last_decision, monitor.status.retraining
    assert last is not None
    assert record is not None
    assert record.uid
    decided = plan(monitor, MonitorObservation(deployment=deployment), last.time + timedelta(seconds=5))
    assert decided.status.retraining == record
    assert decided.actions == ()


def test_the_observer_opens_and_migrates_the_database_and_keeps_every_outcome(version: str, tmp_path: Path) -> None:
    copy = shutil.copy(UPGRADE / version / "observer.db", tmp_path / "observer.db")
    engine = open_database(Path(copy))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.scalar(sa.text("select count(*) from predictions")) == 20
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert label_gain(engine, ("churn", "churn"), long_ago, "churn.churn", Holdout(percent=0)).rows == 10
    cohort = Store(engine, timedelta(minutes=10)).cohort(
        "churn", "churn", "1", long_ago, datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert isinstance(cohort, BinaryCohort)
    assert (cohort.predictions, cohort.matured, cohort.positives) == (20, 20, 10)


def test_exported_labels_have_the_columns_that_trainings_read(version: str) -> None:
    objects = bucket(version)
    (uri,) = objects.list("s3://homeostat/churn/outcomes/churn/")
    rows = pq.read_table(io.BytesIO(objects.read(uri))).to_pylist()
    assert len(rows) == 20
    assert {"entity", "predicted_at", "label"} <= set(rows[0])


def test_what_is_stored_stays_small(version: str) -> None:
    size = sum(path.stat().st_size for path in (UPGRADE / version).rglob("*") if path.is_file())
    assert size < 300_000
