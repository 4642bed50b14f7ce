"""The real router with its state from a file: `python served.py FILE PORT`."""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from homeostat_services.router.app import create
from homeostat_services.router.state import Deployment, Pod, Share, TrafficStore
from homeostat_services.web import serve


async def follow(path: Path, store: TrafficStore) -> None:
    while True:
        seen = json.loads(await asyncio.to_thread(path.read_text))
        deployments = {
            name: Deployment("churn", name, tuple(Share(**share) for share in shares))
            for name, shares in seen["deployments"].items()
        }
        store.put(deployments=deployments, pods={pod["name"]: Pod(**pod) for pod in seen["pods"]})
        await asyncio.sleep(0.005)


@asynccontextmanager
async def from_file(store: TrafficStore) -> AsyncIterator[None]:
    task = asyncio.create_task(follow(Path(sys.argv[1]), store))
    task.add_done_callback(end_if_failed)
    yield
    task.cancel()


def end_if_failed(task: asyncio.Task[None]) -> None:
    """A router that no longer follows its file would only be slow to be noticed."""
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)
        os._exit(1)


serve(create(from_file, "homeostat-system"), int(sys.argv[2]), drain_seconds=1)
