"""A small made-up world of customers, and what runs are told about it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from homeostat.engines.objects.memory import MemoryObjects
from homeostat.runs import FeatureSource, LabelInput, MaterializeInput, MaterializeResult, TrainInput
from homeostat_pipelines.pieces import Rows

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOURCE, LABELS = "s3://homeostat/raw/customers/", "s3://homeostat/raw/labels/"
OUTPUT = "s3://homeostat/churn/uid/run-1/"
SNAPSHOT = "s3://homeostat/churn/featuresets/customers/x/data.parquet"


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def rows_of(table: pa.Table) -> Rows:
    """The table as rows of a file."""
    return Rows(io.BytesIO(parquet(table)))


def customers(count: int = 400, seed: int = 0, **columns: Any) -> pa.Table:
    draw = np.random.default_rng(seed)
    table = {
        "customer_id": [f"c{i:04d}" for i in range(count)],
        "observed_at": pa.array([NOON - timedelta(hours=2)] * count, pa.timestamp("us", tz="UTC")),
        "contract": draw.choice(["month", "year"], count).tolist(),
        "tenure": draw.integers(0, 72, count).tolist(),
        "charge": [None if i % 17 == 0 else float(v) for i, v in enumerate(draw.normal(60, 20, count))],
        "paperless": draw.choice([True, False], count).tolist(),
    }
    return pa.table({**table, **columns})


def labels(of: pa.Table, at: datetime = NOON, seed: int = 1) -> pa.Table:
    draw = np.random.default_rng(seed)
    risk = np.where(np.array(of.column("contract").to_pylist()) == "month", 0.6, 0.15)
    return pa.table(
        {
            "customer_id": of.column("customer_id"),
            "predicted_at": pa.array([at] * of.num_rows, pa.timestamp("us", tz="UTC")),
            "churned": (draw.random(of.num_rows) < risk).astype(int),
        }
    )


def feature_source(**changes: Any) -> FeatureSource:
    described = {
        "name": "customers",
        "entities": [{"name": "customer_id", "type": "String"}],
        "timestamp_field": "observed_at",
        "features": [
            {"name": "contract", "type": "String"},
            {"name": "tenure", "type": "Int64"},
            {"name": "charge", "type": "Float64"},
            {"name": "paperless", "type": "Bool"},
        ],
        "ttl_seconds": 86_400,
        "online_ttl_seconds": 3_600,
        "schema_hash": "sha256:one",
        "snapshot_uri": SNAPSHOT,
    }
    return FeatureSource.model_validate({**described, **changes})


def materialize_input(**changes: Any) -> MaterializeInput:
    described: dict[str, Any] = {
        "namespace": "churn",
        "feature_set": feature_source(),
        "source_uri": SOURCE,
        "expectations": [],
        "snapshots": "s3://homeostat/churn/featuresets/customers/",
        "output": OUTPUT,
    }
    return MaterializeInput.model_validate({**described, **changes})


def label_input(uri: str = LABELS, field: str = "churned") -> LabelInput:
    return LabelInput(uri=uri, entity_field="customer_id", field=field, timestamp_field="predicted_at")


def train_input(**changes: Any) -> TrainInput:
    described: dict[str, Any] = {
        "namespace": "churn",
        "model": "churn",
        "feature_sets": [feature_source()],
        "labels": [label_input()],
        "window_seconds": None,
        "holdout_percent": 20,
        "pipeline": "tabular",
        "parameters": {},
        "seed": 42,
        "image": "pipelines:1",
        "gpus": 0,
        "datasets": "s3://homeostat/churn/datasets/",
        "models": "s3://homeostat/churn/models/churn/",
        "output": OUTPUT,
    }
    return TrainInput.model_validate({**described, **changes})


def a_store(rows: pa.Table | None = None) -> MemoryObjects:
    """Customers as source and as snapshot, and a label for each."""
    rows = customers() if rows is None else rows
    return MemoryObjects(
        {
            f"{SOURCE}part-0.parquet": parquet(rows),
            SNAPSHOT: parquet(rows),
            f"{LABELS}part-0.parquet": parquet(labels(rows)),
        }
    )


def materialized(objects: MemoryObjects) -> MaterializeResult:
    return MaterializeResult.model_validate_json(objects.read(f"{OUTPUT}result.json"))
