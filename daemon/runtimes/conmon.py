"""Starts conmon, the monitor that keeps one container or exec session (conmon(8)).

conmon holds the process's stdio and terminal, writes its log, serves its attach socket and in the
end writes its exit code to a file.  All of that goes on without this daemon.  Over the sync pipe it tells
us what it has started, in one line of JSON: {"data": PID} or {"data": -1, "message": "..."}.

With `--sync` it does not fork away: the process we spawn is the monitor itself, our child until we end.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import Failed, RuntimeFailed
from daemon.runtimes.base import Exit, Run
from daemon.runtimes.clones import runtime_environment
from daemon.runtimes.families import end_family
from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.oci import CALL_SECONDS, OciRuntime
from daemon.runtimes.processes import send_signal, spawn, started_ticks, wait_ended
from daemon.runtimes.stages import stage

SYNC_LINE_BYTES: Final = 65536
END_SECONDS: Final = 5.0
ENDED_TOO_SOON: Final = "conmon ended before it had started the process"
GONE_TICKS: Final = 0  # of an exec session's process that has ended before it could be looked at


@attrs.frozen
class Order:
    """What a monitor is to start.  With `exec_process` it is an exec session in container `id`."""

    id: str
    runtime: OciRuntime
    files: MonitorFiles
    log: Path | None
    terminal: bool
    stdin: bool
    leave_stdin_open: bool = False
    exec_process: Path | None = None
    log_size_max_bytes: int | None = None
    """How large the log may grow before conmon begins it anew, in a new file; None is without limit."""

    def command(self) -> list[str]:
        """Return the monitor's command line."""
        flags = {
            "--terminal": self.terminal,
            "--stdin": self.stdin,
            "--leave-stdin-open": self.leave_stdin_open,
        }
        return [
            "conmon",
            "--api-version=1",
            "--sync",
            f"--cid={self.id}",
            f"--cuuid={self.id}",
            f"--runtime={self.runtime.path}",
            *(f"--runtime-arg={argument}" for argument in self.runtime.global_arguments),
            f"--bundle={self.files.directory}",
            f"--container-pidfile={self.files.directory / 'pid'}",
            f"--exit-dir={self.files.exits}",
            "--full-attach",
            "--no-sync-log",  # what is promised to survive a power cut is the exit code, not the output
            f"--log-path={f'k8s-file:{self.log}' if self.log else 'off:'}",
            *(flag for flag, wanted in flags.items() if wanted),
            *self._log_flags(),
            *self._exec_flags(),
        ]

    def environment(self) -> dict[str, str]:
        """Return the monitor's environment, less its pipes.

        TMPDIR is where it makes a terminal's socket: among its own files, which are deleted with the run.
        It and its runtime are started in their directory, so the path is short, as it must be (unix(7)).
        """
        # In UTC the times in its log need no converting when they are read; in the C locale it would refuse
        # arguments that are not ASCII, such as the path of a runtime.
        return {**runtime_environment(), "TZ": "UTC", "LC_CTYPE": "C.UTF-8", "TMPDIR": "."}

    def _log_flags(self) -> tuple[str, ...]:
        return () if self.log_size_max_bytes is None else (f"--log-size-max={self.log_size_max_bytes}",)

    def _exec_flags(self) -> tuple[str, ...]:
        if self.exec_process is None:
            return ()
        return ("--exec", "--exec-attach", f"--exec-process-spec={self.exec_process}")


async def create(order: Order) -> Run:
    """Have the runtime create a container; return once its process waits to be started.

    If this fails or is cancelled, no monitor is left, and no runtime.

    Raises:
        RuntimeFailed: the runtime said no, or nothing in time.
        Failed: the monitor could not be run, or ended too soon.

    """
    with _in_time(order.runtime, "create"):
        async with _pipe() as (sync, write_end), _monitor(order, sync, _OCI_SYNCPIPE=write_end) as monitor:
            return await _announced(sync, monitor, "create")


async def execute(order: Order, connect: Callable[[], None]) -> Run:
    """Start an exec session; `connect` is called when its attach socket is there and nothing runs yet.

    Nothing runs either if it never returns: a monitor whose engine dies before that waits for ever.

    Raises:
        RuntimeFailed: the runtime said no, or nothing in time.
        Failed: the monitor could not be run, or ended too soon.

    """
    with _in_time(order.runtime, "exec"):
        return await _executed(order, connect)


