"""The control groups of this process: how much of a resource its pod may use.

This module imports nothing outside the standard library, because `homeostat.threads` must run before numpy is loaded.
"""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

_UNLIMITED = 2**60
"""Version 1 writes a number near 2^63 where nothing limits the memory."""


def groups(controller: str, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> Iterator[Path]:
    """The folders of this process' groups with all ancestors; some may not exist in this mount.

    A limit of any ancestor counts. Version 2 is a single hierarchy; version 1 has one for each controller.

    Args:
        controller: `cpu` or `memory`.
        cgroups: Where the hierarchies are mounted.
        membership: The kernel's list of the groups of this process.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            roots = [cgroups, cgroups / "unified"]
        elif controller in controllers.split(","):
            roots = [cgroups / controllers, cgroups / controller]
        else:
            continue
        below = Path(path.lstrip("/"))
        # In a container the path may be the host's, which is not mounted here; the mount's own root is then the group.
        yield from (root / part for root in roots for part in (below, *below.parents))


def memory_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes that this process may use: the least limit of its groups, or the memory of the machine where none is set."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = (_memory_of(group) for group in groups("memory", cgroups, membership))
    return min((limit for limit in found if limit is not None), default=machine)


def _memory_of(group: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            limit = int((group / name).read_text())
        except (OSError, ValueError):  # no such file, or `max`
            continue
        if 0 < limit < _UNLIMITED:
            return limit
    return None
