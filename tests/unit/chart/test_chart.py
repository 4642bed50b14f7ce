"""What the chart grants and hands out, as it is rendered."""

from typing import Any
from urllib.request import proxy_bypass

import httpx
import pytest
import yaml

from homeostat.conventions import PROXY_VARIABLES
from homeostat.engines.runs.kubeflow.manifests import SECRET_KEYS
from homeostat.pod_settings import PodSettings
from homeostat.settings import Encryption, S3Settings, load
from tools.cluster import settings
from tools.cluster.helm import helm
from tools.cluster.settings import REPOSITORY, UserError

CHART = REPOSITORY / "charts" / "homeostat"
SYSTEM = "homeostat-system"
OPERATORS = {f"homeostat-operator-{kind}" for kind in ("featureset", "trainingjob", "modeldeployment", "monitor")}

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    words = ("template", "homeostat", str(CHART), "--namespace", SYSTEM, "--set", "namespaces={churn}")
    return [found for found in yaml.safe_load_all(helm(settings.load(), *words)) if found]


def _rights(objects: list[Object], role: str) -> set[tuple[str, str]]:
    """Verbs and subresources of our kinds that a role gives."""
    (found,) = (o for o in objects if o["kind"] in {"Role", "ClusterRole"} and o["metadata"]["name"] == role)
    return {
        (verb, resource.partition("/")[2])
        for rule in found["rules"]
        if "homeostat.dev" in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if "/" in resource
    }


def test_each_role_gives_what_the_observer_asks_of_its_callers_and_nothing_else(objects: list[Object]) -> None:
    assert _rights(objects, "homeostat-outcome-writer") == {("create", "outcomes"), ("create", "business")}
    assert _rights(objects, "homeostat-predictor") == {("create", "predictions")}
    assert _rights(objects, "homeostat-viewer") == {("get", "cohorts"), ("get", "outcomes")}


def test_whoever_may_view_may_also_see_the_events_that_explain_the_story(objects: list[Object]) -> None:
    (viewer,) = (o for o in objects if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "homeostat-viewer")
    assert {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]} in viewer["rules"]


def test_only_who_reads_the_stores_is_given_their_credentials(objects: list[Object]) -> None:
    pods = {o["metadata"]["name"]: o["spec"]["template"]["spec"] for o in objects if o["kind"] == "Deployment"}
    given = {
        name
        for name, pod in pods.items()
        for container in pod["containers"]
        if {"secretRef": {"name": "homeostat-platform"}} in container.get("envFrom", [])
    }
    assert given == OPERATORS | {"homeostat-observer", "homeostat-features"}


@pytest.mark.parametrize(
    ("value", "role", "resources"),
    [
        ("kubeflow.url=http://kfp.example.org", "homeostat-operator-trainingjob", {"pods", "events", "workflows"}),
        ("kubeflow.url=http://kfp.example.org", "homeostat-operator-trainingjob-packages", {"configmaps"}),
        ("seldon.enabled=true", "homeostat-operator-modeldeployment-seldon", {"seldondeployments"}),
        ("kserve.enabled=true", "homeostat-operator-modeldeployment-kserve", {"inferenceservices"}),
    ],
)
def test_an_operator_may_use_an_optional_engine_only_where_it_is_enabled(
    objects: list[Object], value: str, role: str, resources: set[str]
) -> None:
    words = ("template", "homeostat", str(CHART), "--namespace", SYSTEM, "--set", "namespaces={churn}", "--set", value)
    enabled = [found for found in yaml.safe_load_all(helm(settings.load(), *words)) if found]

    def granted(found: list[Object]) -> set[tuple[str, str, str]]:
        return {
            (o["kind"], o["metadata"].get("namespace", ""), resource)
            for o in found
            if o["kind"] in {"Role", "ClusterRole"} and o["metadata"]["name"] == role
            for rule in o["rules"]
            for resource in rule["resources"]
        }

    added = granted(enabled) - granted(objects)
    assert {resource for _, _, resource in added} == resources
    bindings = {
        (o["metadata"].get("namespace", ""), o["subjects"][0]["namespace"])
        for o in enabled
        if o["kind"] in {"RoleBinding", "ClusterRoleBinding"} and o["roleRef"]["name"] == role
    }
    assert {(namespace, SYSTEM) for _, namespace, _ in added} <= bindings


def platform_secret(*values: str, namespace: str = "churn") -> dict[str, str]:
    """The settings that every pod in a namespace gets."""
    words = ["template", "homeostat", str(CHART), "--namespace", SYSTEM, "--set", "namespaces={churn}"]
    for value in values:
        words += ["--set", value]
    found = (o for o in yaml.safe_load_all(helm(settings.load(), *words)) if o and o["kind"] == "Secret")
    (secret,) = (
        o for o in found if (o["metadata"]["name"], o["metadata"]["namespace"]) == ("homeostat-platform", namespace)
    )
    return dict(secret["stringData"])


OWN_STORE = (
    "s3.embedded=false",
    "s3.endpoint=https://s3.example.org",
    "s3.region=eu-central-1",
    "s3.encryption=AES256",
)
KEYS = ("s3.accessKey=key", "s3.secretKey=hush", "s3.sessionToken=temporary")


