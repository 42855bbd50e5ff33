"""Whether a process was killed because memory ran out in its cgroup, by the kernel's own count.

A monitor tells of it, too.  But conmon 2.1 begins to listen only when it has told of the process's pid, upon
which that may be let go; with cgroups of version 1 it never hears of what has happened before.

Source: memory.oom_control in cgroup-v1/memory.rst, memory.events in cgroup-v2.rst, of the kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from daemon.runtimes.cgroups import CGROUP_ROOT, hierarchies

FILES: Final = ("memory.oom_control", "memory.events")  # of v1, of v2
KILLS: Final = "oom_kill"


def killed_for_memory(cgroup: str, root: Path = CGROUP_ROOT) -> bool:
    """Return whether the kernel has killed a process of a cgroup that is still there; blocks for a moment."""
    places = (hierarchy / cgroup.lstrip("/") for hierarchy in hierarchies(root))
    return any(_kills(place / name) for place in places for name in FILES)


def _kills(file: Path) -> int:
    try:
        words = file.read_text().split()
    except OSError:  # it is none of this version's or of this controller's, or the cgroup has gone
        return 0
    counts = dict(zip(words[::2], words[1::2], strict=False))
    return int(counts.get(KILLS, 0))
