"""Prometheus' targets for its `http_sd_configs`."""

from typing import Any

from homeostat.conventions import HTTP_PORT
from homeostat_services.router.state import PREDICTOR, State

OPERATORS = ("featureset", "trainingjob", "modeldeployment", "monitor")

COMPONENTS = {
    **{f"operator-{kind}": (HTTP_PORT, "/metrics") for kind in OPERATORS},
    "router": (HTTP_PORT, "/metrics"),
    "observer": (HTTP_PORT, "/metrics"),
    "features": (HTTP_PORT, "/metrics"),
    "console": (HTTP_PORT, "/metrics"),
    "gateway": (9902, "/stats/prometheus"),
}
"""Port and path of the metrics of each of the platform's own components."""


def render(state: State, release_namespace: str) -> list[dict[str, Any]]:
    """Every running predictor, ready or not, and the platform's own components."""
    targets: list[dict[str, Any]] = []
    for _, pod in sorted((state.pods or {}).items()):
        if pod.component == PREDICTOR and pod.deployment:
            targets.append(_target(pod.address, pod.port, "/metrics", {}))
        elif pod.component in COMPONENTS and pod.namespace == release_namespace:
            port, path = COMPONENTS[pod.component]
            targets.append(_target(pod.address, port, path, {"component": pod.component}))
    return targets


def _target(address: str, port: int, path: str, labels: dict[str, str]) -> dict[str, Any]:
    host = f"[{address}]" if ":" in address else address
    return {"targets": [f"{host}:{port}"], "labels": {"__metrics_path__": path, **labels}}
