"""All processes that come from one, and their end.

Found by parent and by session: what an OCI runtime executes in a container leads a session of its own, so
what it has put into the background belongs to that even when its parent has gone.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import trio

from daemon.runtimes.processes import send_signal, started_ticks, wait_ended

STAT_STATE: Final = 0
STAT_PARENT: Final = 1  # fields 3, 4 and 6 of /proc/PID/stat (proc(5)), counted after the command
STAT_SESSION: Final = 3
END_SECONDS: Final = 5.0
ZOMBIE: Final = b"Z"
ENOUGH_TIMES: Final = 2  # one reading of /proc misses who is forked while it goes on, by one who then ends


def descendants(ancestor: int) -> list[int]:
    """Return all processes that come from `ancestor`, the nearest first; blocks while it reads /proc."""
    parents, sessions = _processes()
    found: dict[int, None] = {}
    ours = os.getsid(0)
    while True:
        led = {sessions[pid] for pid in found} - {ours}
        news = [
            pid
            for pid in parents
            if pid not in found
            and pid != ancestor
            and (parents[pid] == ancestor or parents[pid] in found or sessions[pid] in led)
        ]
        if not news:
            return list(found)
        found.update(dict.fromkeys(news))


async def kill_family(pid: int) -> list[tuple[int, int]]:
    """Kill a process and all that come from it; return who they are, each with its start time in ticks.

    The process itself is killed last, and stopped until then: what its children leave behind, or start while
    they are being killed, becomes its own (conmon is a subreaper, prctl(2)) and is still found.
    """
    ticks = started_ticks(pid)
    if ticks is None:
        return []
    send_signal(pid, ticks, signal.SIGSTOP)
    members: list[tuple[int, int]] = []
    try:
        with trio.move_on_after(END_SECONDS):  # one may be unkillable, and others wait
            nobody = 0
            while nobody < ENOUGH_TIMES:
                generation = await trio.to_thread.run_sync(_identified, pid)
                nobody = 0 if generation else nobody + 1
                members += generation
                for member in generation:
                    send_signal(*member, signal.SIGKILL)
                for member in generation:
                    await wait_ended(*member)
    finally:
        send_signal(pid, ticks, signal.SIGKILL)
    return [*members, (pid, ticks)]


async def end_family(pid: int) -> None:
    """Kill a process and all that come from it, and wait a few seconds for their ends."""
    members = await kill_family(pid)
    with trio.move_on_after(END_SECONDS):  # one may be unkillable, and others wait
        for member, ticks in members:
            await wait_ended(member, ticks)


def _identified(ancestor: int) -> list[tuple[int, int]]:
    return [(pid, ticks) for pid in descendants(ancestor) if (ticks := started_ticks(pid)) is not None]


def _processes() -> tuple[dict[int, int], dict[int, int]]:
    """Return the parent and the session of each process that has not ended."""
    parents, sessions = dict[int, int](), dict[int, int]()
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = stat.rpartition(b") ")[2].split()
        if fields[STAT_STATE] == ZOMBIE:
            continue
        parents[int(name)], sessions[int(name)] = int(fields[STAT_PARENT]), int(fields[STAT_SESSION])
    return parents, sessions
