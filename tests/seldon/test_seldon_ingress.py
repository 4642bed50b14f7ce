"""What Seldon Core's real operator tells Istio and Ambassador of our predictors; neither of the two is there to obey it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import yaml

from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.serving.seldon import SeldonServing
from homeostat.settings import SeldonSettings
from support.serving.real import RealStage, staged
from support.serving.suite import ServingSuite
from tools.cluster import settings
from tools.demo.release import NAMESPACE, Platform
from tools.seldon import install
from tools.seldon.manifests import NAME
from tools.seldon.manifests import NAMESPACE as OPERATORS
from tools.waiting import until

Object = dict[str, Any]
ISTIO = "networking.istio.io"
KINDS = {"VirtualService": "virtualservices", "DestinationRule": "destinationrules"}
INGRESS = SeldonServing(SeldonSettings(ingress_url="https://models.example.org"))


def a_kind(kind: str, plural: str) -> Object:
    """Istio's kind by name, with whatever fields."""
    whole = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha3", "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{ISTIO}"},
        "spec": {"group": ISTIO, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def the_rights() -> list[Object]:
    """What the operator may do with them."""
    group, name = "rbac.authorization.k8s.io", f"{NAME}-istio"
    rule = {"apiGroups": [ISTIO], "resources": list(KINDS.values()), "verbs": ["*"]}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": OPERATORS}
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": name}}
    return [
        {**meta, "kind": "ClusterRole", "rules": [rule]},
        {
            **meta,
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        },
    ]


@contextmanager
def told_of(seldon: Platform, ingress: str) -> Iterator[None]:
    """The operator with Istio or Ambassador, for a while."""

    def restart(enabled: str) -> None:
        seldon.kubectl("-n", OPERATORS, "set", "env", f"deployment/{NAME}", f"{ingress}_ENABLED={enabled}")
        seldon.kubectl("-n", OPERATORS, "rollout", "status", f"deployment/{NAME}", "--timeout=180s")
        until("the operator's webhook answers", lambda: install.validates(settings.load()), bool)

    restart("true")
    try:
        yield
    finally:
        restart("false")


@pytest.fixture(scope="module")
def istio(seldon: Platform) -> Iterator[None]:
    kinds = [a_kind(kind, plural) for kind, plural in KINDS.items()]
    made = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*kinds, *the_rights()]})
    seldon.kubectl("apply", "-f", "-", text=made)
    for plural in KINDS.values():
        seldon.kubectl("wait", "--for=condition=Established", f"crd/{plural}.{ISTIO}", "--timeout=60s")
    with told_of(seldon, "ISTIO"):
        yield
    seldon.kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", "-", text=made)


@pytest.fixture(scope="module")
def ambassador(seldon: Platform) -> Iterator[None]:
    with told_of(seldon, "AMBASSADOR"):
        yield


@pytest.fixture
def stage(api_server: KubernetesCluster) -> Iterator[RealStage]:
    yield from staged(INGRESS, api_server)


def the_route(seldon: Platform, stage: RealStage) -> Object:
    """What Istio is told of HTTP requests to the stage's deployment."""
    found = seldon.get(f"virtualservices.{ISTIO}", stage.resource.metadata.name) or {}
    return dict(found.get("spec", {}).get("http", [{}])[0])


def shares(route: Object) -> dict[str, int]:
    """Weights by the first part of the host."""
    return {each["destination"]["host"].partition(".")[0]: each.get("weight", 0) for each in route.get("route", [])}


@pytest.mark.usefixtures("istio")
class TestIstio:
    def test_shares_of_the_traffic_are_the_weights_of_its_routes(self, seldon: Platform, stage: RealStage) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=75), replace(second, weight=25))
        names = [INGRESS.service(stage.resource, version.number) for version in stage.versions]
        wanted = dict(zip(names, (75, 25), strict=True))
        route = until("Istio is told of the shares", lambda: the_route(seldon, stage), lambda r: shares(r) == wanted)
        assert route["match"][0]["uri"]["prefix"] == f"/seldon/{NAMESPACE}/{stage.resource.metadata.name}/"

    def test_a_version_in_shadow_is_its_mirror_with_that_percentage_and_both_are_served(
        self, seldon: Platform, stage: RealStage
    ) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=100), replace(second, mirror=40))
        champion, shadow = (INGRESS.service(stage.resource, version.number) for version in stage.versions)
        route = until("Istio is told of the mirror", lambda: the_route(seldon, stage), lambda r: "mirror" in r)
        assert route["mirror"]["host"].startswith(f"{shadow}.")
        assert route["mirrorPercentage"] == {"value": 40}
        assert shares(route) == {champion: 100}
        ServingSuite().complete(stage, first, second)

    def test_what_was_in_shadow_takes_over_without_a_moment_in_which_no_pod_is_ready(
        self, seldon: Platform, stage: RealStage
    ) -> None:
        first, second = stage.versions
        stage.apply(replace(first, weight=100), replace(second, mirror=100))
        ServingSuite().complete(stage, first, second)
        until("Istio is told of the mirror", lambda: the_route(seldon, stage), lambda r: "mirror" in r)
        stage.apply(replace(second, weight=100), first)
        new, ready = INGRESS.service(stage.resource, second.number), list[int]()

        def look() -> bool:
            seen = INGRESS.servings(stage.found())[second.number]
            ready.append(seen.ready)
            route = the_route(seldon, stage)
            return seen.complete and "mirror" not in route and shares(route)[new] == 100

        until("the new champion is complete", look, bool, seconds=180)
        assert min(ready) >= 1


@pytest.mark.usefixtures("ambassador")
def test_ambassador_learns_of_shares_and_shadows_by_the_annotation_of_their_services(
    seldon: Platform, stage: RealStage
) -> None:
    def mapping(version: str) -> Object:
        service = seldon.get("service", INGRESS.service(stage.resource, version)) or {"metadata": {}}
        told = service["metadata"].get("annotations", {}).get("getambassador.io/config", "")
        prefix = f"/seldon/{NAMESPACE}/{stage.resource.metadata.name}/"
        found = (each for each in yaml.safe_load_all(told) if each and each.get("prefix") == prefix)
        return next((each for each in found if not each.get("grpc")), {})

    first, second = stage.versions
    stage.apply(replace(first, weight=75), replace(second, weight=25))
    until("a share", lambda: mapping(second.number), lambda m: m.get("weight") == 25 and "shadow" not in m)
    assert "weight" not in mapping(first.number), "the rest is the first one's"
    stage.apply(replace(first, weight=100), replace(second, mirror=40))
    until("a shadow", lambda: mapping(second.number), lambda m: m.get("weight") == 40 and m.get("shadow") is True)
