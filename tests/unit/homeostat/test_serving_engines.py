"""Every serving engine against its counterparts in memory, and what is special to each."""

from dataclasses import replace
from typing import Any

import pytest

from homeostat.api.v1alpha1.pods import PodOptions
from homeostat.engines.serving import ROUTER, Serving, ServingEngine, predictor, unexplained
from homeostat.engines.serving.deployment import DeploymentServing
from homeostat.engines.serving.kserve import KServeServing
from homeostat.engines.serving.seldon import SeldonServing
from homeostat.pod_settings import PREDICTOR
from homeostat.settings import SeldonSettings
from homeostat.testing.builders import a_model_deployment
from support.serving.operators import MemoryStage
from support.serving.suite import ServingSuite

ENGINES: tuple[ServingEngine, ...] = (DeploymentServing(), SeldonServing(SeldonSettings()), KServeServing())

A_TEMPLATE = {
    "metadata": {"labels": {"team": "churn"}, "annotations": {"example.org/cost": "7"}},
    "spec": {"node_selector": {"zone": "a"}, "priority_class_name": "online"},
}
A_DEFAULT = PodOptions.model_validate(
    {
        "pod_template": {
            "metadata": {"labels": {"tier": "gold", "team": "nobody"}},
            "spec": {"node_selector": {"disk": "ssd"}, "tolerations": [{"key": "spot", "operator": "Exists"}]},
        }
    }
)


def a_stage(engine: ServingEngine) -> MemoryStage:
    return MemoryStage(engine, a_model_deployment(realtime={"replicas": 1, "features": "Lookup"}))


class TestInMemory(ServingSuite):
    @pytest.fixture(params=ENGINES, ids=[engine.name for engine in ENGINES])
    def stage(self, request: pytest.FixtureRequest) -> MemoryStage:
        return a_stage(request.param)


@pytest.mark.parametrize("engine", ENGINES[1:], ids=[engine.name for engine in ENGINES[1:]])
def test_a_change_that_the_other_operator_has_not_got_to_is_not_taken_for_done(engine: ServingEngine) -> None:
    stage = a_stage(engine)
    first = replace(stage.versions[0], weight=100)
    stage.apply(first)
    stage.until("complete", lambda found: engine.servings(found)["1"].complete)
    stage.apply(first, image="homeostat/services:2")
    assert not engine.servings(stage.listed())["1"].complete, "its status is still about the old image"
    stage.work()
    assert engine.servings(stage.listed())["1"].complete


@pytest.mark.parametrize("engine", ENGINES[1:], ids=[engine.name for engine in ENGINES[1:]])
def test_a_version_that_the_other_operator_never_looked_at_says_so(engine: ServingEngine) -> None:
    stage = a_stage(engine)
    stage.apply(replace(stage.versions[0], weight=100))
    seen = engine.servings(stage.listed())["1"]
    assert (seen.desired, seen.ready, seen.complete) == (1, 0, False)
    assert "not created a Deployment" in seen.failure_message


def test_what_seldon_core_says_of_its_own_failure_is_passed_on() -> None:
    stage = a_stage(ENGINES[1])
    stage.apply(replace(stage.versions[0], weight=100))
    address = ("machinelearning.seldon.io/v1", "SeldonDeployment", "churn", "churn")
    stage.cluster.change(address, status={"state": "Failed", "description": "quota exceeded"})
    assert stage.engine.servings(stage.listed())["1"].failure_message == "SeldonDeployment churn: quota exceeded"


def test_shares_of_predictors_are_a_whole_even_before_anybody_has_one() -> None:
    engine = ENGINES[1]
    first, second = MemoryStage.versions

    def shares(*versions: Any) -> list[int]:
        (deployment, *_) = engine.objects(a_model_deployment(), versions, "i")
        return [each["traffic"] for each in deployment["spec"]["predictors"]]

    assert shares(first) == [100]
    assert shares(first, second) == [100, 0]
    assert shares(replace(first, weight=75), replace(second, weight=25)) == [75, 25]
    assert engine.objects(a_model_deployment(), (), "i") == ()


