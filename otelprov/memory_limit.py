"""How much memory a process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where control groups are: those of version 2, and below ``memory`` those of version 1."""
OWN = Path("/proc/self/cgroup")


def memory_limit() -> int | None:
    """Bytes: those of the machine, or fewer where a control group, as of a container, sets a limit.

    None where the system does not say.
    """
    limits = list(_of_groups())
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((limit for limit in limits if limit > 0), default=None)


def _of_groups() -> Iterator[int]:
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers:
            root, name = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        # What is set for a group holds for those in it. A container may see itself as the root.
        group = root / path.lstrip("/")
        for place in (group, *group.parents):
            with suppress(OSError, ValueError):  # not there, or "max"
                yield int((place / name).read_text(encoding="utf-8"))
            if place == root:
                break
