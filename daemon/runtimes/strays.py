"""Ends the monitors that an engine started and could not write down before it was killed.

A monitor is in the journal once its process runs.  One that was being started when the engine died is
in no record, so nobody would ever look after what it keeps: it is ended, with all that it has forked, before
anything is started anew.  It is known by its command line, which names a directory of ours.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import structlog
import trio

from daemon.runtimes.processes import send_signal, started_ticks, wait_ended

LOG: Final = structlog.get_logger(__name__)
STAT_PARENT: Final = 1  # field 4 of /proc/PID/stat (proc(5)), counted after the command's closing bracket
END_SECONDS: Final = 5.0


async def end_strays(exec_root: Path, known: Collection[tuple[int, int | None]]) -> None:
    """End each monitor below `exec_root` that is not `known` by its pid and its start time in ticks."""
    for monitor in await trio.to_thread.run_sync(_monitors, exec_root):
        if (monitor, started_ticks(monitor)) in known:
            continue
        LOG.warning("ending a monitor of an interrupted start", pid=monitor)
        # Children first: they would otherwise become init's, and not be found any more.
        for pid in (*_descendants(monitor), monitor):
            await _end(pid)


async def _end(pid: int) -> None:
    ticks = started_ticks(pid)
    if ticks is None or not send_signal(pid, ticks, signal.SIGKILL):
        return
    with trio.move_on_after(END_SECONDS):  # it may be unkillable, and others wait
        await wait_ended(pid, ticks)


def _monitors(exec_root: Path) -> list[int]:
    prefix = os.fsencode(f"--bundle={exec_root}/")
    return [pid for pid in _processes() if _is_monitor(_arguments(pid), prefix)]


def _is_monitor(arguments: list[bytes], prefix: bytes) -> bool:
    return os.path.basename(arguments[0]) == b"conmon" and any(a.startswith(prefix) for a in arguments)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return [b""]


def _descendants(ancestor: int) -> list[int]:
    """Return all processes that come from `ancestor`, the nearest first."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        children.setdefault(_parent(pid), []).append(pid)
    found, generation = [], children.get(ancestor, [])
    while generation:
        found += generation
        generation = [child for pid in generation for child in children.get(pid, ())]
    return found


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(b") ")[2].split()[STAT_PARENT])


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())
