"""The contract of model registries, and what MLflow's adapter adds: a create whose answer does not arrive."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from homeostat.engines.registry import INTENT_TAG, Registry
from homeostat.engines.registry.memory import MemoryRegistry
from homeostat.engines.registry.mlflow import API, MlflowRegistry
from homeostat.reconcile.errors import EngineUnavailable, PlatformError
from homeostat.settings import MlflowSettings

URI = "s3://homeostat/churn/models/churn/abc/"
DIGEST = "sha256:abc"
CREATE = f"{API}/model-versions/create"


@pytest.fixture(params=["memory", "real"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    if request.param == "memory":
        yield MemoryRegistry()
    else:
        with closing(MlflowRegistry(request.getfixturevalue("mlflow_settings"))) as real:
            yield real


@pytest.fixture
def model() -> str:
    return f"contract.{uuid.uuid4().hex}"


def test_versions_count_from_one_and_create_their_model(registry: Registry, model: str) -> None:
    assert registry.register(model, "a", URI, DIGEST, {}) == "1"
    assert registry.register(model, "b", URI, DIGEST, {"trainingJob": "churn"}) == "2"


def test_the_same_intent_is_the_same_version_however_often(registry: Registry, model: str) -> None:
    first = registry.register(model, "a", URI, DIGEST, {})
    registry.register(model, "b", URI, DIGEST, {})
    assert registry.register(model, "a", URI, DIGEST, {}) == first
    assert registry.find(model, "a") == first


def test_what_was_never_registered_is_not_found(registry: Registry, model: str) -> None:
    assert registry.find(model, "a") is None
    registry.register(model, "a", URI, DIGEST, {})
    assert registry.find(model, "other") is None


def test_intents_of_different_models_are_different(registry: Registry, model: str) -> None:
    registry.register(model, "a", URI, DIGEST, {})
    assert registry.find(f"{model}.other", "a") is None


def test_an_alias_points_where_it_was_last_set(registry: Registry, model: str) -> None:
    assert registry.get_alias(model, "churn-churn-champion") is None
    registry.register(model, "a", URI, DIGEST, {})
    assert registry.get_alias(model, "churn-churn-champion") is None
    registry.register(model, "b", URI, DIGEST, {})
    for version in ("2", "1"):
        registry.set_alias(model, "churn-churn-champion", version)
        assert registry.get_alias(model, "churn-churn-champion") == version


def test_a_version_has_the_digest_that_it_was_registered_with(registry: Registry, model: str) -> None:
    assert registry.digest(model, "1") is None
    registry.register(model, "a", URI, DIGEST, {})
    assert registry.digest(model, "1") == DIGEST
    assert registry.digest(model, "2") is None


def test_a_tag_can_be_set_and_replaced(registry: Registry, model: str) -> None:
    registry.register(model, "a", URI, DIGEST, {})
    registry.set_tag(model, "1", INTENT_TAG, "b")
    assert (registry.find(model, "a"), registry.find(model, "b")) == (None, "1")


def test_tag_and_alias_of_an_absent_version_are_refused(registry: Registry, model: str) -> None:
    registry.register(model, "a", URI, DIGEST, {})
    with pytest.raises(PlatformError, match="9"):
        registry.set_tag(model, "9", "key", "value")
    with pytest.raises(PlatformError, match="9"):
        registry.set_alias(model, "champion", "9")


class Faulty(httpx.BaseTransport):
    """The real network, on which the first create of a version goes wrong."""

    def __init__(self, fault: Callable[[httpx.BaseTransport, httpx.Request], httpx.Response]) -> None:
        self._network = httpx.HTTPTransport()
        self._fault = fault
        self.creates = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == CREATE:
            self.creates += 1
            if self.creates == 1:
                return self._fault(self._network, request)
        return self._network.handle_request(request)

    def close(self) -> None:
        self._network.close()


def served(network: httpx.BaseTransport, request: httpx.Request) -> None:
    with closing(network.handle_request(request)) as answer:
        answer.read()


def answer_lost(network: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    served(network, request)
    raise httpx.ReadTimeout("no answer in time", request=request)


def connection_reset(network: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    served(network, request)
    raise httpx.RemoteProtocolError("connection reset", request=request)


def proxy_failed(network: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    served(network, request)
    return httpx.Response(502, text="bad gateway", request=request)


def never_arrived(_network: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectTimeout("not reached", request=request)


@pytest.mark.parametrize("fault", [answer_lost, connection_reset, proxy_failed])
def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
    mlflow_settings: MlflowSettings, model: str, fault: Callable[[httpx.BaseTransport, httpx.Request], httpx.Response]
) -> None:
    network = Faulty(fault)
    with closing(MlflowRegistry(mlflow_settings, network)) as registry:
        assert registry.register(model, "a", URI, DIGEST, {}) == "1"
        assert registry.register(model, "b", URI, DIGEST, {}) == "2"
    assert network.creates == 2


def test_a_create_that_never_arrived_is_an_outage_and_the_next_attempt_registers_once(
    mlflow_settings: MlflowSettings, model: str
) -> None:
    with closing(MlflowRegistry(mlflow_settings, Faulty(never_arrived))) as registry:
        with pytest.raises(EngineUnavailable, match="HOMEOSTAT_MLFLOW_URL"):
            registry.register(model, "a", URI, DIGEST, {})
        assert registry.register(model, "a", URI, DIGEST, {}) == "1"


def test_all_who_register_the_same_intent_at_once_agree_on_one_version(
    mlflow_settings: MlflowSettings, model: str
) -> None:
    with closing(MlflowRegistry(mlflow_settings)) as registry, ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(registry.register, model, "a", URI, DIGEST, {}) for _ in range(4)]:
            future.result()
        lowest = registry.find(model, "a")
        assert lowest == "1"
        assert registry.register(model, "a", URI, DIGEST, {}) == lowest


def test_a_registry_that_is_down_is_an_outage() -> None:
    registry = MlflowRegistry(MlflowSettings(url="http://127.0.0.1:9"))
    with pytest.raises(EngineUnavailable, match=r"http://127\.0\.0\.1:9 does not answer"):
        registry.find("churn.churn", "a")


def test_an_intent_that_would_break_out_of_the_search_is_refused() -> None:
    registry = MlflowRegistry(MlflowSettings(url="http://127.0.0.1:9"))
    with pytest.raises(ValueError, match="without quotes"):
        registry.find("churn.churn", "a' OR name LIKE '%")
