"""What the API server accepts and refuses, rule by rule."""

from typing import Any

from contract.crds.manifests import ABSENT, Case

NAME = "metadata.name has at most 52 characters"
PATTERN = "should match"


def a_range(**fields: Any) -> list[dict[str, Any]]:
    return [{"feature": "tenure", **fields}]


def a_label(**fields: Any) -> list[dict[str, Any]]:
    return [fields]


def a_pod(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata}


A_WHOLE_POD = {
    "metadata": {"labels": {"team": "churn", "example.org/tier": ""}, "annotations": {"example.org/cost": "7 EUR"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoExecute", "tolerationSeconds": 60},
            {"operator": "Exists"},
        ],
        "priorityClassName": "batch",
    },
}
OURS = "set by Homeostat; use other names"
PARQUET = {"uri": "s3://homeostat/churn/labels/"}
BASKET = {"name": "basket_value", "type": "Float64"}
DAY = "2026-03-01T00:00:00Z"
PACKAGE = "s3://homeostat/churn/pipelines/own.yaml"
ONE_PIPELINE = "give exactly one of name, uri and configMapRef"
TIMES = {"field": "churned", "timestampField": "predicted_at"}

REFUSED = [
    Case("FeatureSet", {"metadata.name": "a" * 53}, NAME),
    Case("TrainingJob", {"metadata.name": "1st"}, NAME),
    Case("ModelDeployment", {"metadata.name": "9churn"}, NAME),
    Case("Monitor", {"metadata.name": "a.b"}, NAME),
    # FeatureSet
    Case("FeatureSet", {"entities": []}, "spec.entities"),
    Case("FeatureSet", {"entities": [{"name": n, "type": "String"} for n in "ab"]}, "must have at most 1"),
    Case("FeatureSet", {"entities.0.type": "Bool"}, "supported values"),
    Case("FeatureSet", {"timestampField": "observed at"}, PATTERN),
    Case("FeatureSet", {"features": []}, "spec.features"),
    Case("FeatureSet", {"features": [{"name": f"f{n}", "type": "Bool"} for n in range(257)]}, "must have at most 256"),
    Case("FeatureSet", {"features.1.name": "tenure"}, "Duplicate value"),
    Case("FeatureSet", {"features.0.type": "Int32"}, "supported values"),
    Case("FeatureSet", {"source.parquet.uri": "http://host/customers"}, PATTERN),
    Case("FeatureSet", {"source.parquet": ABSENT}, "spec.source.parquet: Required"),
    Case("FeatureSet", {"ttl": "30d"}, PATTERN),
    Case("FeatureSet", {"ttl": "0s"}, "must be more than 0s and at most 87600h"),
    Case("FeatureSet", {"ttl": "87601h"}, "must be more than 0s and at most 87600h"),
    Case("FeatureSet", {"ttl": "99999999999999h"}, "spec.ttl"),
    Case("FeatureSet", {"online.ttl": "forever"}, PATTERN),
    Case("FeatureSet", {"materialization.schedule": "hourly"}, "spec.materialization.schedule"),
    Case("FeatureSet", {"materialization.startingDeadlineSeconds": 9}, "greater than or equal to 10"),
    Case("FeatureSet", {"freshness.maxAge": "2"}, PATTERN),
    Case(
        "FeatureSet",
        {"expectations": a_range(rule="Range")},
        "min or max is required with rule Range and not allowed otherwise",
    ),
    Case(
        "FeatureSet",
        {"expectations": a_range(rule="NotNull", min="0")},
        "min or max is required with rule Range and not allowed otherwise",
    ),
    Case("FeatureSet", {"expectations": a_range(rule="Range", min="low")}, PATTERN),
    Case(
        "FeatureSet",
        {"expectations": a_range(rule="OneOf")},
        "values is required with rule OneOf and not allowed otherwise",
    ),
    Case(
        "FeatureSet",
        {"expectations": a_range(rule="NotNull", values=["a"])},
        "values is required with rule OneOf and not allowed otherwise",
    ),
    Case("FeatureSet", {"expectations": a_range(rule="Unique")}, "supported values"),
    Case("FeatureSet", {"expectations": a_range(rule="NotNull", severity="Fatal")}, "supported values"),
    Case("FeatureSet", {"expectations.0.feature": "tenor"}, "every expectation names a feature or the entity"),
    *(
        Case("FeatureSet", {"features.0.name": name, "expectations": ABSENT}, "have different names, none of them")
        for name in ("customer_id", "observed_at", "probability", "homeostat_time", "homeostat_label")
    ),
    *(
        Case("FeatureSet", {"entities.0.name": name, "expectations": ABSENT}, "have different names, none of them")
        for name in ("observed_at", "probability", "homeostat_time", "homeostat_label")
    ),
    # TrainingJob
    Case(
        "TrainingJob",
        {"dataset.labels": a_label(parquet=PARQUET, field="at", timestampField="at")},
        "field and timestampField are two columns",
    ),
    Case("TrainingJob", {"dataset.featureSets": []}, "spec.dataset.featureSets"),
    Case("TrainingJob", {"dataset.featureSets": [{"name": "a"}, {"name": "a"}]}, "Duplicate value"),
    Case("TrainingJob", {"dataset.featureSets.0.features": []}, "spec.dataset.featureSets[0].features"),
    Case("TrainingJob", {"dataset.featureSets.0.features": ["tenure", "tenure"]}, "Duplicate value"),
    Case("TrainingJob", {"dataset.featureSets.0.features": ["no name"]}, PATTERN),
    Case("TrainingJob", {"dataset.labels": []}, "spec.dataset.labels"),
    Case("TrainingJob", {"dataset.labels": a_label()}, "give exactly one of parquet and outcomesOf"),
    Case("TrainingJob", {"dataset.labels.0.outcomesOf": "churn"}, "give exactly one of parquet and outcomesOf"),
    Case(
        "TrainingJob",
        {"dataset.labels": a_label(parquet=PARQUET)},
        "field and timestampField are required with parquet and not allowed otherwise",
    ),
    Case(
        "TrainingJob",
        {"dataset.labels": a_label(outcomesOf="churn", **TIMES)},
        "required with parquet and not allowed otherwise",
    ),
    Case("TrainingJob", {"dataset.labels.0.from": "yesterday"}, "date-time"),
    Case("TrainingJob", {"dataset.labels.0.to": DAY, "dataset.labels.0.from": DAY}, "from is earlier than to"),
    Case("TrainingJob", {"dataset.rowsPerEntity": "Two"}, "supported values"),
    *(
        Case("TrainingJob", {"dataset.requestFeatures": [{"name": name, "type": "Int64"}]}, "has a name of its own")
        for name in ("churned", "predicted_at", "probability", "homeostat_label")
    ),
    Case(
        "TrainingJob",
        {"dataset.requestFeatures": [BASKET], "dataset.labels": a_label(outcomesOf="churn")},
        "requestFeatures are columns of labels in parquet",
    ),
    Case("TrainingJob", {"dataset.requestFeatures": [BASKET, BASKET]}, "Duplicate value"),
    Case("TrainingJob", {"dataset.window": {"last": "1w"}}, PATTERN),
    Case("TrainingJob", {"dataset.holdout": {}}, "give exactly one of percent and latest"),
    Case(
        "TrainingJob", {"dataset.holdout": {"percent": 20, "latest": "720h"}}, "give exactly one of percent and latest"
    ),
    Case(
        "TrainingJob", {"dataset.holdout": {"latest": "720h", "groupBy": "day"}}, "groupBy is allowed with percent only"
    ),
    Case("TrainingJob", {"dataset.holdout": {"percent": 20, "refit": True}}, "refit is allowed with latest only"),
    Case("TrainingJob", {"dataset.holdout": {"percent": 4}}, "greater than or equal to 5"),
    Case("TrainingJob", {"dataset.holdout": {"percent": 51}}, "less than or equal to 50"),
    Case(
        "TrainingJob", {"pipeline.parameters": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}, "Duplicate"
    ),
    Case("TrainingJob", {"pipeline.parameters": [{"name": "a", "value": 1}]}, "must be of type string"),
    Case("TrainingJob", {"pipeline": {}}, ONE_PIPELINE),
    Case("TrainingJob", {"pipeline": {"name": "a", "uri": PACKAGE}}, ONE_PIPELINE),
    Case("TrainingJob", {"pipeline": {"uri": PACKAGE, "configMapRef": {"name": "a"}}}, ONE_PIPELINE),
    Case("TrainingJob", {"pipeline": {"uri": PACKAGE, "version": "1"}}, "version is allowed only with name"),
    Case("TrainingJob", {"pipeline": {"uri": "https://example.org/a.yaml"}}, PATTERN),
    Case("TrainingJob", {"pipeline": {"name": ""}}, "spec.pipeline.name"),
    Case("TrainingJob", {"pipeline": {"name": "a", "version": ""}}, "spec.pipeline.version"),
    Case("TrainingJob", {"pipeline": {"configMapRef": {"name": "A"}}}, PATTERN),
    Case("TrainingJob", {"pipeline": {"configMapRef": {"name": "a", "key": "a/b"}}}, PATTERN),
    Case("TrainingJob", {"pipeline": {"configMapRef": {"key": "a"}}}, "spec.pipeline.configMapRef.name"),
    Case("TrainingJob", {"placement.gpusPerNode": 17}, "less than or equal to 16"),
    Case("TrainingJob", {"placement.nodePool": "GPU pool"}, PATTERN),
    Case("TrainingJob", {"placement.resources": {"limits": {"memory": "lots"}}}, PATTERN),
    Case("TrainingJob", {"placement.resources": {"limits": {f"r{n}": "1" for n in range(9)}}}, "must have at most 8"),
    Case(
        "TrainingJob",
        {"placement.podTemplate": a_pod(labels={"homeostat.dev/kind": "x"})},
        f"homeostat.dev/kind: {OURS}",
    ),
    Case(
        "TrainingJob",
        {"placement.podTemplate": a_pod(labels={"app.kubernetes.io/component": "x"})},
        f"labels app.kubernetes.io/component: {OURS}",
    ),
    Case("TrainingJob", {"placement.podTemplate": a_pod(labels={"team": "no blanks"})}, PATTERN),
    Case(
        "FeatureSet",
        {"placement.podTemplate": a_pod(annotations={"homeostat.dev/input": "x"})},
        f"annotations homeostat.dev/input: {OURS}",
    ),
    Case("ModelDeployment", {"realtime.podTemplate": a_pod(labels={"homeostat.dev/version": "2"})}, OURS),
    Case("ModelDeployment", {"promotion.evaluation.podTemplate": a_pod(labels={"homeostat.dev/name": "x"})}, OURS),
    Case(
        "ModelDeployment",
        {"realtime.podTemplate": {"spec": {"tolerations": [{"operator": "Exists", "value": "x"}]}}},
        "value is not allowed with operator Exists, and key is required with operator Equal",
    ),
    Case(
        "ModelDeployment",
        {"realtime.podTemplate": {"spec": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}}},
        "tolerationSeconds is allowed only with effect NoExecute",
    ),
    Case(
        "TrainingJob",
        {"engine": "Kubeflow", "placement.podTemplate": a_pod(labels={"team": "churn"})},
        "with engine Kubeflow, placement.podTemplate can have only spec.nodeSelector",
    ),
    Case(
        "TrainingJob",
        {"engine": "Kubeflow", "placement.podTemplate": {"spec": {"priorityClassName": "batch"}}},
        "with engine Kubeflow, placement.podTemplate can have only spec.nodeSelector",
    ),
    Case("TrainingJob", {"dataset.target": {"task": "Ranking"}}, "supported values"),
    Case("TrainingJob", {"dataset.target": {"positive": "Yes"}}, "spec.dataset.target.task: Required"),
    Case("TrainingJob", {"dataset.target": {"task": "BinaryClassification", "positive": ""}}, "at least 1 chars"),
    Case(
        "TrainingJob",
        {"dataset.target": {"task": "Regression", "positive": "Yes"}},
        "positive is allowed only with task BinaryClassification",
    ),
    Case("TrainingJob", {"output.model": "Churn"}, PATTERN),
    Case("TrainingJob", {"engine": "Airflow"}, "supported values"),
    Case("TrainingJob", {"seed": -1}, "greater than or equal to 0"),
    Case("TrainingJob", {"retry": {"limit": 11}}, "less than or equal to 10"),
    Case("TrainingJob", {"activeDeadlineSeconds": 29}, "greater than or equal to 30"),
    Case("TrainingJob", {"ttlSecondsAfterFinished": -1}, "greater than or equal to 0"),
    Case("TrainingJob", {"trigger": {"type": "Whim"}}, "supported values"),
    Case(
        "TrainingJob",
        {"trigger": {"type": "Monitor", "ref": {"kind": "Monitor", "name": "churn"}}},
        "ref.uid: Required",
    ),
    # ModelDeployment
    Case("ModelDeployment", {"model.registered.version": "3"}, "give exactly one of follow and version"),
    Case("ModelDeployment", {"model.registered.follow": ABSENT}, "give exactly one of follow and version"),
    Case("ModelDeployment", {"model.registered": {"name": "churn", "version": "v3"}}, PATTERN),
    Case("ModelDeployment", {"model.registered.follow": "Oldest"}, "supported values"),
    Case("ModelDeployment", {"engine": "Knative"}, "supported values"),
    Case("ModelDeployment", {"realtime.replicas": 0}, "greater than or equal to 1"),
    Case("ModelDeployment", {"realtime.features": "Guess"}, "supported values"),
    Case("ModelDeployment", {"rollout.steps.0.weight": 0}, "greater than or equal to 1"),
    Case("ModelDeployment", {"rollout.steps.0.weight": 100}, "less than or equal to 99"),
    Case("ModelDeployment", {"rollout.steps.0.mirror": 50}, "give exactly one of weight and mirror"),
    Case("ModelDeployment", {"rollout.steps.0.weight": ABSENT}, "give exactly one of weight and mirror"),
    Case("ModelDeployment", {"rollout.steps": [{"mirror": 101}]}, "less than or equal to 100"),
    Case("ModelDeployment", {"rollout.steps": [{"mirror": 0}]}, "greater than or equal to 1"),
    Case("ModelDeployment", {"rollout.steps.0.minDuration": "20"}, PATTERN),
    Case("ModelDeployment", {"rollout.steps": [{"weight": 1}] * 17}, "must have at most 16"),
    Case("ModelDeployment", {"rollout.progressDeadlineSeconds": 9}, "greater than or equal to 10"),
    Case("ModelDeployment", {"promotion.gate.minimum.0.value": "1e-3"}, PATTERN),
    Case("ModelDeployment", {"promotion.gate.minimum.0.metric": "log loss"}, PATTERN),
    Case("ModelDeployment", {"promotion.gate.mustBeat": [{"metric": "auc"}, {"metric": "auc"}]}, "Duplicate value"),
    Case("ModelDeployment", {"rollback": {"on": ["Latency"]}}, "supported values"),
    Case("ModelDeployment", {"rollback": {"historyLimit": 51}}, "less than or equal to 50"),
    Case("ModelDeployment", {"model.registered": ABSENT}, "give exactly one origin of the model: registered"),
    Case("ModelDeployment", {"realtime": ABSENT}, "spec.realtime: Required"),
    Case("ModelDeployment", {"observation.entityFields": ABSENT}, "spec.observation.entityFields: Required"),
    Case("ModelDeployment", {"observation.entityFields": []}, "should have at least 1 items"),
    Case("ModelDeployment", {"observation.entityFields": ["a", "b"]}, "must have at most 1"),
    Case("ModelDeployment", {"observation.payload": {"percent": 101}}, "less than or equal to 100"),
    Case("ModelDeployment", {"observation.outcomeDelay": "soon"}, PATTERN),
    # Monitor
    Case("Monitor", {"deploymentRef.name": "Churn"}, PATTERN),
    Case("Monitor", {"signals": []}, "spec.signals"),
    Case("Monitor", {"signals.1.name": "drift"}, "Duplicate value"),
    Case("Monitor", {"signals.1.metric": ABSENT}, "metric is required with type Performance and not allowed otherwise"),
    Case("Monitor", {"signals.0.metric": "auc"}, "metric is required with type Performance and not allowed otherwise"),
    Case("Monitor", {"signals.1.metric": "log loss"}, PATTERN),
    Case("Monitor", {"signals.0.query": "up"}, "query is required with type Business and not allowed otherwise"),
    Case("Monitor", {"signals.1.aggregation": "Max"}, "aggregation is allowed only with type DataDrift"),
    Case("Monitor", {"signals.1.features": {"exclude": ["month"]}}, "features is allowed only with type DataDrift"),
    Case("Monitor", {"signals.0.features": {"include": ["a"], "exclude": ["b"]}}, "give either include or exclude"),
    Case("Monitor", {"signals.0.features": {}}, "give either include or exclude"),
    Case("Monitor", {"signals.0.features": {"include": []}}, "should have at least 1 items"),
    Case("Monitor", {"signals.0.threshold.operator": "LessThan"}, "drift breaches above its threshold"),
    Case(
        "Monitor",
        {
            "signals.0.type": "PredictionDrift",
            "signals.0.aggregation": ABSENT,
            "signals.0.threshold.operator": "LessThan",
        },
        "drift breaches above its threshold",
    ),
    Case("Monitor", {"signals.0.type": "PredictionDrift"}, "aggregation is allowed only with type DataDrift"),
    Case("Monitor", {"signals.0.threshold.value": "much"}, PATTERN),
    Case("Monitor", {"signals.0.window": "1 min"}, PATTERN),
    Case("Monitor", {"signals.0.window": "0s"}, "must be more than 0s and at most 87600h"),
    Case("Monitor", {"signals.0.consecutive": 25}, "less than or equal to 24"),
    Case("Monitor", {"signals.0.minSamples": 0}, "greater than or equal to 1"),
    Case("Monitor", {"signals.0.noData": "Retrain"}, "supported values"),
    Case("Monitor", {"retrain.action": ABSENT}, "spec.retrain.action: Required"),
    Case("Monitor", {"retrain.template": ABSENT}, "action Propose or Auto needs a template"),
    Case("Monitor", {"retrain.requires": {"newLabels": -1}}, "greater than or equal to 0"),
    Case("Monitor", {"retrain.maxRetrains": {"count": 0, "window": "24h"}}, "greater than or equal to 1"),
    Case("Monitor", {"retrain.template.spec.dataset.labels": a_label()}, "give exactly one of parquet and outcomesOf"),
    Case(
        "Monitor",
        {"retrain.template.spec.dataset.labels": a_label(outcomesOf="churn", to=DAY)},
        "a retraining learns from new outcomes",
    ),
]

