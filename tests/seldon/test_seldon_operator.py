"""What Homeostat relies on of a real Seldon Core operator; `make e2e-seldon` runs it."""

from collections.abc import Callable
from typing import Any

import pytest

from tools.cluster.settings import UserError
from tools.demo.release import Platform
from tools.waiting import until

Object = dict[str, Any]
Predictor = Callable[..., Object]
Deploy = Callable[..., None]


@pytest.fixture
def look(seldon: Platform, room: str) -> Callable[[], Object]:
    """The status of `churn`, for a while null after its creation."""
    return lambda: (seldon.get("seldondeployment", "churn", room) or {}).get("status") or {}


@pytest.fixture
def pods(seldon: Platform, room: str) -> Callable[[str], list[Object]]:
    """The pods of one predictor, by the label that the operator gives to them."""
    return lambda predictor: seldon.listing(
        "pods", room, "-l", f"seldon-deployment-id=churn,seldon-app=churn-{predictor}"
    )


def is_available(status: Object) -> bool:
    return status.get("state") == "Available"


def serves(count: int) -> Callable[[Object], bool]:
    """The state of before an apply is still there right after it, so what is counted must be there too."""

    def done(status: Object) -> bool:
        deployments = status.get("deploymentStatus") or {}
        ready = [name for name, each in deployments.items() if each.get("availableReplicas", 0) >= 1]
        return is_available(status) and len(ready) == count

    return done


def waiting_reason(pod: Object) -> str:
    states = pod.get("status", {}).get("containerStatuses", [])
    return "".join(each["state"].get("waiting", {}).get("reason", "") for each in states)


def test_a_deployment_becomes_available_and_its_service_leads_to_its_pod(
    deploy: Deploy, predictor: Predictor, look: Callable[[], Object], seldon: Platform, room: str
) -> None:
    deploy(predictor("v1"))

    until("churn is available", look, serves(1))

    service = seldon.get("service", "churn-v1", room)
    assert service is not None
    assert 9000 in [port["port"] for port in service["spec"]["ports"]]
    endpoints = seldon.listing("endpointslices", room, "-l", "kubernetes.io/service-name=churn-v1")
    assert [each["conditions"]["ready"] for slice_ in endpoints for each in slice_["endpoints"]] == [True]


def test_a_deployment_without_predictors_is_refused_with_a_reason(deploy: Deploy) -> None:
    with pytest.raises(UserError, match=r"is invalid: spec: .*Graph contains no predictors"):
        deploy()


def test_a_graph_without_its_container_is_refused_with_the_field(deploy: Deploy, predictor: Predictor) -> None:
    with pytest.raises(UserError, match=r"spec\.predictors\[0\]\.graph: .*Can't find container for Predictive Unit"):
        deploy(predictor("v1", name="other"))


def test_a_second_predictor_leaves_the_pods_of_the_first_alone(
    deploy: Deploy,
    predictor: Predictor,
    look: Callable[[], Object],
    pods: Callable[[str], list[Object]],
) -> None:
    deploy({**predictor("v1"), "traffic": 100})
    until("churn is available", look, serves(1))
    before = [(pod["metadata"]["uid"], pod["metadata"]["name"]) for pod in pods("v1")]

    deploy({**predictor("v1"), "traffic": 90}, {**predictor("v2"), "traffic": 10})

    until("both predictors are available", look, serves(2))
    assert len(before) == 1
    assert [(pod["metadata"]["uid"], pod["metadata"]["name"]) for pod in pods("v1")] == before
    assert len(pods("v2")) == 1


def test_an_image_that_does_not_exist_stays_creating_and_only_the_pod_says_why(
    deploy: Deploy, predictor: Predictor, look: Callable[[], Object], pods: Callable[[str], list[Object]]
) -> None:
    deploy(predictor("v1", image="localhost/homeostat/no-such-image:none", imagePullPolicy="Never"))

    why = ["ErrImageNeverPull"]
    until("the pod says why", lambda: [waiting_reason(pod) for pod in pods("v1")], lambda seen: seen == why)
    status = until("churn has a status", look, lambda seen: bool(seen.get("state")))

    assert status["state"] == "Creating"
    assert "ErrImage" not in str(status)
