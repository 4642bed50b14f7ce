from typing import Any

import httpx

from homeostat_services.router import targets, xds
from homeostat_services.router.app import create
from homeostat_services.router.sources import deployment_from, pod_from
from homeostat_services.router.state import Deployment, Pod, Share, State, TrafficStore


def pod(name: str, version: str, *, ready: bool = True, component: str = "predictor") -> Pod:
    return Pod("churn", name, component, f"10.0.0.{name[-1]}", ready, "churn", version)


def state(*pods: Pod, **weights: int) -> State:
    shares = tuple(Share(version.removeprefix("v"), weight) for version, weight in weights.items())
    return State({"churn/churn": Deployment("churn", "churn", shares)}, {p.name: p for p in pods})


def addresses(given: State) -> dict[str, list[str]]:
    return {
        cluster["name"]: [
            endpoint["endpoint"]["address"]["socket_address"]["address"]
            for locality in cluster["load_assignment"]["endpoints"]
            for endpoint in locality["lb_endpoints"]
        ]
        for cluster in xds.clusters(given).resources
    }


def weights(given: State) -> dict[str, int]:
    route = xds.routes(given).resources[0]["virtual_hosts"][0]["routes"][0]
    return {cluster["name"]: cluster["weight"] for cluster in route["route"]["weighted_clusters"]["clusters"]}


def test_a_cluster_lists_the_ready_pods_of_its_version() -> None:
    given = state(pod("a1", "1"), pod("a2", "1", ready=False), pod("b3", "2"), v1=90, v2=10)
    assert addresses(given) == {"churn/churn-v1": ["10.0.0.1"], "churn/churn-v2": ["10.0.0.3"]}
    assert weights(given) == {"churn/churn-v1": 90, "churn/churn-v2": 10}


def test_a_cluster_stays_until_the_last_pod_of_its_version_is_gone() -> None:
    given = state(pod("a1", "1"), pod("b2", "2", ready=False), v1=100)
    assert addresses(given) == {"churn/churn-v1": ["10.0.0.1"], "churn/churn-v2": ["10.0.0.2"]}
    assert weights(given) == {"churn/churn-v1": 100}


def test_a_version_without_a_ready_pod_gets_no_share_unless_no_version_has_one() -> None:
    assert weights(state(pod("a1", "1"), pod("b2", "2", ready=False), v1=50, v2=50)) == {"churn/churn-v1": 50}
    assert weights(state(pod("a1", "1", ready=False), v1=50, v2=50)) == {"churn/churn-v1": 50, "churn/churn-v2": 50}


def test_the_version_of_an_answer_is_a_hash_of_its_content() -> None:
    one, same, other = (state(pod("a1", "1"), v1=100), state(pod("a1", "1"), v1=100), state(pod("a2", "1"), v1=100))
    assert xds.clusters(one).version == xds.clusters(same).version != xds.clusters(other).version
    assert xds.routes(one).version == xds.routes(other).version


def test_traffic_is_read_from_status_and_a_deployment_without_it_has_none() -> None:
    meta = {"namespace": "churn", "name": "churn"}
    traffic = [{"version": "2", "service": "churn-v2", "weight": 100}]
    assert deployment_from({"metadata": meta, "status": {"traffic": traffic}}).shares == (Share("2", 100),)
    assert deployment_from({"metadata": meta}).shares == ()


def pod_resource(**changes: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "predictor", "homeostat.dev/name": "churn", "homeostat.dev/version": "1"}
    status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"namespace": "churn", "name": "a1", "labels": labels} | changes, "status": status}


def test_a_pod_on_its_way_out_runs_but_is_not_ready() -> None:
    assert pod_from(pod_resource()) == pod("a1", "1")
    assert pod_from(pod_resource(deletionTimestamp="2026-01-01T00:00:00Z")) == pod("a1", "1", ready=False)
    assert pod_from(pod_resource() | {"status": {"phase": "Pending"}}) is None


def test_prometheus_scrapes_every_running_predictor_and_the_components_of_the_release() -> None:
    pods = [pod("a1", "1"), pod("a2", "1", ready=False)]
    pods += [Pod(namespace, f"gateway-{namespace}", "gateway", "10.0.0.9", ready=True) for namespace in ("own", "else")]
    pods += [Pod("own", "operator", "operator-monitor", "10.0.0.7", ready=True)]
    found = targets.render(State({}, {p.name: p for p in pods}), "own")
    wanted = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.9:9902", "10.0.0.7:8080"]
    assert [target["targets"] for target in found] == [[address] for address in wanted]
    assert found[3]["labels"] == {"__metrics_path__": "/metrics", "component": "operator-monitor"}
    assert found[2]["labels"] == {"__metrics_path__": "/stats/prometheus", "component": "gateway"}


class Source:
    """Fills a store when told to."""

    def __init__(self) -> None:
        self.store = TrafficStore()

    def __call__(self, store: TrafficStore) -> "Source":
        self.store = store
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


async def test_polls_are_refused_before_the_state_is_loaded_held_without_news_and_answered_on_change() -> None:
    source = Source()
    app = create(source, "own", hold_seconds=0.05)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as http,
    ):
        assert (await http.post("/v3/discovery:clusters", json={})).status_code == 503
        assert (await http.get("/readyz")).status_code == 503
        loaded = state(pod("a1", "1"), v1=100)
        source.store.put(deployments=loaded.deployments, pods=loaded.pods)
        assert (await http.get("/readyz")).status_code == 200
        answer = (await http.post("/v3/discovery:clusters", json={"node": {}})).json()
        assert [cluster["name"] for cluster in answer["resources"]] == ["churn/churn-v1"]
        known = {"version_info": answer["version_info"]}
        assert (await http.post("/v3/discovery:clusters", json=known)).status_code == 304
        source.store.put(pods={})
        assert (await http.post("/v3/discovery:clusters", json=known)).json()["version_info"] != known["version_info"]


def test_a_version_in_shadow_gets_copies_and_answers_nothing() -> None:
    shares = (Share("1", 100), Share("2", 0, 30))
    pods = [pod("a1", "1"), pod("b2", "2")]
    given = State({"churn/churn": Deployment("churn", "churn", shares)}, {p.name: p for p in pods})
    assert weights(given) == {"churn/churn-v1": 100}
    route = xds.routes(given).resources[0]["virtual_hosts"][0]["routes"][0]["route"]
    share = {"default_value": {"numerator": 30, "denominator": "HUNDRED"}}
    assert route["request_mirror_policies"] == [{"cluster": "churn/churn-v2", "runtime_fraction": share}]


def test_a_version_in_shadow_without_a_ready_pod_gets_no_copies() -> None:
    shares = (Share("1", 100), Share("2", 0, 30))
    pods = [pod("a1", "1"), pod("b2", "2", ready=False)]
    given = State({"churn/churn": Deployment("churn", "churn", shares)}, {p.name: p for p in pods})
    route = xds.routes(given).resources[0]["virtual_hosts"][0]["routes"][0]["route"]
    assert route["request_mirror_policies"] == []
