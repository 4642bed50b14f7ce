"""A bad spec of each kind is answered with field, value and remedy; callers without a token are refused."""

import httpx
import pytest
import yaml

from tools.cluster.settings import REPOSITORY, UserError
from tools.demo.release import NAMESPACE, Platform

SAMPLES = REPOSITORY / "manifests" / "samples" / "churn"

pytestmark = pytest.mark.usefixtures("story")


def _apply(platform: Platform, sample: str, change: dict[str, object]) -> str:
    document = yaml.safe_load((SAMPLES / sample).read_text())
    document["metadata"]["name"] = "bad"
    document["spec"].update(change)
    with pytest.raises(UserError) as refused:
        platform.kubectl("-n", NAMESPACE, "create", "-f", "-", text=yaml.safe_dump(document))
    return str(refused.value)


@pytest.mark.parametrize(
    ("sample", "change", "words"),
    [
        ("10-featureset.yaml", {"expectations": [{"feature": "tenur", "rule": "NotNull"}]}, ["expectation", "feature"]),
        ("20-trainingjob.yaml", {"seed": -1}, ["spec.seed", "-1", "greater than or equal to 0"]),
        ("30-modeldeployment.yaml", {"realtime": {"replicas": 0}}, ["spec.realtime.replicas", "0"]),
        ("40-monitor.yaml", {"retrain": {"action": "Sometimes"}}, ["spec.retrain.action", "Sometimes", "Propose"]),
        ("20-trainingjob.yaml", {"sead": 1}, ["spec.sead"]),
    ],
    ids=["FeatureSet", "TrainingJob", "ModelDeployment", "Monitor", "unknown field"],
)
def test_a_bad_spec_is_refused_with_field_and_value(
    platform: Platform, sample: str, change: dict[str, object], words: list[str]
) -> None:
    message = _apply(platform, sample, change)
    for word in words:
        assert word in message


def test_the_observer_refuses_outcomes_without_a_token(http: httpx.Client, observer_url: str) -> None:
    body = {"namespace": NAMESPACE, "deployment": "churn", "outcomes": []}
    assert http.post(f"{observer_url}/v1/outcomes", json=body).status_code == 401


def test_the_observer_refuses_outcomes_of_somebody_who_may_only_look(
    http: httpx.Client, observer_url: str, token: str
) -> None:
    body = {"namespace": NAMESPACE, "deployment": "churn", "outcomes": [{"predictionId": "none", "label": 1}]}
    answer = http.post(f"{observer_url}/v1/outcomes", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "outcomes" in answer.text


def test_the_console_refuses_callers_without_a_token(http: httpx.Client, console_url: str) -> None:
    assert http.get(f"{console_url}/api/v1/namespaces/{NAMESPACE}/monitors").status_code == 401
    assert http.post(f"{console_url}/api/v1/trainingjobs", json={}).status_code == 401
