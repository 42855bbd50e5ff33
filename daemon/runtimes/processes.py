"""Processes by identity, not by number: who it is, when it ends, what it is told.

A pid is used again; a pid together with its start time is not.  A pidfd, once taken while the identity is
certain, stays with its process whatever the number comes to mean (pidfd_open(2)).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess  # noqa: S404  the one place that starts what must outlive us
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import trio

PASSED_ON = ("PATH",)
STAT_START_TIME = 19  # field 22 of /proc/PID/stat (proc(5)), counted after the command's closing bracket


def plain_environment() -> dict[str, str]:
    """Return the environment of the programs we run.

    Not our own, which holds what is meant for us alone: NOTIFY_SOCKET and LISTEN_FDS of systemd, which
    runtimes would hand on into the container, a proxy's password, and whatever root's shell has exported.
    """
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


async def spawn(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], pass_fds: Sequence[int]
) -> int:
    """Start a process in a session of its own, that outlives us, and return its pid.

    Whoever calls this must call `wait_ended` for it one day: until then its pid is not used again.

    Raises:
        OSError: there is no such program, or no process could be made.

    """

    def start() -> int:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=pass_fds,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
        process.returncode = 0  # it is reaped through its pidfd: Popen is not to try, nor to warn
        return process.pid

    return await trio.to_thread.run_sync(start)


def started_ticks(pid: int) -> int | None:
    """Return when process `pid` started, in clock ticks since boot, or None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b") ")[2].split()[STAT_START_TIME])


@contextmanager
def held(pid: int, ticks: int | None) -> Generator[int | None, None, None]:
    """Yield a pidfd of the process that `pid` and `ticks` identify, or None if it is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield pidfd if ticks is not None and started_ticks(pid) == ticks else None
    finally:
        trio.lowlevel.notify_closing(pidfd)
        os.close(pidfd)


def lives(pid: int, ticks: int) -> bool:
    """Return whether the process is there and has not ended; one that nobody has reaped yet has."""
    with held(pid, ticks) as pidfd:
        if pidfd is None:
            return False
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        return not ended.poll(0)


def send_signal(pid: int, ticks: int, number: int) -> bool:
    """Send signal `number` to the process, and return whether it was still there."""
    with held(pid, ticks) as pidfd:
        if pidfd is None:
            return False
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return False
        return True


async def wait_ended(pid: int, ticks: int | None) -> None:
    """Return once the process has ended; reap it if it is a child of ours."""
    with held(pid, ticks) as pidfd:
        if pidfd is None:
            return
        await trio.lowlevel.wait_readable(pidfd)
        with contextlib.suppress(ChildProcessError):  # after a restart it is somebody else's child
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)  # ruff: ignore[wait-for-process-in-async-function]  it has ended
