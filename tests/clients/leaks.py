"""What an engine may have left on the host: everything that names its roots or its containers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
EMPTY_WHEN_IDLE: Final = ("exec/bundles", "data/containers")
SETTLE_SECONDS: Final = 30.0


def leftovers(root: Path, ids: Iterable[str]) -> list[str]:
    """Return a line for each mount, process, cgroup and directory of the engine at `root`.

    Args:
        root: what the engine's own directories are below.
        ids: the containers it has had.

    """
    needles = [f"{root}/", *ids]
    found = [*_mounts(needles), *_processes(needles), *_cgroups(needles), *_directories(root)]
    return sorted(found)


def leftovers_when_settled(root: Path, ids: Iterable[str]) -> list[str]:
    """Return what is left for good.

    An engine does not wait for its resolver, which notices a moment later that it is alone, nor for what an
    engine that was killed before it had begun.
    """
    known = tuple(ids)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := leftovers(root, known)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def _mounts(needles: list[str]) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if any(needle in line for needle in needles):
            yield f"mount {line}"


def _processes(needles: list[str]) -> Iterator[str]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        if int(directory.name) != os.getpid() and any(needle in command for needle in needles):
            yield f"process {directory.name} {command}"


def _cgroups(needles: list[str]) -> Iterator[str]:
    for directory, _, _ in os.walk(CGROUP_ROOT):
        if any(needle in directory for needle in needles):
            yield f"cgroup {directory}"


def _directories(root: Path) -> Iterator[str]:
    for name in EMPTY_WHEN_IDLE:
        directory = root / name
        if directory.exists():
            yield from (f"directory {entry}" for entry in directory.iterdir())
