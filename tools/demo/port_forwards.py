"""Port-forwards to a cluster that is not on this machine: a process that keeps `kubectl port-forward` alive.

``python -m tools.demo.port_forwards CONTEXT KUBECTL`` opens on 127.0.0.1 the ports that the local cluster would publish
as node ports.
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

CHECK_SECONDS = 0.5


@dataclass
class PortForward:
    """One `kubectl port-forward`; it ends with the pod behind it or with the connection, and is then started again."""

    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Starts it if it does not run."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command)

    def stop(self) -> None:
        """Ends it and waits until it has ended."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def port_forwards(context: str, kubectl: str) -> list[PortForward]:
    """One for each published port."""
    options = [kubectl, "--context", context, "-n", SYSTEM, "port-forward", "--address", "127.0.0.1"]
    return [
        PortForward([*options, f"service/{service}", f"{NODE_PORTS[name]}:{port}"])
        for name, (service, port) in SERVICES.items()
    ]


def main() -> None:
    """Keeps all port-forwards open until SIGTERM."""
    forwards = port_forwards(*sys.argv[1:3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            for forward in forwards:
                forward.ensure()
            time.sleep(CHECK_SECONDS)
    finally:
        for forward in forwards:
            forward.stop()


if __name__ == "__main__":
    main()
