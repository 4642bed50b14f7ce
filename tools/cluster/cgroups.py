"""The cluster's branch of every control-group hierarchy: what limits its pods is also the ledger of its processes."""

import contextlib
import os
import signal
from pathlib import Path

from tools.cluster.settings import UserError
from tools.waiting import until

_END_TIMEOUT = 20.0  # seconds


def hierarchies() -> list[Path]:
    """Mount points of cgroup v1 controllers, or of the one v2 hierarchy."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def _tracking() -> Path:
    """The hierarchy in which processes are counted: `pids` of v1, or v2."""
    for path in hierarchies():
        if (path / "cgroup.controllers").exists() and "pids" in (path / "cgroup.controllers").read_text():
            return path
        if path.name == "pids":
            return path
    raise UserError("No cgroup hierarchy with the pids controller is mounted below /sys/fs/cgroup; mount it first.")


def _hand_down_controllers(root: Path) -> None:
    """In cgroup v2 a group has the controllers that its parent hands down; systemd keeps back some the kubelet needs."""
    available = root / "cgroup.controllers"
    if available.exists():
        controllers = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"} & set(available.read_text().split())
        (root / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in sorted(controllers)))


def create(name: str) -> None:
    """Makes /`name` in every hierarchy, with /`name`/system for the components beside the kubelet's kubepods."""
    for root in hierarchies():
        _hand_down_controllers(root)
        for group in (root / name, root / name / "system"):
            group.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                # cgroup v1 refuses a process until these are set; v2 inherits them.
                if (root / "cgroup.procs").exists() and root.name.startswith("cpuset") and (root / setting).exists():
                    (group / setting).write_text((group.parent / setting).read_text())


def join(name: str) -> None:
    """Moves the calling process, and so whatever it will start, into /`name`/system."""
    (_tracking() / name / "system" / "cgroup.procs").write_text(str(os.getpid()))


def processes(name: str, below: str = "") -> set[int]:
    """Ids of all processes in /`name`/`below` and its descendants."""
    found: set[int] = set()
    for root in hierarchies():
        for path in (root / name / below).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # a group may vanish meanwhile
                found.update(int(line) for line in path.read_text().split())
    return found


def kill(name: str, below: str = "") -> None:
    """Ends every process in the branch and waits until the last one is gone.

    Raises:
        UserError: a process outlives SIGKILL, which only the kernel can explain (`dmesg`).
    """

    def alive() -> list[int]:
        found = sorted(processes(name, below))
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    until(
        "the end of killed processes", alive, lambda left: not left, _END_TIMEOUT,
        every=0.05, diagnose=lambda: "see `dmesg`", error=UserError,
    )  # fmt: skip


def remove(name: str) -> None:
    """Removes the empty branch, leaves first."""
    for root in hierarchies():
        branch = root / name
        if branch.is_dir():
            for group in sorted((path for path in branch.rglob("*") if path.is_dir()), reverse=True):
                group.rmdir()
            branch.rmdir()