ACCEPTED = [
    Case("FeatureSet", {"metadata.name": "a" * 52}),
    Case("FeatureSet", {"online": ABSENT}),
    Case("FeatureSet", {"freshness": ABSENT}),
    Case("FeatureSet", {"expectations": ABSENT}),
    Case("FeatureSet", {"features": [{"name": f"f{n}", "type": "Bool"} for n in range(256)], "expectations": ABSENT}),
    Case("FeatureSet", {"expectations": a_range(rule="Range", min="0", max="72.5")}),
    Case("FeatureSet", {"expectations": a_range(rule="OneOf", values=["1", "2"], severity="Warn")}),
    Case("FeatureSet", {"expectations.0.feature": "customer_id"}),
    Case("FeatureSet", {"entities.0.type": "Int64"}),
    *(
        Case("FeatureSet", {"features.0.name": name, "expectations": ABSENT})
        for name in ("positive", "label", "probabilities", "event_timestamp", "entity", "predicted_at")
    ),
    Case("FeatureSet", {"placement.podTemplate": A_WHOLE_POD}),
    Case("TrainingJob", {"placement.resources": {"requests": {"cpu": 1}, "limits": {"cpu": "1500m", "memory": "2Gi"}}}),
    Case("ModelDeployment", {"realtime.resources": {"limits": {"cpu": 2}}}),
    Case("TrainingJob", {"placement.podTemplate": A_WHOLE_POD}),
    Case("TrainingJob", {"engine": "Kubeflow", "placement.podTemplate": {"spec": {"nodeSelector": {"disk": "ssd"}}}}),
    Case("ModelDeployment", {"realtime.podTemplate": A_WHOLE_POD, "promotion.evaluation.podTemplate": A_WHOLE_POD}),
    Case("TrainingJob", {"dataset.labels": a_label(outcomesOf="churn")}),
    Case("TrainingJob", {"dataset.rowsPerEntity": "All"}),
    Case("TrainingJob", {"dataset.requestFeatures": [BASKET, {"name": "hour", "type": "Int64"}]}),
    Case("TrainingJob", {"dataset.requestFeatures": [], "dataset.labels": a_label(outcomesOf="churn")}),
    Case("TrainingJob", {"dataset.labels.0.from": DAY, "dataset.labels.0.to": "2026-03-01T02:00:00+01:00"}),
    Case("TrainingJob", {"dataset.labels": [{"outcomesOf": "churn"}, {"parquet": PARQUET, **TIMES}]}),
    Case("TrainingJob", {"dataset.window": {"last": "2160h"}, "dataset.holdout": {"percent": 50}}),
    Case("TrainingJob", {"dataset.holdout": ABSENT}),
    Case("TrainingJob", {"dataset.holdout": {"latest": "720h"}}),
    Case("TrainingJob", {"dataset.holdout": {"latest": "720h", "refit": False}}),
    Case("TrainingJob", {"dataset.holdout": {"percent": 20, "groupBy": "visit_day"}}),
    Case("TrainingJob", {"pipeline.parameters": [{"name": "learning_rate", "value": "0.1"}]}),
    Case("TrainingJob", {"pipeline": {"name": "My pipeline", "version": "2026-01 (third)"}}),
    Case("TrainingJob", {"pipeline": {"uri": PACKAGE, "parameters": [{"name": "a", "value": "1"}]}}),
    Case("TrainingJob", {"pipeline": {"configMapRef": {"name": "own.pipelines"}}}),
    Case("TrainingJob", {"pipeline": {"configMapRef": {"name": "own", "key": "one_step.yaml"}}}),
    Case(
        "TrainingJob",
        {"placement": {"nodePool": "gpu-a100", "gpusPerNode": 1, "resources": {"limits": {"cpu": "500m"}}}},
    ),
    Case("TrainingJob", {"trigger": {"type": "Monitor", "ref": {"kind": "Monitor", "name": "churn", "uid": "1"}}}),
    Case("TrainingJob", {"suspend": True}),
    Case("ModelDeployment", {"model.registered": {"name": "churn", "version": "3"}}),
    Case("ModelDeployment", {"rollout": ABSENT, "promotion": ABSENT, "realtime": {}}),
    Case("ModelDeployment", {"promotion.gate.mustBeat": [{"metric": "auc"}, {"metric": "brier", "margin": "0.01"}]}),
    Case("ModelDeployment", {"observation": ABSENT}),
    Case("ModelDeployment", {"rollout.steps": [{"weight": 25}, {"weight": 50}]}),
    Case("Monitor", {"signals.0.aggregation": ABSENT}),
    Case("Monitor", {"signals.0.features": {"exclude": ["month", "weekday"]}}),
    Case("ModelDeployment", {"rollback": {"on": [], "maxErrorRate": "0.5"}}),
    Case(
        "Monitor",
        {
            "signals.1": {
                "name": "retained",
                "type": "Business",
                "query": "up",
                "threshold": {"operator": "LessThan", "value": "1"},
                "window": "1h",
            }
        },
    ),
    Case("Monitor", {"signals.1.threshold": {"operator": "LessThan", "value": "-0.5"}}),
    Case("Monitor", {"retrain": {"action": "Alert"}}),
    Case("Monitor", {"retrain.template.spec.dataset.labels": a_label(parquet=PARQUET, to=DAY, **TIMES)}),
    Case("Monitor", {"retrain.template.spec.dataset.labels": [{"outcomesOf": "churn", "from": DAY}]}),
    Case("Monitor", {"retrain": {"action": "None"}}),
    Case("Monitor", {"retrain.action": "Propose", "retrain.maxRetrains": {"count": 3, "window": "24h"}}),
    Case("Monitor", {"suspend": True}),
]

