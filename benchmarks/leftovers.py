"""Removal of everything an engine may leave on the host: mounts, cgroups, network namespaces, directories.

The engines are asked to clean up first; this is for what they forgot, and for a benchmark that
was interrupted.  Everything is found by names that only this benchmark uses.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from benchmarks import netspace, processes

CGROUPS: Final = Path("/sys/fs/cgroup")
MNT_DETACH: Final = 2

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def mounts_under(root: Path) -> list[Path]:
    """Return the mount points at or below `root`, the last made first."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape").splitlines()
    points = [Path(line.split(" ")[4].replace("\\040", " ")) for line in lines]
    return [point for point in reversed(points) if point.is_relative_to(root)]


def unmount(point: Path) -> None:
    """Detach a mount; busy or not, nothing of a benchmark may keep it."""
    if _LIBC.umount2(os.fsencode(point), MNT_DETACH) != 0:
        error = ctypes.get_errno()
        print(f"cannot unmount {point}: {os.strerror(error)}", file=sys.stderr)


def remove_cgroups(name: str) -> None:
    """Remove the cgroup `name` and all below it from every hierarchy, v1 or v2."""
    for hierarchy in (CGROUPS, *CGROUPS.iterdir()):  # the first is the only one on a v2 host
        top = hierarchy / name
        below = sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for directory in (*below, top):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                directory.rmdir()


def members(name: str) -> list[int]:
    """Return the pids of all processes in the cgroup `name` or below it."""
    files = (
        file
        for hierarchy in (CGROUPS, *CGROUPS.iterdir())
        for file in (hierarchy / name).rglob("cgroup.procs")
    )
    return sorted({int(pid) for file in files for pid in file.read_text().split()})


def sweep(root: Path, cgroup: str) -> None:
    """End, unmount and remove all that is left below `root`, in `cgroup` and in network namespaces."""
    processes.end(processes.mentioning(root))
    processes.end(members(cgroup))
    for name in netspace.named(f"{root.name}-"):
        processes.end(processes.inhabitants(netspace.NAMED / name))  # dockerd's proxies do not name its root
        netspace.remove(name)
    for point in mounts_under(root):
        unmount(point)
    try:
        remove_cgroups(cgroup)
    except OSError as error:
        print(f"cgroup {cgroup} is left: {error}", file=sys.stderr)
    shutil.rmtree(root, ignore_errors=True)