def test_a_version_in_shadow_is_seldon_cores_shadow_only_where_its_ingress_makes_the_copies() -> None:
    first, second = MemoryStage.versions
    versions = (replace(first, weight=100), replace(second, mirror=40))

    def predictors(engine: ServingEngine) -> list[tuple[int, bool]]:
        (deployment, *_) = engine.objects(a_model_deployment(), versions, "i")
        return [(each["traffic"], each.get("shadow", False)) for each in deployment["spec"]["predictors"]]

    assert predictors(ENGINES[1]) == [(100, False), (0, False)]
    theirs = SeldonServing(SeldonSettings(ingress_url="https://models.example.org/"))
    assert predictors(theirs) == [(100, False), (40, True)]


def test_traffic_goes_through_our_gateway_unless_seldon_core_has_an_ingress() -> None:
    ours, theirs = ENGINES[1], SeldonServing(SeldonSettings(ingress_url="https://models.example.org/"))
    resource = a_model_deployment()
    assert (ours.routing, ours.url(resource)) == (ROUTER, "")
    assert (theirs.routing, theirs.url(resource)) == ("Seldon", "https://models.example.org/seldon/churn/churn")


def a_deployment(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "churn-v1", "generation": 2, "labels": {"homeostat.dev/version": "1"}},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, **status},
    }


A_SERVICE = {"metadata": {"name": "churn-v1", "labels": {"homeostat.dev/version": "1"}}}


def seen(deployment: dict[str, Any], *pods: dict[str, Any], services: Any = (A_SERVICE,)) -> Serving:
    found = {"Deployment": [deployment], "Service": services, "Pod": pods}
    return ENGINES[0].servings(found)["1"]


def test_a_version_is_complete_when_all_pods_of_the_newest_template_are_ready_and_it_has_a_service() -> None:
    assert seen(a_deployment()).complete
    assert not seen(a_deployment(), services=()).complete
    assert not seen(a_deployment(readyReplicas=1)).complete
    assert not seen(a_deployment(updatedReplicas=1)).complete
    assert not seen(a_deployment(observedGeneration=1)).complete


def a_pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    meta = {"name": "p", "labels": {"homeostat.dev/version": "1"}}
    return {"metadata": meta, "status": {"containerStatuses": [container] if container else [], **status}}


def test_trouble_names_image_crash_probe_and_scheduling() -> None:
    pull = a_pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}})
    crash = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    crashed = a_pod({"state": crash, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}})
    probe = a_pod({"state": {"running": {"startedAt": "x"}}, "ready": False})
    full = a_pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}])
    starting = a_pod({"state": {"waiting": {"reason": "ContainerCreating"}}})
    told = [seen(a_deployment(), pod).failure_message for pod in (pull, crashed, probe, full, starting)]
    assert told == [
        "pod p: ImagePullBackOff, no such image",
        "pod p: CrashLoopBackOff, it ended with exit code 137 (OOMKilled)",
        "pod p: its readiness probe does not succeed yet",
        "pod p cannot be scheduled: 0/1 nodes: Insufficient memory",
        "",
    ]


def test_a_deployment_that_may_create_no_pod_passes_on_the_words_of_the_api_server() -> None:
    words = 'pods "churn-v1-x" is forbidden: exceeded quota: team, requested: limits.cpu=2, used: limits.cpu=0'
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
    found = seen(a_deployment(conditions=[refused], readyReplicas=0))
    assert found.failure_message == f"no pod can be created: {words}"
    past = seen(a_deployment(conditions=[{**refused, "status": "False"}]))
    assert past.failure_message == ""