IMMUTABLE = "is immutable; create a new TrainingJob"

# Changes of an object that exists.
CHANGE_REFUSED = [
    Case("FeatureSet", {"entities.0.type": "Int64"}, "entities are immutable"),
    Case("FeatureSet", {"timestampField": "seen_at"}, "timestampField is immutable"),
    Case("FeatureSet", {"features.0.type": "Float64"}, "features are append-only"),
    Case("FeatureSet", {"features.2": ABSENT}, "features are append-only"),
    Case(
        "FeatureSet",
        {"features": [{"name": "first", "type": "Bool"}, {"name": "tenure", "type": "Int64"}]},
        "features are append-only",
    ),
    Case("ModelDeployment", {"model.registered.name": "other"}, "model.registered.name is immutable"),
    Case("TrainingJob", {"dataset.holdout": {"percent": 30}}, f"dataset {IMMUTABLE}"),
    Case("TrainingJob", {"dataset.window": {"last": "24h"}}, f"dataset {IMMUTABLE}"),
    Case("ModelDeployment", {"engine": "Seldon"}, "engine is immutable; create a new ModelDeployment"),
    Case("TrainingJob", {"engine": "Kubeflow"}, f"engine {IMMUTABLE}"),
    Case("TrainingJob", {"pipeline.parameters": [{"name": "a", "value": "1"}]}, f"pipeline {IMMUTABLE}"),
    Case("TrainingJob", {"placement.gpusPerNode": 1}, f"placement {IMMUTABLE}"),
    Case("TrainingJob", {"output.model": "other"}, f"output {IMMUTABLE}"),
    Case("TrainingJob", {"seed": 43}, f"seed {IMMUTABLE}"),
    Case("TrainingJob", {"retry": {"limit": 3}}, f"retry {IMMUTABLE}"),
    Case("TrainingJob", {"activeDeadlineSeconds": 60}, f"activeDeadlineSeconds {IMMUTABLE}"),
    Case("TrainingJob", {"ttlSecondsAfterFinished": 60}, f"ttlSecondsAfterFinished {IMMUTABLE}"),
    Case("TrainingJob", {"trigger": {"message": "another"}}, f"trigger {IMMUTABLE}"),
]

CHANGE_ACCEPTED = [
    Case(
        "FeatureSet",
        {
            "features": [
                {"name": "tenure", "type": "Int64"},
                {"name": "monthly_charges", "type": "Float64"},
                {"name": "internet_service", "type": "String"},
                {"name": "newest", "type": "Bool"},
            ]
        },
    ),
    Case("FeatureSet", {"ttl": "24h", "online": ABSENT, "materialization.suspend": True}),
    Case("FeatureSet", {"materialization": ABSENT}),
    Case("TrainingJob", {"suspend": True}),
    Case("ModelDeployment", {"rollout": ABSENT, "realtime.replicas": 3}),
    Case("ModelDeployment", {"model.registered": {"name": "churn", "version": "3"}}),
    Case("Monitor", {"retrain": {"action": "Alert"}, "signals.0.window": "5m"}),
    Case("Monitor", {"retrain.template.spec.seed": 43}),
]
