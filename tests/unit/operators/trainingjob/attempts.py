"""Attempts of a TrainingJob as they are recorded and observed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from homeostat.api.v1alpha1 import FeatureSet, TrainingJobStatus
from homeostat.api.v1alpha1.pods import Toleration, TolerationOperator
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED
from homeostat.artifacts.bundle import BundleRef
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs import RunState
from homeostat.engines.runs.packages import bundled
from homeostat.pod_settings import NodePool
from homeostat.reconcile.conditions import get
from homeostat.runs import Beside, StoredDataset, TrainInput, TrainResult
from homeostat.testing.builders import DIGEST, a_feature_set, a_training_job
from homeostat_operators.core.actions import Launch, Stop
from homeostat_operators.core.plan import Plan
from homeostat_operators.core.runs import RunObservation
from homeostat_operators.trainingjob.observed import TrainingJobObservation

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
NAME = "tabular"
EARLIER = NOW - timedelta(minutes=2)
UID = a_training_job().metadata.uid
POOL = NodePool(
    node_selector={"pool": "a100"},
    tolerations=[Toleration(key="gpu", operator=TolerationOperator.EXISTS)],
    resource_name="a/gpu",
)


def features(**status: Any) -> FeatureSet:
    """FeatureSet `customers` with a snapshot of its present features."""
    snapshot = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/snapshot/", "rows": 100}
    return a_feature_set(status={"snapshot": snapshot, "schema_hash": schema_hash(a_feature_set()), **status})


PACKAGE = bundled(Path(__file__).parents[4] / "pipelines" / "compiled", "tabular")
READY = TrainingJobObservation(
    "homeostat",
    "homeostat/pipelines:1",
    pools={"gpu-a100": POOL},
    package=PACKAGE,
    features={"customers": features()},
)


def running(attempt: int = 1, **status: Any) -> dict[str, Any]:
    run = {"engine": "Local", "id": f"churn-first-train-{attempt}", "uid": "7", "start_time": EARLIER}
    return {"attempt": attempt, "run": run, **status}


def failed(attempt: int = 1, failures: int = 1) -> dict[str, Any]:
    status = running(attempt, failures=failures)
    return {**status, "run": {**status["run"], "completion_time": NOW, "message": "out of memory"}}


def a_job(number: int = 1, **fields: Any) -> RunState:
    return RunState(**{"name": f"churn-first-train-{number}", "number": number, "uid": "7", "owner": UID, **fields})


RESULT = TrainResult(
    metrics={"auc": 0.8125, "broken": float("nan")},
    beside={"auc": Beside(constant=0.5, lower=0.75, upper=float("inf"))},
    model=BundleRef(uri="s3://homeostat/churn/models/churn/1/", digest=DIGEST),
    dataset=StoredDataset(uri="s3://homeostat/d/", digest=DIGEST, rows=80, holdout_rows=20, watermark=None),
    pipeline_digest="sha256:p",
    parameters_hash="sha256:q",
    environment_digest="sha256:e",
    gpu_seconds=60,
)


def ready(
    number: int = 1, run: RunState | None = None, version: str | None = None, **of_run: Any
) -> TrainingJobObservation:
    """Everything is there; what is observed of the attempt of a number."""
    return replace(READY, attempts=RunObservation(number, run, **of_run), version=version)


def said(status: TrainingJobStatus) -> tuple[str, str]:
    found = get(status.conditions, SUCCEEDED)
    assert found is not None
    return found.status.value, found.reason


def created(decided: Plan[Any]) -> list[str]:
    return [action.request.name for action in decided.actions if isinstance(action, Launch)]


def deleted(decided: Plan[Any]) -> list[str]:
    return [action.run.name for action in decided.actions if isinstance(action, Stop)]


def told(decided: Plan[Any]) -> TrainInput:
    (action,) = (action for action in decided.actions if isinstance(action, Launch))
    assert isinstance(action.request.document, TrainInput)
    return action.request.document
