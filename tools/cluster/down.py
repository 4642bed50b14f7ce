"""Takes the cluster away.

Most of it goes by itself: with the last process go its namespaces, and with them mounts, interfaces, firewall rules and
network sysctls.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tools.cluster import cgroups
from tools.cluster.progress import console, step
from tools.cluster.settings import Settings
from tools.waiting import until

_STOP_TIMEOUT = 60.0  # seconds for the supervisor to end everything in order
# Images, so that the next start is quick, and the logs, which explain the last one.
_KEPT = {"containerd", "containerd-opt", "log"}


def status(settings: Settings) -> dict[str, Any] | None:
    """What the supervisor last wrote down, or None."""
    path = settings.directory / "status.json"
    return json.loads(path.read_text()) if path.exists() else None


def supervisor(settings: Settings) -> int | None:
    """The supervisor's process id, or None where it does not run; an id that was reused does not deceive us."""
    recorded = status(settings)
    if recorded is None or recorded["supervisor"] not in cgroups.processes(settings.name, "system"):
        return None
    return int(recorded["supervisor"])


def clear_processes(settings: Settings) -> None:
    """Ends whatever of the cluster runs and removes what outlives processes: cgroups, sockets, the link's end."""
    cgroups.kill(settings.name)
    cgroups.remove(settings.name)
    if Path("/sys/class/net", settings.interface).exists():  # the kernel tears namespaces down at its leisure
        subprocess.run(["ip", "link", "delete", settings.interface], check=False, capture_output=True)
        until(
            "The cluster's network link was not removed",
            lambda: not Path("/sys/class/net", settings.interface).exists(),
            seconds=20,
        )
    shutil.rmtree(settings.runtime, ignore_errors=True)
    mountpoints = settings.directory / "mountpoints.json"
    for path in json.loads(mountpoints.read_text()) if mountpoints.exists() else []:
        with contextlib.suppress(OSError):  # somebody else uses it by now
            Path(path).rmdir()


def down(settings: Settings) -> None:
    """Ends the cluster and forgets its objects and volumes; imported images stay for the next one."""
    if not settings.directory.exists():
        console.print("There is no cluster.")
        return
    with step("stop the cluster"):
        if pid := supervisor(settings):
            os.kill(pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):  # then it ends less orderly
                until("The supervisor did not end", lambda: supervisor(settings) is None, seconds=_STOP_TIMEOUT)
        clear_processes(settings)
    for path in settings.directory.iterdir():
        if path.is_dir() and not path.is_symlink() and path.name not in _KEPT:
            shutil.rmtree(path)
        elif path.name not in _KEPT:
            path.unlink()
    settings.kubectl.unlink(missing_ok=True)
