"""Removes a container's cgroup where its runtime could not.

A runtime that is killed in the middle of creating a container has made a cgroup, and perhaps a
process in it, that it knows nothing of afterwards; its `delete` leaves both.  Everything here
blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
ATTEMPTS: Final = 100
THAWED: Final = MappingProxyType({"freezer.state": "THAWED", "cgroup.freeze": "0"})  # of v1, of v2
PERIOD_SECONDS: Final = 0.01  # a killed process leaves its cgroup a little later


def remove_cgroup(path: str, root: Path = CGROUP_ROOT) -> None:
    """Remove the cgroup `path` from every hierarchy (cgroups(7)), and kill whatever is still in it.

    Raises:
        OSError: it is still in use.

    """
    places = [hierarchy / path.lstrip("/") for hierarchy in hierarchies(root)]
    directories = [place for place in places if place.is_dir()]
    for directory in directories:
        _remove(directory, directories)


def thaw_cgroup(path: str, root: Path = CGROUP_ROOT) -> None:
    """Thaw the processes in the cgroup `path`, for a container whose runtime has forgotten it.

    Raises:
        OSError: the kernel refuses.

    """
    for hierarchy in hierarchies(root):
        _thaw(hierarchy / path.lstrip("/"))


def _thaw(directory: Path) -> None:
    for name, thawed in THAWED.items():
        for file in directory.rglob(name):
            file.write_text(thawed)


def hierarchies(root: Path) -> Iterator[Path]:
    """Yield where the trees start: the mount itself in v2, what is in it in v1."""
    if (root / "cgroup.controllers").exists():
        yield root
    else:
        yield from (entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())


def _remove(directory: Path, all_of_it: Sequence[Path]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            for inner, _, _ in os.walk(directory, topdown=False):
                os.rmdir(inner)
        except FileNotFoundError:
            return
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
            for place in all_of_it:  # what is in one of v1 may be frozen in another
                _kill(place)
            time.sleep(PERIOD_SECONDS)
        else:
            return


def _kill(directory: Path) -> None:
    for processes in directory.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # it has gone since, and its processes with it
            for pid in processes.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(OSError):  # what is frozen does not even hear that; likewise, it may have gone
        _thaw(directory)
