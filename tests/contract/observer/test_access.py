"""The two reviews, asked of a real API server, and the twin that unit tests use."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes import client

from homeostat.cluster.connection import Connection, load_connection
from homeostat.cluster.credentials import StaticToken
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.engines.objects.memory import MemoryObjects
from homeostat_services.access import Access, Guard, Reviews, ReviewsUnavailable
from homeostat_services.access.kubernetes import KubernetesReviews
from homeostat_services.access.memory import MemoryReviews
from homeostat_services.observer.app import create_app
from homeostat_services.observer.export import Exporter
from homeostat_services.observer.settings import ObserverServiceSettings
from homeostat_services.observer.store import Store, open_database

OUTCOMES = {"outcomes": [{"predictionId": "p1", "label": 1}]}


@pytest.fixture
def tokens(kubernetes_client: client.ApiClient, namespace: str) -> dict[str, str]:
    """Tokens of two ServiceAccounts: `seller` may create outcomes, `stranger` may do nothing."""
    core, rbac = client.CoreV1Api(kubernetes_client), client.RbacAuthorizationV1Api(kubernetes_client)
    for name in ("seller", "stranger"):
        core.create_namespaced_service_account(
            namespace, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name=name))
        )
    rule = client.V1PolicyRule(api_groups=["homeostat.dev"], resources=["modeldeployments/outcomes"], verbs=["create"])
    meta = client.V1ObjectMeta(name="seller")
    rbac.create_namespaced_role(namespace, client.V1Role(metadata=meta, rules=[rule]))
    rbac.create_namespaced_role_binding(
        namespace,
        client.V1RoleBinding(
            metadata=meta,
            role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="seller"),
            subjects=[client.RbacV1Subject(kind="ServiceAccount", name="seller", namespace=namespace)],
        ),
    )
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    made = {}
    for name in ("seller", "stranger"):
        status = core.create_namespaced_service_account_token(name, namespace, asked).status
        assert status is not None
        made[name] = str(status.token)
    return made


@pytest.fixture(params=["kubernetes", "memory"])
def reviews(request: pytest.FixtureRequest, namespace: str, tokens: dict[str, str]) -> Reviews:
    if request.param == "kubernetes":
        return KubernetesReviews(request.getfixturevalue("real"))
    users = {token: f"system:serviceaccount:{namespace}:{name}" for name, token in tokens.items()}
    right = (users[tokens["seller"]], Access("create", "modeldeployments", namespace, "outcomes"))
    return MemoryReviews(users, {right})


def test_a_token_names_its_service_account_and_another_text_names_nobody(
    reviews: Reviews, namespace: str, tokens: dict[str, str]
) -> None:
    caller = reviews.authenticate(tokens["seller"])
    assert caller is not None
    assert caller.name == f"system:serviceaccount:{namespace}:seller"
    assert reviews.authenticate("not-a-token") is None


def test_a_role_gives_its_verb_on_its_subresource_in_its_namespace_and_nothing_else(
    reviews: Reviews, namespace: str, tokens: dict[str, str]
) -> None:
    seller, stranger = reviews.authenticate(tokens["seller"]), reviews.authenticate(tokens["stranger"])
    assert seller is not None
    assert stranger is not None
    granted = Access("create", "modeldeployments", namespace, "outcomes", "churn")
    assert reviews.is_allowed(seller, granted)
    assert not reviews.is_allowed(stranger, granted)
    assert not reviews.is_allowed(seller, Access("get", "modeldeployments", namespace, "outcomes", "churn"))
    assert not reviews.is_allowed(seller, Access("create", "modeldeployments", namespace, "predictions", "churn"))
    assert not reviews.is_allowed(seller, Access("create", "modeldeployments", namespace, name="churn"))
    assert not reviews.is_allowed(seller, Access("create", "modeldeployments", "default", "outcomes", "churn"))


def test_an_api_server_that_does_not_answer_is_an_outage_and_not_a_decision() -> None:
    nowhere = KubernetesCluster(Connection("https://127.0.0.1:1"), "homeostat-contract")
    with pytest.raises(ReviewsUnavailable, match="cannot be reached to authenticate"):
        KubernetesReviews(nowhere).authenticate("t")


def test_a_service_that_may_not_make_reviews_serves_nobody(kubeconfig: Path, tokens: dict[str, str]) -> None:
    ours = load_connection(str(kubeconfig))
    weak = replace(ours, certificate=None, key=None, credentials=StaticToken(tokens["stranger"]))
    with pytest.raises(ReviewsUnavailable, match="403"):
        KubernetesReviews(KubernetesCluster(weak, "homeostat-contract")).authenticate(tokens["seller"])


@pytest.fixture
def app(real: KubernetesCluster, tmp_path: Any) -> Iterator[Any]:
    store = Store(open_database(tmp_path / "observer.db"), ObserverServiceSettings().match_tolerance)
    guard = Guard(KubernetesReviews(real))
    yield create_app(store, Exporter(store, MemoryObjects(), "homeostat"), guard, ObserverServiceSettings())
    store.engine.dispose()


@pytest.mark.parametrize(("who", "status"), [("seller", 200), ("stranger", 403), (None, 401)])
async def test_the_observer_serves_whom_the_api_server_lets(
    app: Any, namespace: str, tokens: dict[str, str], who: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {tokens[who]}"} if who else {}
    body = OUTCOMES | {"namespace": namespace, "deployment": "churn"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://observer") as http:
        answer = await http.post("/v1/outcomes", json=body, headers=headers)
    assert answer.status_code == status, answer.text