def test_a_pod_without_service_links_does_not_learn_of_services_by_variables_that_look_like_settings() -> None:
    template = predictor.template(a_model_deployment(), MemoryStage.versions[0], "i", PREDICTOR)
    assert template["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("engine", ENGINES, ids=[engine.name for engine in ENGINES])
def test_the_pods_of_every_engine_get_what_the_object_and_the_platform_add(engine: ServingEngine) -> None:
    stage = MemoryStage(engine, a_model_deployment(realtime={"replicas": 1, "pod_template": A_TEMPLATE}))
    stage.defaults = A_DEFAULT
    stage.apply(replace(stage.versions[0], weight=100))
    stage.until("complete", lambda found: engine.servings(found)["1"].complete)
    (made,) = stage.listed()["Deployment"]
    metadata, spec = made["spec"]["template"]["metadata"], made["spec"]["template"]["spec"]
    assert {"team": "churn", "tier": "gold"}.items() <= metadata["labels"].items()
    assert predictor.matching(stage.resource, "1").items() <= metadata["labels"].items()
    assert metadata["annotations"]["example.org/cost"] == "7"
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"disk": "ssd", "zone": "a"}, "online")
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]


@pytest.mark.parametrize("engine", ENGINES[1:], ids=[engine.name for engine in ENGINES[1:]])
def test_a_changed_label_is_a_change_that_the_other_operator_has_to_get_to(engine: ServingEngine) -> None:
    stage = a_stage(engine)
    first = replace(stage.versions[0], weight=100)
    stage.apply(first)
    stage.until("complete", lambda found: engine.servings(found)["1"].complete)
    stage.defaults = A_DEFAULT
    stage.apply(first)
    assert not engine.servings(stage.listed())["1"].complete


def test_a_limit_below_a_default_request_replaces_the_default_instead_of_contradicting_it() -> None:
    resource = a_model_deployment(realtime={"resources": {"limits": {"memory": "128Mi"}}})
    template = predictor.template(resource, MemoryStage.versions[0], "i", PREDICTOR)
    resources = template["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "50m"}, "limits": {"cpu": "1", "memory": "128Mi"}}


def a_warning(uid: str, message: str, reason: str = "FailedMount") -> dict[str, Any]:
    return {
        "involvedObject": {"uid": uid},
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-01-05T09:00:00Z",
    }


def test_a_pod_whose_volume_cannot_be_mounted_passes_on_the_words_of_the_kubelet() -> None:
    pod = a_pod(
        {"state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending", startTime="2026-01-05T09:00:00Z"
    )
    pod["metadata"]["uid"] = "u"
    found = {"Deployment": [a_deployment(readyReplicas=0)], "Service": [A_SERVICE], "Pod": [pod]}
    assert unexplained(found, ENGINES[0]) == ["u"]
    events = [a_warning("u", "MountVolume.SetUp failed"), a_warning("another", "of another pod")]
    told = ENGINES[0].servings({**found, "Event": events})["1"].failure_message
    assert told == "pod p: MountVolume.SetUp failed"


def test_a_deployment_that_may_create_no_replica_set_says_why() -> None:
    words = 'replicasets.apps "churn-v1" is forbidden: exceeded quota: team'
    refused = {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError", "message": words}
    assert (
        seen(a_deployment(conditions=[refused], readyReplicas=0)).failure_message == f"no pod can be created: {words}"
    )


@pytest.mark.parametrize("engine", ENGINES[1:], ids=[engine.name for engine in ENGINES[1:]])
def test_an_event_about_the_object_of_the_other_operator_says_why_there_is_no_deployment(engine: ServingEngine) -> None:
    stage = a_stage(engine)
    stage.apply(replace(stage.versions[0], weight=100))
    found = stage.listed()
    (uid,) = unexplained(found, engine)
    words = 'admission webhook "policy" denied the request'
    told = engine.servings({**found, "Event": [a_warning(uid, words, "InternalError")]})["1"].failure_message
    assert told.endswith(f": {words}")


def test_what_kserve_says_of_its_own_failure_is_passed_on() -> None:
    stage = a_stage(ENGINES[2])
    stage.apply(replace(stage.versions[0], weight=100))
    false = {"type": "PredictorReady", "status": "False", "reason": "Denied", "message": "exceeded quota"}
    address = ("serving.kserve.io/v1beta1", "InferenceService", "churn", "churn-v1")
    stage.cluster.change(address, status={"conditions": [{"type": "Ready", "status": "False"}, false]})
    assert stage.engine.servings(stage.listed())["1"].failure_message == "InferenceService churn-v1: exceeded quota"
