"""What a TrainingJob needs before an attempt starts, and what the attempt gets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homeostat.api.common import ConditionType
from homeostat.api.v1alpha1 import FeatureSet
from homeostat.api.v1alpha1.trainingjob import SUCCEEDED, TrainingJobReason
from homeostat.artifacts.features import schema_hash
from homeostat.engines.runs.jobs import run_job
from homeostat.reconcile.conditions import get, is_true
from homeostat.reconcile.errors import InvalidSpec
from homeostat.testing.builders import DIGEST, a_feature_set, a_training_job
from homeostat_operators.core.actions import Launch
from homeostat_operators.trainingjob.observed import PackageFailure
from homeostat_operators.trainingjob.plan import plan, refused
from unit.operators.trainingjob.attempts import (
    NAME,
    NOW,
    PACKAGE,
    READY,
    RESULT,
    a_job,
    created,
    features,
    ready,
    said,
    told,
)


def test_an_attempt_is_reserved_and_its_job_created_once_the_features_are_there() -> None:
    decided = plan(a_training_job(), READY, NOW)
    assert decided.status.attempt == 1
    assert created(decided) == ["churn-first-train-1"]
    assert told(decided).feature_sets[0].snapshot_digest == DIGEST


@pytest.mark.parametrize("feature_set", [None, a_feature_set(), features(schema_hash="of fewer features")])
def test_a_training_waits_for_a_snapshot_of_the_present_features(feature_set: FeatureSet | None) -> None:
    decided = plan(a_training_job(), replace(READY, features={"customers": feature_set}), NOW)
    assert decided.actions == ()
    assert decided.status.attempt == 0
    assert said(decided.status) == ("Unknown", TrainingJobReason.WAITING_FOR_FEATURES)
    succeeded = get(decided.status.conditions, "Succeeded")
    assert succeeded is not None
    remedy = "create it." if feature_set is None else "No run is scheduled; to start one now: kubectl -n churn annotate"
    assert remedy in succeeded.message


def test_outcomes_of_a_deployment_that_does_not_exist_are_waited_for() -> None:
    dataset = {
        "feature_sets": [{"name": "customers"}],
        "labels": [{"outcomes_of": "churn"}],
        "holdout": {"percent": 20},
    }
    job = a_training_job(dataset=dataset)
    assert created(plan(job, READY, NOW)) == []
    decided = plan(job, replace(READY, deployments=frozenset({"churn"})), NOW)
    (labels,) = told(decided).labels
    assert labels.uri == "s3://homeostat/churn/outcomes/churn/"
    assert (labels.entity_field, labels.field, labels.timestamp_field) == ("entity", "label", "predicted_at")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"placement": {"node_pool": "h100"}}, "'h100' is unknown; use one of gpu-a100"),
        ({"pipeline": {"name": NAME, "parameters": [{"name": "rate", "value": "1"}]}}, "'rate' is unknown"),
    ],
)
def test_what_the_platform_does_not_have_is_named_with_what_it_has(spec: dict[str, Any], words: str) -> None:
    status = plan(a_training_job(**spec), replace(READY, features={"customers": None}), NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert is_true(status.conditions, ConditionType.STALLED)
    condition = get(status.conditions, SUCCEEDED)
    assert condition is not None
    assert words in condition.message


def test_a_pipeline_that_is_wrong_ends_the_training_with_the_reason() -> None:
    status = plan(a_training_job(), replace(READY, package_failure=PackageFailure("it is not valid YAML")), NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert (status.attempt, status.run) == (0, None), "nothing was ever launched"
    assert status.completion_time == NOW


def test_what_an_engine_refused_to_launch_has_ended_for_good() -> None:
    started = plan(a_training_job(), READY, NOW).status
    refusal = "Kubeflow Pipelines refuses the run: parameter depth is not an input"
    ended = refused(a_training_job(status=started), InvalidSpec(refusal), NOW)
    assert ended is not None
    assert (ended.completion.outcome, ended.completion.message) == ("Failed", refusal)  # type: ignore[union-attr]
    assert ended.run.completion_time == NOW  # type: ignore[union-attr]
    decided = plan(a_training_job(status=ended), READY, NOW + timedelta(hours=1))
    assert (decided.actions, decided.status.completion_time) == ((), NOW)
    assert said(decided.status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert get(decided.status.conditions, SUCCEEDED).message == refusal  # type: ignore[union-attr]


def test_a_pipeline_that_is_not_there_yet_is_waited_for() -> None:
    decided = plan(
        a_training_job(),
        replace(READY, package_failure=PackageFailure("it is not there; put it there", missing=True)),
        NOW,
    )
    assert said(decided.status) == ("Unknown", TrainingJobReason.PENDING)
    assert (decided.actions, decided.status.attempt) == ((), 0)
    assert decided.requeue_after is not None


def test_the_digest_of_the_pipeline_is_known_from_the_start_and_stays_where_the_run_does_not_report_it() -> None:
    started = plan(a_training_job(), READY, NOW).status
    assert started.provenance is not None
    assert started.provenance.pipeline_digest == PACKAGE.digest
    result = RESULT.model_copy(update={"pipeline_digest": ""})
    ended = plan(a_training_job(status=started), ready(run=a_job(finished=True), result=result), NOW).status
    assert ended.provenance is not None
    assert ended.provenance.pipeline_digest == PACKAGE.digest


def of_shops(features: list[dict[str, str]] | None = None, **entity: str) -> FeatureSet:
    """FeatureSet `shops` with a snapshot of its present features."""
    described = [{"name": "shop", "type": "Int64", **entity}]
    sizes = features or [{"name": "size", "type": "Float64"}]
    shops = a_feature_set("shops", entities=described, features=sizes, expectations=[])
    snapshot = {"version": 1, "digest": DIGEST, "uri": "s3://homeostat/shops/", "rows": 100}
    return a_feature_set(
        "shops", entities=described, features=sizes, expectations=[],
        status={"snapshot": snapshot, "schema_hash": schema_hash(shops)},
    )  # fmt: skip


def joining(shops: FeatureSet, **dataset: Any) -> Any:
    """What follows for a training on customers and shops."""
    sets = {"feature_sets": [{"name": "customers"}, {"name": "shops"}]}
    job = a_training_job(dataset=a_training_job().spec.dataset.model_dump() | sets | dataset)
    there: dict[str, FeatureSet | None] = {"customers": features(), "shops": shops}
    return plan(job, replace(READY, features=there, deployments=frozenset({"churn"})), NOW)


def test_feature_sets_of_different_entities_are_joined_and_labels_go_by_the_first() -> None:
    document = told(joining(of_shops()))
    assert [source.entities[0].name for source in document.feature_sets] == ["customer_id", "shop"]
    assert [source.entity_field for source in document.labels] == ["customer_id"]


@pytest.mark.parametrize(
    ("shops", "dataset", "words"),
    [
        (of_shops(name="customer_id"), {}, "shops has customer_id (Int64); a key of one name has one type"),
        (of_shops([{"name": "customer_id", "type": "String"}]), {}, "feature 'customer_id' of FeatureSet 'shops' has"),
        (
            of_shops(),
            {"labels": [{"outcomes_of": "churn"}]},
            "name the entity 'customer_id' alone, and the FeatureSets",
        ),
        (
            of_shops(),
            {"labels": [{"parquet": {"uri": "s3://homeostat/l/"}, "field": "shop", "timestampField": "at"}]},
            "spec.dataset.labels: 'shop' is an entity",
        ),
        (
            of_shops(),
            {"request_features": [{"name": "shop", "type": "Int64"}]},
            "requestFeatures: 'shop' is the name of",
        ),
    ],
)
def test_entities_that_cannot_be_told_apart_are_refused_by_name(
    shops: FeatureSet, dataset: dict[str, Any], words: str
) -> None:
    status = joining(shops, **dataset).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert words in status.completion.message


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, ("BinaryClassification", "")),
        ({"task": "BinaryClassification", "positive": "Yes"}, ("BinaryClassification", "Yes")),
        ({"task": "Regression"}, ("Regression", "")),
    ],
)
def test_a_training_has_the_task_of_its_target(target: dict[str, str] | None, expected: tuple[str, str]) -> None:
    dataset = a_training_job().spec.dataset.model_dump() | {"target": target}
    given = told(plan(a_training_job(dataset=dataset), READY, NOW))
    assert (given.task, given.positive) == expected


def selecting(*names: str) -> dict[str, Any]:
    return a_training_job().spec.dataset.model_dump() | {"feature_sets": [{"name": "customers", "features": names}]}


def test_a_training_joins_the_features_that_its_spec_selects_in_the_order_of_the_feature_set() -> None:
    decided = plan(a_training_job(dataset=selecting("internet_service", "tenure")), READY, NOW)
    (source,) = told(decided).feature_sets
    assert [feature.name for feature in source.features] == ["tenure", "internet_service"]
    assert source.schema_hash == schema_hash(features()), "the online store holds all of them"


def test_a_feature_that_a_feature_set_does_not_have_is_refused_with_those_it_has() -> None:
    status = plan(a_training_job(dataset=selecting("tenure", "tenor")), READY, NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert status.completion is not None
    assert status.completion.message == (
        "spec.dataset.featureSets: FeatureSet 'customers' has no feature 'tenor'; it has tenure, monthly_charges, "
        "internet_service"
    )
    assert (status.attempt, status.run) == (0, None), "nothing was launched"


def test_a_feature_that_a_spec_selects_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="features names 'tenure' twice; name it once"):
        a_training_job(dataset=selecting("tenure", "tenure"))


def test_each_label_source_is_read_within_its_own_times() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    sources = [{"outcomesOf": "churn", "from": "2026-03-01T00:00:00Z"}, a_label_source(to="2026-03-01T01:00:00+01:00")]
    job = a_training_job(dataset=a_training_job().spec.dataset.model_dump() | {"labels": sources})
    first, second = told(plan(job, replace(READY, deployments=frozenset({"churn"})), NOW)).labels
    assert (first.since, first.until) == (day, None)
    assert (second.since, second.until) == (None, day)


@pytest.mark.parametrize("to", ["2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z"])
def test_a_label_source_that_ends_before_it_begins_is_refused(to: str) -> None:
    with pytest.raises(ValueError, match=r"from \(2026-03-01 .*\) is earlier than to \(2026-0"):
        a_training_job(
            dataset=a_training_job().spec.dataset.model_dump()
            | {"labels": [{"outcomesOf": "churn", "from": "2026-03-01T00:00:00Z", "to": to}]}
        )


def sending(*features: tuple[str, str], **dataset: Any) -> dict[str, Any]:
    described = [{"name": name, "type": kind} for name, kind in features]
    return a_training_job().spec.dataset.model_dump() | {"request_features": described} | dataset


def test_a_training_is_given_the_features_that_callers_send() -> None:
    decided = plan(a_training_job(dataset=sending(("basket", "Float64"), ("hour", "Int64"))), READY, NOW)
    assert [(feature.name, feature.type) for feature in told(decided).request_features] == [
        ("basket", "Float64"),
        ("hour", "Int64"),
    ]


@pytest.mark.parametrize("name", ["tenure", "customer_id"])
def test_a_feature_that_callers_send_under_a_looked_up_name_is_refused(name: str) -> None:
    status = plan(a_training_job(dataset=sending((name, "Int64"))), READY, NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert status.completion is not None
    assert (
        f"spec.dataset.requestFeatures: {name!r} is the name of a feature or of the entity of FeatureSet 'customers'"
        in (status.completion.message)
    )
    fewer = sending(("tenure", "Int64"), feature_sets=[{"name": "customers", "features": ["monthly_charges"]}])
    assert created(plan(a_training_job(dataset=fewer), READY, NOW)) != []


@pytest.mark.parametrize("name", ["churned", "predicted_at", "probability", "homeostat_time"])
def test_a_feature_that_callers_send_is_no_other_column_of_the_labels(name: str) -> None:
    with pytest.raises(ValueError, match=f"requestFeatures: '{name}' cannot be used"):
        a_training_job(dataset=sending((name, "Int64"), labels=[a_label_source(timestampField="predicted_at")]))


def test_outcomes_have_no_request_features() -> None:
    with pytest.raises(ValueError, match="requestFeatures are columns of labels in parquet; outcomesOf has none"):
        a_training_job(dataset=sending(("basket", "Float64"), labels=[{"outcomes_of": "churn"}]))


def a_label_source(**fields: Any) -> dict[str, Any]:
    return {"parquet": {"uri": "s3://homeostat/l/"}, "field": "churned", "timestampField": "at", **fields}


def test_a_node_pool_gives_selector_tolerations_and_the_name_of_its_gpus() -> None:
    decided = plan(a_training_job(placement={"node_pool": "gpu-a100", "gpus_per_node": 2}), READY, NOW)
    (action,) = (action for action in decided.actions if isinstance(action, Launch))
    pod = run_job(action.request)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "a100"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert pod["containers"][0]["resources"]["limits"]["a/gpu"] == "2"


def test_a_node_selector_that_contradicts_the_node_pool_is_refused_by_label() -> None:
    contradiction = {"node_pool": "gpu-a100", "pod_template": {"spec": {"node_selector": {"pool": "t4"}}}}
    status = plan(a_training_job(placement=contradiction), READY, NOW).status
    assert said(status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert status.completion is not None
    assert "has pool: t4, and node pool 'gpu-a100' has pool: a100" in status.completion.message


def test_a_user_who_asks_for_more_memory_than_the_default_limit_gets_it() -> None:
    placement = {"resources": {"requests": {"memory": "8Gi"}}}
    (action,) = (
        action for action in plan(a_training_job(placement=placement), READY, NOW).actions if isinstance(action, Launch)
    )
    assert action.request.shape.resources.model_dump() == {"requests": {"cpu": "250m", "memory": "8Gi"}, "limits": {}}


def test_an_engine_that_the_platform_lacks_is_refused_with_those_it_has() -> None:
    decided = plan(a_training_job(engine="Kubeflow"), replace(READY, engine="Kubeflow"), NOW)
    assert said(decided.status) == ("False", TrainingJobReason.INVALID_SPEC)
    assert "use one of Local" in get(decided.status.conditions, SUCCEEDED).message  # type: ignore[union-attr]


def test_the_engine_of_an_attempt_is_written_down_with_its_number() -> None:
    seen = replace(READY, engine="Kubeflow", engines=frozenset({"Local", "Kubeflow"}))
    decided = plan(a_training_job(), seen, NOW)
    assert decided.status.run
    assert decided.status.run.engine == "Kubeflow"
    assert [action.engine for action in decided.actions if isinstance(action, Launch)] == ["Kubeflow"]
    assert decided.requeue_after == timedelta(seconds=3), "nobody tells when a run at Kubeflow begins"


@pytest.mark.parametrize(("field", "time"), [("customer_id", "predicted_at"), ("churned", "customer_id")])
def test_a_label_column_that_is_the_entity_is_refused_before_a_run_starts(field: str, time: str) -> None:
    source = {"parquet": {"uri": "s3://homeostat/labels/"}, "field": field, "timestampField": time}
    dataset = {"featureSets": [{"name": "customers"}], "labels": [source], "holdout": {"percent": 20}}
    decided = plan(a_training_job(dataset=dataset), READY, NOW)
    assert created(decided) == []
    assert said(decided.status) == ("False", TrainingJobReason.INVALID_SPEC)
