"""How many threads a process may compute with, and how they wait: the CPU limit of its pod, not the cores of its node.

Native libraries size their thread pools by the cores that they see. Where a pod has a CPU quota, the surplus threads spin
while they wait for each other, use up the quota, and the kernel then stops the whole process: a training of one CPU second
took ten. This module imports nothing outside the standard library, because it must run before numpy, scikit-learn
or ONNX Runtime are loaded: they read these variables once.
"""

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

from homeostat.control_groups import CGROUPS, MEMBERSHIP, groups

THREADS = "OMP_NUM_THREADS"
"""An explicit value of this variable wins over the pod's limit, for every library."""

_POOLS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def configure(environment: MutableMapping[str, str] = os.environ) -> None:
    """Sets the variables that native libraries read when they are loaded; those that are set already stay.

    Args:
        environment: Variables of the process.
    """
    count = str(thread_count(environment))
    # An OMP_NUM_THREADS that is not a positive number, such as OpenMP's list for nested regions, is left to OpenMP.
    for name in (THREADS, *_POOLS):
        environment.setdefault(name, count)
    for name, value in _WAITING.items():
        environment.setdefault(name, value)


def thread_count(environment: MutableMapping[str, str] = os.environ) -> int:
    """Threads to compute with: OMP_NUM_THREADS if it is a positive number, else the CPU limit rounded up, at least 1.

    Args:
        environment: Variables of the process.
    """
    explicit = environment.get(THREADS, "")
    if explicit.isdecimal() and int(explicit) > 0:
        return int(explicit)
    cores = len(os.sched_getaffinity(0))
    limit = cpu_limit()
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def cpu_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """CPUs that the control groups of this process allow it; None where nothing limits it.

    Version 2 has `cpu.max`; version 1 a quota and a period.

    Args:
        cgroups: Where the hierarchies are mounted.
        membership: The kernel's list of the groups of this process.
    """
    limits = [limit for group in groups("cpu", cgroups, membership) if (limit := _limit(group)) is not None]
    return min(limits, default=None)


def _limit(group: Path) -> float | None:
    """CPUs that one group allows; None for no limit, or where there is no such group."""
    try:
        if (unified := group / "cpu.max").exists():
            quota, period = unified.read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else None
    except (OSError, ValueError):  # no such file, or `max`
        return None
