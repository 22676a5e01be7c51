"""How many processors this process may use, which may be fewer than the machine has."""

import math
import os
import sys
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def processors(own: Path = OWN_CGROUP, root: Path = CGROUPS) -> int:
    """As many as this process may run on, and as the quota of its control group pays for.

    A batch system binds a job to processors; a container gets a share of time instead, and workers
    beyond it only wait. Each process counts once, at least one.

    Args:
        own: Names the control group of this process.
        root: Where control groups (version 2) are mounted.

    Source: sched_setaffinity(2); Linux `admin-guide/cgroup-v2.rst`, `cpu.max`.
    """
    if not sys.platform.startswith("linux"):
        return os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *_quotas(own, root)]))


def _quotas(own: Path, root: Path) -> list[int]:
    """The processors that each control group above this process pays for, rounded up."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    found = []
    for name in names:
        group = root / name
        for place in (group, *group.parents):
            if not place.is_relative_to(root):
                break
            quota = _quota(place / "cpu.max")
            if quota is not None:
                found.append(quota)
    return found


def _quota(path: Path) -> int | None:
    """The processors of one `cpu.max`, microseconds of time in each period; None for no limit."""
    try:
        time, period = path.read_text(encoding="utf-8").split()
        return max(1, math.ceil(int(time) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
