"""`python -m tools.cluster up|down|status|kubeconfig|kubectl|helm`: what the Makefile's cluster targets run."""

import argparse
import os
import sys
import time

from tools.cluster import down, helm, settings, up
from tools.cluster.progress import console


def _status(cluster: settings.Settings) -> int:
    recorded = down.status(cluster)
    if recorded is None or down.supervisor(cluster) is None:
        print("There is no cluster running; `make cluster-up` starts one.")
        return 1
    for name, state in recorded["components"].items():
        life = f"up {time.time() - state['since']:.0f} s" if state["pid"] else "DOWN"
        restarts = f", {state['restarts']} restarts, last exit {state['last_exit']}" if state["restarts"] else ""
        print(f"{name:24} {life}{restarts}")
    print(f"API server {'ready' if up.running(cluster) else 'NOT ready'} at {cluster.server}")
    print(f"Node ports at {cluster.address}: {', '.join(f'{n} {p}' for n, p in settings.NODE_PORTS.items())}")
    print(f"KUBECONFIG={cluster.kubeconfig}")
    print(f"Logs in {cluster.directory / 'log'}")
    return 0 if up.running(cluster) else 1


def main() -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "kubeconfig", "kubectl", "helm"])
    command = parser.parse_args().command
    if command in ("up", "down", "status") and (context := os.environ.get("CONTEXT")):
        print(f"CONTEXT={context} is your own cluster: there is nothing to do. Unset it for the local cluster.")
        return 0
    try:
        cluster = settings.load()
        match command:
            case "up":
                up.up(cluster)
            case "down":
                down.down(cluster)
            case "status":
                return _status(cluster)
            case "kubeconfig":
                print(cluster.kubeconfig)
            case "helm":
                print(helm.program(cluster))
            case _:
                print(cluster.kubectl)
    except settings.UserError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
