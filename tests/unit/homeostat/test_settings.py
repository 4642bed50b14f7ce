import pytest

from homeostat.pod_settings import NodePoolSettings, PodSettings
from homeostat.reconcile.errors import InvalidSettings
from homeostat.settings import S3Settings, load


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in (("ENDPOINT", "http://s3:8333"), ("ACCESS_KEY", "key"), ("SECRET_KEY", "hush")):
        monkeypatch.setenv(f"HOMEOSTAT_S3_{name}", value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_settings_come_from_the_environment_with_their_defaults() -> None:
    settings = load(S3Settings)
    assert (settings.endpoint, settings.bucket) == ("http://s3:8333", "homeostat")


@pytest.mark.usefixtures("environment")
def test_a_secret_is_not_printed_with_its_settings() -> None:
    assert "hush" not in repr(load(S3Settings))


def test_every_missing_or_wrong_variable_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HOMEOSTAT_S3_ADDRESSING_STYLE", "Host")
    environment.setenv("HOMEOSTAT_S3_ENDPOINT", "s3:8333")
    with pytest.raises(InvalidSettings, match=r"HOMEOSTAT_S3_ENDPOINT: .*HOMEOSTAT_S3_ADDRESSING_STYLE: .*VirtualHost"):
        load(S3Settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ACCESS_KEY", "", "together, or neither to use the pod's identity"),
        ("SECRET_KEY", "", "together, or neither to use the pod's identity"),
        ("ENCRYPTION", "aws:kms", "HOMEOSTAT_S3_KMS_KEY exactly with"),
        ("KMS_KEY", "key", "HOMEOSTAT_S3_KMS_KEY exactly with"),
        ("CA_BUNDLE", "/etc/ssl/ca.pem", "PEM form, not the path of a file"),
    ],
)
def test_settings_of_the_object_store_that_contradict_each_other_are_refused_by_name(
    environment: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    environment.setenv(f"HOMEOSTAT_S3_{name}", value)
    with pytest.raises(InvalidSettings, match=words):
        load(S3Settings)


def test_an_empty_variable_counts_as_absent(environment: pytest.MonkeyPatch) -> None:
    for name in ("REGION", "ADDRESSING_STYLE", "ENCRYPTION", "SESSION_TOKEN", "BUCKET"):
        environment.setenv(f"HOMEOSTAT_S3_{name}", "")
    settings = load(S3Settings)
    assert (settings.region, settings.bucket) == ("us-east-1", "homeostat")
    environment.setenv("HOMEOSTAT_NODE_POOLS", "")
    assert load(NodePoolSettings).pools == {}


def test_node_pools_are_json_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_NODE_POOLS", '{"gpu": {"nodeSelector": {"pool": "gpu"}}}')
    pool = load(NodePoolSettings).pools["gpu"]
    assert (pool.node_selector, pool.resource_name) == ({"pool": "gpu"}, "nvidia.com/gpu")


def test_a_wrong_field_of_a_node_pool_is_named_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_NODE_POOLS", '{"gpu": {"selector": {}}}')
    with pytest.raises(InvalidSettings, match=r"HOMEOSTAT_NODE_POOLS gpu\.selector"):
        load(NodePoolSettings)


def test_node_pools_that_are_no_json_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_NODE_POOLS", "gpu")
    with pytest.raises(InvalidSettings, match=r'HOMEOSTAT_NODE_.*"pools".*write JSON'):
        load(NodePoolSettings)


def test_defaults_of_pods_are_json_by_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEOSTAT_PODS_TRAINING", '{"podTemplate": {"spec": {"priorityClassName": "batch"}}}')
    pods = load(PodSettings)
    assert pods.training.pod_template is not None
    assert pods.training.pod_template.spec.priority_class_name == "batch"
    assert pods.predictor.resources.requests == {"cpu": "50m", "memory": "192Mi"}


def test_a_default_label_that_is_ours_is_refused_by_variable_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    given = '{"podTemplate": {"metadata": {"labels": {"homeostat.dev/kind": "x"}}}}'
    monkeypatch.setenv("HOMEOSTAT_PODS_PREDICTOR", given)
    with pytest.raises(
        InvalidSettings, match=r"HOMEOSTAT_PODS_PREDICTOR podTemplate\.metadata\.labels.*homeostat.dev/kind"
    ):
        load(PodSettings)
