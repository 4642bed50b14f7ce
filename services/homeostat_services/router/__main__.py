"""`python -m homeostat_services.router`: serve the cluster's traffic split to Envoy, and its targets to Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from homeostat.logs import log_as_json
from homeostat.settings import load
from homeostat_services.access.kubernetes import load_client
from homeostat_services.router import watch
from homeostat_services.router.app import create
from homeostat_services.router.settings import RouterSettings
from homeostat_services.router.state import Board, Deployment, Pod
from homeostat_services.web import serve


@asynccontextmanager
async def cluster(board: Board) -> AsyncIterator[None]:
    """Follows the cluster; the board is only ever touched on the event loop."""
    loop, api = asyncio.get_running_loop(), load_client()

    def deployments(seen: Mapping[str, Deployment]) -> None:
        loop.call_soon_threadsafe(lambda: board.put(deployments=seen))

    def pods(seen: Mapping[str, Pod]) -> None:
        loop.call_soon_threadsafe(lambda: board.put(pods=seen))

    watch.Follower(api, watch.deployments(api), watch.deployment_from, deployments).start()
    watch.Follower(api, watch.pods(api), watch.pod_from, pods).start()
    yield


if __name__ == "__main__":
    log_as_json()
    # A held poll is all that can be open at the end.
    serve(create(cluster, load(RouterSettings).release_namespace), drain_seconds=5)