@pytest.mark.parametrize("values", [(), OWN_STORE, (*OWN_STORE, *KEYS)])
def test_the_secret_of_kubeflow_has_every_key_that_its_steps_demand(values: tuple[str, ...]) -> None:
    kubeflow = ("kubeflow.url=http://kfp.example.org", "kubeflow.namespace=pipelines")
    secret = platform_secret(*values, *kubeflow, namespace="pipelines")
    assert set(SECRET_KEYS) - secret.keys() == set()
    assert set(SECRET_KEYS) >= {name for name in secret if name.startswith("HOMEOSTAT_S3_")}


def object_store(monkeypatch: pytest.MonkeyPatch, *values: str) -> S3Settings:
    """The object store as a pod in namespace churn knows it."""
    for name, value in platform_secret(*values).items():
        monkeypatch.setenv(name, value)
    return load(S3Settings)


def test_pods_get_keys_of_the_embedded_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert object_store(monkeypatch).access_key


def test_pods_use_their_own_identity_for_an_object_store_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    own = object_store(monkeypatch, *OWN_STORE)
    assert own == S3Settings(
        endpoint="https://s3.example.org", region="eu-central-1", encryption=Encryption.S3, bucket="homeostat"
    )
    assert own.access_key == ""


def test_every_value_of_the_object_store_reaches_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = ("s3.encryption=aws:kms", "s3.kmsKey=k1", "s3.addressingStyle=Path", "s3.caBundle=BEGIN CERTIFICATE")
    got = object_store(monkeypatch, *OWN_STORE, *KEYS, *encrypted)
    assert {name for name, field in S3Settings.model_fields.items() if getattr(got, name) == field.default} == {
        "bucket"
    }


def test_a_proxy_reaches_every_pod_that_reaches_outside_and_spares_what_is_inside() -> None:
    assert {name: platform_secret()[name] for name in PROXY_VARIABLES} == dict.fromkeys(PROXY_VARIABLES, "")
    through = ("proxy.https=http://proxy.example.org:3128", r"proxy.noProxy=s3.example.org\,10.0.0.1")
    secret = platform_secret(*through, "kubeflow.url=http://kfp.example.org")
    assert secret["HTTPS_PROXY"] == "http://proxy.example.org:3128"
    assert secret["NO_PROXY"] == "localhost,127.0.0.1,.svc,.svc.cluster.local,.kubeflow,s3.example.org,10.0.0.1"


@pytest.mark.parametrize(
    ("host", "direct"),
    [("homeostat-mlflow.homeostat-system.svc", True), ("minio-service.kubeflow", True), ("s3.example.org", False)],
)
def test_every_client_understands_what_is_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str, direct: bool
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    secret = platform_secret("proxy.http=http://proxy.example.org:3128", "kubeflow.url=http://kfp.example.org")
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, secret[name])
    assert bool(proxy_bypass(host)) is direct
    with httpx.Client() as client:
        plain = client._transport_for_url(httpx.URL(f"http://{host}")) is client._transport
    assert plain is direct


def operator_variables(kind: str, *words: str) -> dict[str, str]:
    """The environment of an operator, without what its Secret adds."""
    rendered = helm(settings.load(), "template", "homeostat", str(CHART), "--namespace", SYSTEM, *words)
    (operator,) = (
        o
        for o in yaml.safe_load_all(rendered)
        if o and o["kind"] == "Deployment" and o["metadata"]["name"] == f"homeostat-operator-{kind}"
    )
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_the_values_of_pods_are_the_defaults_of_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for name, value in operator_variables("trainingjob").items() if "_PODS_" in name}
    assert len(given) == 4
    documented = load(PodSettings)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for purpose, options in load(PodSettings):
        assert options.resources == getattr(documented, purpose).resources


def test_a_label_for_the_pods_of_one_purpose_reaches_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    set_ = ("--set", "pods.predictor.podTemplate.metadata.labels.team=churn")
    monkeypatch.setenv(
        "HOMEOSTAT_PODS_PREDICTOR", operator_variables("modeldeployment", *set_)["HOMEOSTAT_PODS_PREDICTOR"]
    )
    template = load(PodSettings).predictor.pod_template
    assert template is not None
    assert template.metadata.labels == {"team": "churn"}


def test_every_pod_of_the_chart_is_scheduled_and_labelled_as_the_values_say() -> None:
    tolerated = ("tolerations[0].key=infra", "tolerations[0].operator=Exists")
    added = ("nodeSelector.disk=ssd", "priorityClassName=high", "podLabels.team=ml", "podAnnotations.cost=x")
    given = [word for value in (*tolerated, *added) for word in ("--set", value)]
    rendered = helm(settings.load(), "template", "homeostat", str(CHART), "--namespace", SYSTEM, *given)
    found = [o["spec"]["template"] for o in yaml.safe_load_all(rendered) if o and "template" in o.get("spec", {})]
    assert len(found) >= 10
    for template in found:
        metadata, pod = template["metadata"], template["spec"]
        assert (metadata["labels"]["team"], metadata["annotations"]["cost"]) == ("ml", "x")
        assert (pod["nodeSelector"], pod["priorityClassName"]) == ({"disk": "ssd"}, "high")
        assert pod["tolerations"] == [{"key": "infra", "operator": "Exists"}]


def test_a_label_by_which_the_chart_selects_its_pods_is_refused() -> None:
    value = r"podLabels.app\.kubernetes\.io/component=x"
    with pytest.raises(UserError, match=r"invalid propertyName .app\.kubernetes\.io.component"):
        helm(settings.load(), "template", "homeostat", str(CHART), "--namespace", SYSTEM, "--set", value)
