"""Envoy's clusters and routes, as pure functions of the state.

What keeps requests from failing:

- A cluster lists the addresses of the pods that are ready. Behind a Service's address a retry could meet the same dead
  pod again; here `previous_hosts` sends it to another one.
- The addresses are part of the cluster (STATIC), so that it is usable the moment Envoy accepts it. An EDS cluster would
  first wait for its endpoints, and routes that point to it would fail meanwhile.
- A request whose connection fails or is reset before an answer is tried again: inference changes nothing.
- A version without a ready pod receives nothing while another version of the deployment has one.
- Envoy takes clusters and routes one after the other, in either order. So a cluster is there from a version's first pod
  to its last, longer than any route leads to it, and never without addresses while it has a pod.
- All weights of a deployment are one resource: a change is seen as a whole or not at all.
- A copy of a request is sent off and forgotten: nobody waits for its answer, and its failure reaches nobody.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from homeostat.reconcile.names import version_name
from homeostat_services.request_origin import PREDICTION_HEADER
from homeostat_services.router.state import PREDICTOR, Deployment, Pod, Share, State

ROUTES = "homeostat"
"""Name of the route configuration that the gateway's listener asks for."""

CLUSTER_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ROUTES_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_HTTP_TYPE = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_PREVIOUS_HOSTS = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"

CONNECT_TIMEOUT = "1s"
REQUEST_TIMEOUT = "15s"
TRY_TIMEOUT = "5s"
# Shorter than the 30 s after which a predictor closes an idle connection: Envoy should be the one that closes.
IDLE_TIMEOUT = "20s"
RETRY_POLICY = {
    "retry_on": "connect-failure,refused-stream,reset",
    "num_retries": 5,
    "per_try_timeout": TRY_TIMEOUT,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.5s"},
    "retry_host_predicate": [
        {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": _PREVIOUS_HOSTS}}
    ],
    "host_selection_retry_max_attempts": "5",
}
UNKNOWN = "no ModelDeployment is served here; use POST /<namespace>/<deployment>/v2/models/<deployment>/infer"


@dataclass(frozen=True)
class Answer:
    """What Envoy is told of one sort of resource; the version is a hash of the content."""

    version: str
    type_url: str
    resources: tuple[dict[str, Any], ...]

    def body(self) -> dict[str, Any]:
        """A DiscoveryResponse."""
        resources = [{"@type": self.type_url, **resource} for resource in self.resources]
        return {"version_info": self.version, "type_url": self.type_url, "resources": resources}


def clusters(state: State) -> Answer:
    """One cluster for each version that has a running pod or a share of the traffic."""
    versions: dict[tuple[str, str, str], list[Pod]] = {
        (deployment.namespace, deployment.name, share.version): []
        for deployment in _deployments(state)
        for share in deployment.shares
    }
    for _, pod in sorted((state.pods or {}).items()):
        if pod.component == PREDICTOR and pod.deployment:
            versions.setdefault((pod.namespace, pod.deployment, pod.version), []).append(pod)
    return _answer(CLUSTER_TYPE, [_cluster(*version, pods) for version, pods in sorted(versions.items())])


def routes(state: State) -> Answer:
    """The one route configuration: a route per deployment, and a clear 404 for the rest."""
    listed = [_route(state, deployment) for deployment in _deployments(state)]
    host = {"name": "all", "domains": ["*"], "routes": [*listed, _refusal({"prefix": "/"}, 404, UNKNOWN)]}
    # Refused while it names a cluster that Envoy does not know yet, and asked for again a moment later.
    return _answer(ROUTES_TYPE, [{"name": ROUTES, "validate_clusters": True, "virtual_hosts": [host]}])


def _answer(type_url: str, resources: list[dict[str, Any]]) -> Answer:
    content = json.dumps(resources, sort_keys=True).encode()
    return Answer(hashlib.sha256(content).hexdigest()[:16], type_url, tuple(resources))


def _deployments(state: State) -> list[Deployment]:
    return [deployment for _, deployment in sorted((state.deployments or {}).items())]


def _has_ready_pod(state: State, deployment: Deployment, share: Share) -> bool:
    serving = (PREDICTOR, deployment.namespace, deployment.name, share.version)
    pods = (state.pods or {}).values()
    return any(pod.ready and (pod.component, pod.namespace, pod.deployment, pod.version) == serving for pod in pods)


def _cluster(namespace: str, deployment: str, version: str, pods: list[Pod]) -> dict[str, Any]:
    name = _cluster_name(namespace, deployment, version)
    serving = [pod for pod in pods if pod.ready] or pods
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": pod.address, "port_value": pod.port}}}}
        for pod in serving
    ]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        # With every pod gone an answer at once beats a guess.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [{"max_requests": 4096, "max_pending_requests": 4096, "max_retries": 256}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_TYPE,
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}] if endpoints else []},
    }


def _cluster_name(namespace: str, deployment: str, version: str) -> str:
    return f"{namespace}/{version_name(deployment, version)}"


def _route(state: State, deployment: Deployment) -> dict[str, Any]:
    prefix = f"/{deployment.namespace}/{deployment.name}/"
    served = [share for share in deployment.shares if share.weight > 0]
    if not served:
        text = (
            f"ModelDeployment {deployment.namespace}/{deployment.name} has no version in service yet; try again later"
        )
        return _refusal({"prefix": prefix}, 503, text)

    def name(share: Share) -> str:
        return _cluster_name(deployment.namespace, deployment.name, share.version)

    mirrored = [share for share in deployment.shares if share.mirror and _has_ready_pod(state, deployment, share)]
    able = [share for share in served if _has_ready_pod(state, deployment, share)] or served
    return {
        "match": {"prefix": prefix},
        "route": {
            "prefix_rewrite": "/",
            # Envoy marks a copy by `-shadow` after the host; a caller's own host must not look like one.
            "host_rewrite_literal": deployment.name,
            "weighted_clusters": {"clusters": [{"name": name(share), "weight": share.weight} for share in able]},
            "request_mirror_policies": [_mirror(name(share), share.mirror) for share in mirrored],
            "timeout": REQUEST_TIMEOUT,
            "retry_policy": RETRY_POLICY,
        },
        # One for a request and its copies, so that their predictions can be compared.
        "request_headers_to_add": [
            {
                "header": {"key": PREDICTION_HEADER, "value": "%STREAM_ID%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _mirror(cluster: str, percent: int) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
    }


def _refusal(match: dict[str, Any], status: int, text: str) -> dict[str, Any]:
    content_type = {"header": {"key": "content-type", "value": "application/json"}}
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": json.dumps({"error": text})}},
        "response_headers_to_add": [{**content_type, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }
