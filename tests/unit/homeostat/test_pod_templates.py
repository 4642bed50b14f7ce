"""What objects and the platform add to pods of ours."""

import pytest
from pydantic import ValidationError

from homeostat.api.v1alpha1.pods import PodOptions, PodTemplate
from homeostat.reconcile.pod_templates import applied, completed, merged


def options(**fields: object) -> PodOptions:
    return PodOptions.model_validate(fields)


def template(**spec: object) -> PodTemplate:
    return PodTemplate.model_validate({"spec": spec})


DEFAULTS = options(resources={"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}})


def test_a_default_applies_to_each_amount_that_an_object_does_not_give() -> None:
    found = completed(options(resources={"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}), DEFAULTS).resources
    assert found.requests == {"cpu": "250m", "memory": "1Gi"}
    assert found.limits == {"memory": "2Gi", "cpu": "2"}


def test_a_default_gives_way_where_a_request_would_be_above_its_limit() -> None:
    found = completed(options(resources={"requests": {"memory": "8Gi"}}), DEFAULTS).resources
    assert (found.requests, found.limits) == ({"cpu": "250m", "memory": "8Gi"}, {})
    found = completed(options(resources={"limits": {"memory": "511Mi"}}), DEFAULTS).resources
    assert (found.requests, found.limits) == ({"cpu": "250m"}, {"memory": "511Mi"})


def test_an_amount_may_be_a_number_without_quotes() -> None:
    found = options(resources={"requests": {"cpu": 1}, "limits": {"nvidia.com/gpu": 2}}).resources
    assert (found.requests, found.limits) == ({"cpu": "1"}, {"nvidia.com/gpu": "2"})


def test_a_fraction_without_quotes_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(ValidationError, match=r'0\.5 without quotes is a fraction.* write "0\.5", or 500m'):
        options(resources={"limits": {"cpu": 0.5}})


@pytest.mark.parametrize("amount", [True, -1, 1.5, "1e3", "lots", ""])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    with pytest.raises(ValidationError, match=r"resources\.limits\.cpu"):
        options(resources={"limits": {"cpu": amount}})


def test_the_object_wins_over_the_default_and_tolerations_add_up_without_repetition() -> None:
    spot, gpu = {"key": "spot", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}
    base = template(node_selector={"zone": "a", "disk": "ssd"}, tolerations=[spot], priority_class_name="batch")
    found = merged(base, template(node_selector={"zone": "b"}, tolerations=[spot, gpu])).spec
    assert found.node_selector == {"zone": "b", "disk": "ssd"}
    assert [one.key for one in found.tolerations] == ["spot", "gpu"]
    assert found.priority_class_name == "batch"
    assert merged(base, None).spec == base.spec


def test_image_pull_secrets_add_up_without_repetition_and_stand_in_the_pod() -> None:
    both = merged(
        template(image_pull_secrets=[{"name": "all"}]), template(image_pull_secrets=[{"name": "own"}, {"name": "all"}])
    )
    pod = applied(both, {"spec": {"containers": []}})["spec"]
    assert pod["imagePullSecrets"] == [{"name": "all"}, {"name": "own"}]


def test_what_is_ours_stays_and_what_is_empty_is_not_written() -> None:
    ours = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": []}}
    assert applied(None, ours) == ours
    assert applied(PodTemplate(), ours) == ours
    added = PodTemplate.model_validate({"metadata": {"labels": {"a": "2", "b": "3"}}})
    assert applied(added, ours) == {**ours, "metadata": {"labels": {"a": "1", "b": "3"}}}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"labels": {"homeostat.dev/name": "x"}}, "labels homeostat.dev/name: set by Homeostat"),
        ({"labels": {"app.kubernetes.io/component": "x"}}, "labels app.kubernetes.io/component: set by Homeostat"),
        ({"annotations": {"homeostat.dev/input": "x"}}, "annotations homeostat.dev/input: set by Homeostat"),
    ],
)
def test_labels_and_annotations_of_ours_are_refused_by_name(metadata: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PodTemplate.model_validate({"metadata": metadata})


@pytest.mark.parametrize(
    ("toleration", "words"),
    [
        ({"operator": "Exists", "value": "x"}, "value is not allowed with operator Exists"),
        ({"operator": "Equal", "value": "x"}, "key is required with operator Equal"),
        ({"value": "x"}, "key is required with operator Equal"),
        ({"key": "a", "toleration_seconds": 5}, "only with effect NoExecute"),
    ],
)
def test_tolerations_that_no_pod_can_have_are_refused(toleration: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        template(tolerations=[toleration])
