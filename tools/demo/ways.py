"""Ways to a cluster that is not on this machine: a process that keeps `kubectl port-forward` to the Services alive.

``python -m tools.demo.ways CONTEXT KUBECTL`` opens, on 127.0.0.1, the ports that the local cluster would publish as node ports.
"""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from tools.cluster.settings import NODE_PORTS
from tools.demo.release import SYSTEM

SERVICES = {
    "router": ("homeostat-gateway", 10000),
    "console": ("homeostat-console", 8080),
    "observer": ("homeostat-observer", 8080),
    "prometheus": ("homeostat-prometheus", 9090),
}
"""Service and port behind each of the published ports."""

LOOK_SECONDS = 0.5


@dataclass
class Way:
    """One port-forward, opened again whenever it ends: with the pod it leads to, or with the connection."""

    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Opens it where it is not open."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command)

    def end(self) -> None:
        """Closes it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def ways(context: str, kubectl: str) -> list[Way]:
    """One for each published port."""
    options = [kubectl, "--context", context, "-n", SYSTEM, "port-forward", "--address", "127.0.0.1"]
    return [
        Way([*options, f"service/{service}", f"{NODE_PORTS[name]}:{port}"])
        for name, (service, port) in SERVICES.items()
    ]


def main() -> None:
    """Keeps all ways open until it is ended."""
    opened = ways(*sys.argv[1:3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            for way in opened:
                way.keep()
            time.sleep(LOOK_SECONDS)
    finally:
        for way in opened:
            way.end()


if __name__ == "__main__":
    main()
