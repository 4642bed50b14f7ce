"""`python -m homeostat_services.router`: serve the cluster's traffic split to Envoy, and its targets to Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from homeostat.cluster.connection import load_connection
from homeostat.cluster.informer import Informer
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.logs import log_as_json
from homeostat.settings import load
from homeostat_services.router import sources
from homeostat_services.router.app import create
from homeostat_services.router.settings import RouterSettings
from homeostat_services.router.state import Deployment, Pod, TrafficStore
from homeostat_services.web import serve


@asynccontextmanager
async def follow_cluster(store: TrafficStore) -> AsyncIterator[None]:
    """Follows the cluster; the store is only ever touched on the event loop."""
    loop = asyncio.get_running_loop()
    cluster = KubernetesCluster(load_connection(), "homeostat-router")

    def put_deployments(deployments: Mapping[str, Deployment]) -> None:
        loop.call_soon_threadsafe(lambda: store.put(deployments=deployments))

    def put_pods(pods: Mapping[str, Pod]) -> None:
        loop.call_soon_threadsafe(lambda: store.put(pods=pods))

    Informer(cluster, sources.DEPLOYMENT, sources.deployment_from, put_deployments).start()
    Informer(cluster, sources.POD, sources.pod_from, put_pods, sources.POD_LABELS).start()
    yield


if __name__ == "__main__":
    log_as_json()
    # A held poll is all that can be open at the end.
    serve(create(follow_cluster, load(RouterSettings).release_namespace), drain_seconds=5)
