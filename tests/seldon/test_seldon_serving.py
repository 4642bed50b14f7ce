"""The engine Seldon on a real Seldon Core operator, beside the story that was told with it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.serving.seldon import API_VERSION, KIND, SeldonServing
from homeostat.reconcile.errors import InvalidSpec
from homeostat.settings import SeldonSettings
from support.platform.acting import sigkill
from support.platform.watching import Watch
from support.serving.real import RealStage, staged
from support.serving.suite import ServingSuite
from tools.demo.release import NAMESPACE, Platform
from tools.seldon.manifests import LABELS
from tools.seldon.manifests import NAMESPACE as OPERATORS

OPERATOR = ",".join(f"{key}={value}" for key, value in LABELS.items())


@pytest.fixture
def stage(api_server: KubernetesCluster) -> Iterator[RealStage]:
    yield from staged(SeldonServing(SeldonSettings()), api_server)


class TestSeldon(ServingSuite):
    def test_the_operator_killed_in_mid_work_changes_nothing_about_the_end(
        self, stage: RealStage, seldon: Platform
    ) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=100))
        before = {pod["metadata"]["uid"] for pod in self.complete(stage, first)["Pod"]}
        stage.apply(replace(first, weight=75), replace(second, weight=25))
        sigkill(seldon, OPERATORS, OPERATOR)
        after = self.complete(stage, first, second)
        assert before < {pod["metadata"]["uid"] for pod in after["Pod"]}
        assert len(after["Deployment"]) == 2


def test_the_webhooks_refusal_is_the_users_to_mend_and_comes_with_its_words(stage: RealStage) -> None:
    shares = [replace(version, weight=weight) for version, weight in zip(stage.versions, (75, 25), strict=True)]
    (deployment, *_) = stage.engine.objects(stage.resource, shares, stage.image)
    deployment["spec"]["predictors"][0]["traffic"] = 50
    del deployment["metadata"]["ownerReferences"]
    with pytest.raises(InvalidSpec, match="Traffic must sum to 100"):
        stage.cluster.apply(deployment)


def test_the_story_was_served_by_seldon_core(seldon: Platform) -> None:
    churn: Any = seldon.get("modeldeployment", "churn")
    assert (churn["status"]["engine"], churn["status"]["routing"]) == ("Seldon", "Router")
    deployment: Any = seldon.get(KIND.lower(), "churn")
    assert deployment["apiVersion"] == API_VERSION
    assert [each["name"] for each in deployment["spec"]["predictors"]] == [f"v{churn['status']['stable']['version']}"]
    pods = seldon.listing("pods", NAMESPACE, "-l", "seldon-deployment-id=churn")
    assert len(pods) == churn["spec"]["realtime"]["replicas"]


def test_no_request_fails_while_versions_change_and_seldon_cores_operator_is_killed(
    seldon: Platform, watch: Watch, traffic: Callable[[], dict[str, Any]]
) -> None:
    before: Any = seldon.get("modeldeployment", "churn")
    newest, older = before["status"]["stable"]["version"], "1"

    def serve(model: dict[str, str], version: str) -> None:
        """Asks for another version, kills the operator as soon as it has work, and waits until that version serves."""
        change = {
            "model": {"registered": {"name": "churn", "follow": None, "version": None, **model}},
            "promotion": None,
        }
        seldon.kubectl(
            "-n", NAMESPACE, "patch", "modeldeployment", "churn", "--type=merge", "-p", json.dumps({"spec": change})
        )
        watch.until(
            f"version {version} is to start", KIND.lower(), "churn",
            lambda d: f"v{version}" in [each["name"] for each in d["spec"]["predictors"]],
        )  # fmt: skip
        sigkill(seldon, OPERATORS, OPERATOR)
        watch.until(
            f"version {version} serves",
            "modeldeployment",
            "churn",
            lambda m: m["status"]["stable"]["version"] == version,
        )

    answered = traffic()["answered"]
    try:
        serve({"version": older}, older)
        serve({"follow": "Newest"}, newest)
    finally:
        patch = json.dumps({"spec": {"promotion": before["spec"]["promotion"]}})
        seldon.kubectl("-n", NAMESPACE, "patch", "modeldeployment", "churn", "--type=merge", "-p", patch)
    assert traffic()["answered"] > answered + 2000
