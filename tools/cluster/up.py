"""Brings the cluster up: from a built binary to a Ready node in seconds, whatever state the last one left."""

import json
import os
import string
import subprocess
import sys
import time
from pathlib import Path

from tools.cluster import api, binary, certificates, cgroups, down, node, preflight, runtime
from tools.cluster.progress import console, step
from tools.cluster.settings import REPOSITORY, Settings, UserError
from tools.waiting import until

_TIMEOUT = 300.0  # seconds; seven or eight are usual, but containerd alone takes 50 and more from a disk that is busy


def running(settings: Settings) -> bool:
    """Whether the supervisor is alive and the API server answers."""
    return down.supervisor(settings) is not None and api.ready(settings)


def _start_supervisor(settings: Settings) -> None:
    cgroups.create(settings.name)
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "HOMEOSTAT_STATE": str(settings.state),
    }
    host_network = os.open("/proc/self/ns/net", os.O_RDONLY)
    supervisor = [sys.executable, "-m", "tools.cluster.supervisor", f"--host-network={host_network}"]
    with (settings.directory / "log" / "supervisor.log").open("ab") as output:
        subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation=private", "--", *supervisor],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            pass_fds=(host_network,),
            start_new_session=True,
        )
    os.close(host_network)


def _tail(path: Path, lines: int = 12) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def _explain(settings: Settings, missing: TimeoutError) -> UserError:
    """What the log of the component that keeps dying says; where none does, the supervisor's and the kubelet's."""
    logs = settings.directory / "log"
    components = (down.status(settings) or {}).get("components", {})
    suspects = [name for name, state in components.items() if state["restarts"]] or ["supervisor", "kubelet"]
    logged = "\n".join(f"--- {logs / name}.log\n{_tail(logs / f'{name}.log')}" for name in suspects)
    return UserError(f"{missing}.\n{logged}\n`make cluster-down` clears the state for another try.")


def _prepare(settings: Settings, binaries: Path) -> None:
    certificates.write(settings)
    node.write(settings)
    binary.link(settings, binaries)
    (settings.directory / "slot").write_text(str(settings.slot))
    pause = {"pause": binaries / "pause"}
    runtime.static_image(node.PAUSE_IMAGE, pause, settings.directory / "pause.tar", ["/pause"])
    absent = [path for path in node.PRIVATE_DIRECTORIES if not Path(path).exists()]
    (settings.directory / "mountpoints.json").write_text(json.dumps(absent))
    for path in absent:
        Path(path).mkdir()


def _addons(settings: Settings) -> None:
    template = string.Template((Path(__file__).parent / "addons.yaml").read_text())
    manifest = template.substitute(DNS=settings.service(10), NODE=settings.node)
    api.kubectl(settings, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)


def check(settings: Settings) -> None:
    """Makes sure that nothing on this machine is in the way: minutes of compiling come after.

    Raises:
        UserError: something is; the message says what, and the way out.
    """
    preflight.machine()
    preflight.packages(preflight.PACKAGES)
    down.clear_processes(settings)  # what a crash may have left
    preflight.ports(settings)
    preflight.networks(settings, preflight.routes())


def up(settings: Settings) -> None:
    """Makes sure that the cluster runs; a second call finds it running and changes nothing.

    Raises:
        UserError: something on this machine is in the way; the message says what.
    """
    if running(settings):
        console.print(f"The cluster is up already: KUBECONFIG={settings.kubeconfig}")
        return
    check(settings)
    binaries = binary.build(settings)
    began = time.monotonic()
    _prepare(settings, binaries)
    _start_supervisor(settings)
    try:
        with step("container runtime"):
            until("containerd did not open its socket", settings.containerd.exists, seconds=_TIMEOUT)
            runtime.ctr(settings, "images", "import", str(settings.directory / "pause.tar"))
        with step("API server"):
            until("The API server did not become ready", lambda: api.ready(settings), seconds=_TIMEOUT)
        with step("built-in objects"):
            _addons(settings)
        with step("node"):
            until("The node did not become Ready", lambda: api.node_ready(settings), seconds=_TIMEOUT)
    except TimeoutError as missing:
        raise _explain(settings, missing) from None
    console.print(f"Kubernetes is up after {time.monotonic() - began:.0f} s: KUBECONFIG={settings.kubeconfig}")
