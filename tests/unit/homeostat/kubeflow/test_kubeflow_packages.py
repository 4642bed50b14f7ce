"""What a package tells Kubeflow Pipelines about the pods of its steps, and what that cannot set."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from homeostat.api.v1alpha1.pods import Toleration, TolerationOperator
from homeostat.pod_settings import NodePool
from homeostat.reconcile.errors import InvalidSpec
from homeostat.testing.builders import a_training_job
from support.kubeflow_twin import KubeflowServer
from support.runs import a_request, package_of, rendered
from unit.homeostat.kubeflow.attempts import PACKAGE, an_attempt, engine


def test_a_package_carries_image_secret_nodes_and_resources() -> None:
    pool = NodePool(node_selector={"pool": "a100"}, resource_name="example.org/gpu")
    attempt = an_attempt(pool=pool, placement={"node_pool": "gpu", "gpus_per_node": 2})
    spec, platform = yaml.safe_load_all(rendered(attempt))
    for executor in spec["deploymentSpec"]["executors"].values():
        assert executor["container"]["image"] == "registry.example.org/pipelines:7"
        assert executor["container"]["resources"] == {
            "cpuRequest": 0.5,
            "memoryLimit": 2 * 2**30 / 10**9,
            "accelerator": {"type": "example.org/gpu", "count": "2"},
        }
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == spec["deploymentSpec"]["executors"].keys()
    for said in executors.values():
        assert said["nodeSelector"] == {"labels": {"pool": "a100"}}
        assert said["secretAsEnv"][0]["secretName"] == "homeostat-platform"


def test_tolerations_which_the_backend_cannot_set_are_refused_with_a_remedy() -> None:
    pool = NodePool(tolerations=[Toleration(key="gpu", operator=TolerationOperator.EXISTS)])
    with pytest.raises(InvalidSpec, match="a pool without taints"):
        engine(KubeflowServer()).package(package_of(a_training_job(placement={"node_pool": "gpu"}), pool))


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"metadata": {"labels": {"team": "churn"}}}, "metadata.labels"),
        ({"metadata": {"annotations": {"cost": "7"}}}, "metadata.annotations"),
        ({"spec": {"tolerations": [{"key": "gpu"}]}}, "spec.tolerations"),
        ({"spec": {"priority_class_name": "batch"}}, "spec.priorityClassName"),
        ({"spec": {"image_pull_secrets": [{"name": "registry"}]}}, "spec.imagePullSecrets"),
    ],
)
def test_what_the_backend_cannot_set_of_a_pod_is_refused_by_name(template: dict[str, Any], field: str) -> None:
    job = a_training_job(placement={"pod_template": template})
    with pytest.raises(InvalidSpec, match=rf"spec\.placement\.podTemplate\.{field} .* use spec.engine Local"):
        engine(KubeflowServer()).package(package_of(job))


def test_the_node_selector_of_a_pod_template_is_that_of_every_step() -> None:
    job = a_training_job(placement={"pod_template": {"spec": {"node_selector": {"disk": "ssd"}}}})
    engine(KubeflowServer()).package(package_of(job))
    request = a_request(job, package=PACKAGE)
    shaped = replace(request, shape=replace(request.shape, pod_template=job.spec.placement.pod_template))
    _, platform = yaml.safe_load_all(rendered(shaped))
    for step in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        assert step["nodeSelector"] == {"labels": {"disk": "ssd"}}
