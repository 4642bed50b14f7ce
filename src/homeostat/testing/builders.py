"""Objects of the churn example, complete and valid: a test says only what it is about.

Keywords that name a field of ObjectMeta (generation, uid, annotations, labels, …) go there, ``status`` is the status (a
model or a dictionary), every other keyword replaces a field of the spec::

    a_training_job(uid="7", suspend=True, status={"attempt": 1})
"""

from typing import Any, TypeVar

from homeostat.api.common import API_VERSION, ObjectMeta, Resource
from homeostat.api.v1alpha1 import FeatureSet, ModelDeployment, Monitor, TrainingJob

NAMESPACE = "churn"
DIGEST = f"sha256:{'ab' * 32}"
CREATED = "2026-01-05T08:00:00Z"

ResourceT = TypeVar("ResourceT", bound=Resource[Any, Any])


def a_feature_set(name: str = "customers", **changes: Any) -> FeatureSet:
    """Customers by id, read every hour, served online."""
    return _build(
        FeatureSet,
        name,
        {
            "entities": [{"name": "customer_id", "type": "String"}],
            "timestamp_field": "observed_at",
            "features": [
                {"name": "tenure", "type": "Int64"},
                {"name": "monthly_charges", "type": "Float64"},
                {"name": "internet_service", "type": "String"},
            ],
            "source": {"parquet": {"uri": "s3://homeostat/churn/customers/"}},
            "ttl": "720h",
            "online": {"ttl": "48h"},
            "materialization": {"schedule": "0 * * * *"},
            "freshness": {"max_age": "2h"},
            "expectations": [{"feature": "tenure", "rule": "NotNull"}],
        },
        changes,
    )


def a_training_job(name: str = "churn-first", **changes: Any) -> TrainingJob:
    """Trains churn from labels in Parquet files."""
    return _build(TrainingJob, name, a_training_spec(), changes)


def a_training_spec() -> dict[str, Any]:
    """Spec of `a_training_job`, as a Monitor's template wants it too."""
    return {
        "dataset": {
            "feature_sets": [{"name": "customers"}],
            "labels": [
                {
                    "parquet": {"uri": "s3://homeostat/churn/labels/"},
                    "field": "churned",
                    "timestamp_field": "predicted_at",
                }
            ],
            "holdout": {"percent": 20},
        },
        "pipeline": {"name": "tabular"},
        "output": {"model": "churn"},
        "seed": 42,
    }


def a_model_deployment(name: str = "churn", **changes: Any) -> ModelDeployment:
    """Serves the newest churn by customer id, behind a gate and one canary step."""
    return _build(
        ModelDeployment,
        name,
        {
            "model": {"registered": {"name": "churn", "follow": "Newest"}},
            "realtime": {"replicas": 2, "features": "Lookup"},
            "rollout": {"steps": [{"weight": 25, "min_duration": "20s", "min_requests": 200}]},
            "promotion": {
                "gate": {
                    "minimum": [{"metric": "auc", "value": "0.70"}],
                    "must_beat": [{"metric": "logloss", "margin": "0.01"}],
                    "non_inferior": [{"metric": "auc", "margin": "0.02"}],
                }
            },
            "observation": {"entity_fields": ["customer_id"], "outcome_delay": "60s"},
        },
        changes,
    )


def a_monitor(name: str = "churn", **changes: Any) -> Monitor:
    """Watches drift and log loss of churn, and retrains by itself."""
    return _build(
        Monitor,
        name,
        {
            "deployment_ref": {"name": "churn"},
            "signals": [
                {
                    "name": "drift",
                    "type": "DataDrift",
                    "aggregation": "Max",
                    "threshold": {"operator": "GreaterThan", "value": "0.1"},
                    "window": "60s",
                },
                {
                    "name": "logloss",
                    "type": "Performance",
                    "metric": "logloss",
                    "threshold": {"operator": "GreaterThan", "value": "0.55"},
                    "window": "60s",
                },
            ],
            "retrain": {
                "action": "Auto",
                "template": {"spec": a_training_spec()},
                "requires": {"new_labels": 4000},
                "cooldown": "15m",
            },
        },
        changes,
    )


def _build(kind: type[ResourceT], name: str, spec: dict[str, Any], changes: dict[str, Any]) -> ResourceT:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resource_version": "1",
        "creation_timestamp": CREATED,
    }
    status = changes.pop("status", {})
    metadata |= {field: changes.pop(field) for field in list(changes) if field in ObjectMeta.model_fields}
    return kind.model_validate(
        {
            "api_version": API_VERSION,
            "kind": kind.KIND,
            "metadata": metadata,
            "spec": {**spec, **changes},
            "status": status if isinstance(status, dict) else status.model_dump(),
        }
    )
