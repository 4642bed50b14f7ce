"""Keeps the components running; started by `up.py` in new network and mount namespaces, ended by `down.py`."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from dataclasses import asdict, dataclass

from tools.cluster import api, cgroups, namespaces, runtime, settings
from tools.cluster.components import Component, all_components

_GRACE = 3.0  # seconds between SIGTERM and SIGKILL; the API server would wait a minute for its watchers
_FIRST_DELAY, _LAST_DELAY = 1.0, 30.0  # seconds before a component is started again
_STABLE = 60.0  # seconds after which a component counts as well again

log = logging.getLogger("supervisor")


@dataclass
class State:
    """What `cluster-status` shows of a component."""

    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    last_exit: int | None = None


class Supervisor:
    """Starts components in order, each again when it ends, and writes `status.json` at every change."""

    def __init__(self, cluster: settings.Settings, host_network: int) -> None:
        self.cluster = cluster
        self.host_network = host_network
        self.states: dict[str, State] = {}
        self.processes: dict[str, Process] = {}

    def record(self) -> None:
        """Replaces `status.json` in one step, so that a reader never sees half of it."""
        path = self.cluster.directory / "status.json"
        components = {name: asdict(state) for name, state in self.states.items()}
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"supervisor": os.getpid(), "components": components}, indent=2))
        fresh.replace(path)

    async def start(self, component: Component) -> Process:
        """Starts one process, its output appended to `log/<name>.log`."""
        prefix = namespaces.on_host(self.host_network) if component.on_host else ()
        environment = {**os.environ, "PATH": f"{self.cluster.directory / 'bin'}:{runtime.PATH}"}
        with (self.cluster.directory / "log" / f"{component.name}.log").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *prefix,
                *component.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=self.cluster.directory,
                pass_fds=(self.host_network,) if component.on_host else (),
                start_new_session=True,
            )

    async def keep(self, component: Component) -> None:
        """Runs one component for ever, with back-off between its lives."""
        state = self.states.setdefault(component.name, State())
        delay = _FIRST_DELAY
        while True:
            process = self.processes[component.name] = await self.start(component)
            state.pid, state.since = process.pid, time.time()
            self.record()
            code = await process.wait()
            lived = time.time() - state.since
            delay = _FIRST_DELAY if lived > _STABLE else min(2 * delay, _LAST_DELAY)
            state.pid, state.last_exit, state.restarts = 0, code, state.restarts + 1
            self.record()
            log.warning("%s ended with %s after %.0f s; again in %.0f s", component.name, code, lived, delay)
            await asyncio.sleep(delay)

    async def run(self) -> None:
        """Runs everything until SIGTERM, then ends it in the opposite order, pods included."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        components = all_components(self.cluster)
        keepers = [asyncio.create_task(self.keep(each)) for each in components if not each.needs_api]
        waiter = asyncio.create_task(stop.wait())
        while not stop.is_set() and not await asyncio.to_thread(api.ready, self.cluster):
            await asyncio.wait({waiter}, timeout=0.1)
        if not stop.is_set():
            keepers += [asyncio.create_task(self.keep(each)) for each in components if each.needs_api]
        await waiter
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        others = [name for name in self.processes if name != "containerd"]
        await asyncio.gather(*(self.end(name) for name in reversed(others)))
        await asyncio.to_thread(runtime.remove_containers, self.cluster)
        await asyncio.to_thread(runtime.forget_images, self.cluster)
        await self.end("containerd")

    async def end(self, name: str) -> None:
        """Asks a process to end, and insists after a while."""
        process = self.processes[name]
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _GRACE)
            except TimeoutError:
                log.warning("%s ignored SIGTERM", name)
                process.kill()


def main() -> None:
    """Entry point, in the new namespaces."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host-network", type=int, required=True, help="descriptor of the host's network namespace")
    host_network = parser.parse_args().host_network
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    cluster = settings.load()
    cgroups.join(cluster.name)
    namespaces.prepare(cluster, host_network)
    asyncio.run(Supervisor(cluster, host_network).run())


if __name__ == "__main__":
    main()