async def _executed(order: Order, connect: Callable[[], None]) -> Run:
    start_read, start_write = os.pipe()
    try:
        async with _pipe() as (sync, sync_write), _pipe() as (attach, attach_write):
            pipes = {
                "_OCI_SYNCPIPE": sync_write,
                "_OCI_ATTACHPIPE": attach_write,
                "_OCI_STARTPIPE": start_read,
            }
            # It holds our end of that pipe as well: to see it end means to go on, and we may die.
            async with _monitor(order, sync, start_write, **pipes) as monitor:
                _go(start_write)  # once for the monitor itself ...
                await _line(attach)
                connect()
                _go(start_write)  # ... and once for what it has forked
                return await _announced(sync, monitor, "exec")
    finally:
        os.close(start_write)


async def wait_exit(run: Run, files: MonitorFiles) -> Exit | None:
    """Return how the process ended, once all its output is written; None if nobody will ever know."""
    await wait_ended(run.monitor_pid, run.monitor_started_ticks)
    return files.read_exit()


async def end(run: Run) -> None:
    """Kill a process and its monitor, if they still are there, and wait for the monitor's end."""
    send_signal(run.pid, run.started_ticks, signal.SIGKILL)
    for _ in range(2):
        with trio.move_on_after(END_SECONDS):  # it may be unkillable, too
            await wait_ended(run.monitor_pid, run.monitor_started_ticks)
            return
        send_signal(run.monitor_pid, run.monitor_started_ticks, signal.SIGKILL)


@contextmanager
def _in_time(runtime: OciRuntime, command: str) -> Generator[None, None, None]:
    """Give up on a runtime that hangs, as with those of its commands that need no monitor."""
    operation = runtime.operation(command)
    try:
        with stage(operation, CALL_SECONDS), trio.fail_after(CALL_SECONDS):
            yield
    except trio.TooSlowError as error:
        raise RuntimeFailed(operation, f"did not end within {CALL_SECONDS:.0f} s") from error


@asynccontextmanager
async def _pipe() -> AsyncGenerator[tuple[trio.lowlevel.FdStream, int], None]:
    read_end, write_end = os.pipe()
    async with trio.lowlevel.FdStream(read_end) as stream:
        yield stream, write_end


@asynccontextmanager
async def _monitor(
    order: Order, sync: trio.lowlevel.FdStream, *held: int, **pipes: int
) -> AsyncGenerator[int, None]:
    """Run a monitor that holds its ends of `pipes` and yield its pid; if the block fails, end it.

    It also has what is `held` by us, and our end of `sync`: if we died, its first word would end it, but not
    what it has started.
    """
    environment = {**order.environment(), **{name: str(fd) for name, fd in pipes.items()}}
    try:
        fds = (sync.fileno(), *held, *pipes.values())
        pid = await spawn(order.command(), order.files.directory, environment, fds)
    except OSError as error:
        raise Failed(f"conmon cannot be run: {error.strerror} (apt install conmon)") from error
    finally:
        for fd in pipes.values():
            os.close(fd)
    try:
        yield pid
    except BaseException:
        # Shielded: a cancelled launch must leave nothing; `end_family` is bounded by itself.  The runtime
        # would die with its monitor (PR_SET_PDEATHSIG), but not what it has started in turn.
        with stage("ending the monitor"), trio.CancelScope(shield=True):
            await end_family(pid)
        raise


def _go(start_pipe: int) -> None:
    try:
        os.write(start_pipe, b"go\n")
    except BrokenPipeError:
        raise Failed(ENDED_TOO_SOON) from None


async def _line(pipe: trio.lowlevel.FdStream) -> dict[str, object]:
    received = b""
    while not received.endswith(b"\n") and len(received) < SYNC_LINE_BYTES:
        piece = await pipe.receive_some(SYNC_LINE_BYTES)
        if not piece:
            raise Failed(ENDED_TOO_SOON)
        received += piece
    line: dict[str, object] = json.loads(received.splitlines()[0])
    return line


async def _announced(sync: trio.lowlevel.FdStream, monitor_pid: int, operation: str) -> Run:
    line = await _line(sync)
    pid = line["data"]
    assert isinstance(pid, int)
    if pid < 0:
        raise RuntimeFailed(f"OCI runtime {operation} failed", str(line.get("message", "")).strip())
    monitor_ticks = started_ticks(monitor_pid)
    assert monitor_ticks is not None  # a child that has ended stays in the table until it is reaped
    return Run(pid, started_ticks(pid) or GONE_TICKS, monitor_pid, monitor_ticks)
