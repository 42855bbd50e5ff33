"""Ends what an engine was running when it died: monitors of a start that was cut off, and runtimes.

A monitor is in the journal once its process runs.  One that was being started when the engine died is
in no record, so nobody would ever look after what it keeps: it is ended, with all that it has forked, before
anything is started anew.  It is known by its command line, which names a directory of ours.  So is a runtime
that executes a probe, or a command of which the next engine will not know when it is done: a `pause` that is
slow would freeze what has been thawed meanwhile.  Whatever the command was for is done again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.runtimes.families import end_family
from daemon.runtimes.processes import started_ticks

LOG: Final = structlog.get_logger(__name__)
STAT_PARENT: Final = 1  # field 4 of /proc/PID/stat (proc(5)), counted after the command's closing bracket


@attrs.frozen
class Monitor:
    """A monitor that runs; `directory` is its bundle, or its exec session's."""

    pid: int
    started_ticks: int
    container_id: str
    directory: Path


async def end_strays(
    exec_root: Path, known: Collection[tuple[int, int | None]], spared: Collection[str] = ()
) -> None:
    """End each monitor below `exec_root` that is not `known` by its pid and its start time in ticks.

    Those of the containers and exec sessions whose ids are `spared` go on: their records cannot be read.
    Runtimes are ended unless such a monitor has started them.
    """
    kept = set[int]()
    for monitor in await trio.to_thread.run_sync(monitors, exec_root):
        parent = _parent(monitor.pid)  # of what a monitor has just forked, which still looks like it
        identities = {(monitor.pid, monitor.started_ticks), (parent, started_ticks(parent))}
        ids = {monitor.container_id, monitor.directory.name}
        if identities.isdisjoint(known) and ids.isdisjoint(spared):
            LOG.warning("ending a monitor of an interrupted start", pid=monitor.pid)
            await end_family(monitor.pid)
        else:
            kept.add(monitor.pid)
    for pid in await trio.to_thread.run_sync(_runtimes, exec_root):
        if _parent(pid) not in kept:
            LOG.warning("ending a runtime of an earlier engine", pid=pid)
            await end_family(pid)


def monitors(exec_root: Path) -> list[Monitor]:
    """Return the monitors that run below `exec_root`, the oldest first; blocks."""
    found = (_monitor(pid, f"{exec_root}/") for pid in _processes())
    return sorted(filter(None, found), key=lambda monitor: (monitor.started_ticks, monitor.pid))


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` has started, or that have become its own, the oldest first; blocks."""
    own = ((started_ticks(child), child) for child in _processes() if _parent(child) == pid)
    return [child for _, child in sorted((ticks, child) for ticks, child in own if ticks is not None)]


def _monitor(pid: int, exec_root: str) -> Monitor | None:
    arguments = _arguments(pid)
    if os.path.basename(arguments[0]) != b"conmon":
        return None
    options = dict(argument.split(b"=", 1) for argument in arguments if b"=" in argument)
    directory, container_id = (os.fsdecode(options.get(name, b"")) for name in (b"--bundle", b"--cid"))
    ticks = started_ticks(pid)
    if ticks is None or not directory.startswith(exec_root):
        return None
    return Monitor(pid, ticks, container_id, Path(directory))


def _runtimes(exec_root: Path) -> list[int]:
    """Return the runtimes, or scripts around them, whose state is below `exec_root`."""
    root = os.fsencode(f"--root={exec_root}/runtime")
    return [pid for pid in _processes() if root in _arguments(pid)]


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return [b""]


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(b") ")[2].split()[STAT_PARENT])


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())
