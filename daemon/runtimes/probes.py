"""Runs one probe in a container: a command with a time limit, of which an exit code and some words remain.

It goes straight through the runtime's `exec`, without a monitor, and the runtime is started without a thread,
because probes are run all day long: an exec session costs several times as much.  Whatever has come from a
probe is killed when its time is up, or when nobody wants to know any more.  One that outlives its engine is
ended by the next (`strays.py`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import attrs
import trio

from daemon.runtimes.base import PROBE_OUTPUT_BYTES, ProbeOutcome
from daemon.runtimes.clones import runtime_environment
from daemon.runtimes.families import kill_family
from daemon.runtimes.sealed import SealedBinaries

PIECE_BYTES: Final = 65536
QUICK_SECONDS: Final = 0.2  # so long the pipe alone holds what a probe says: most have ended by then
FLOOD_SECONDS: Final = 0.01  # between two pieces that nobody will see: a probe that floods is slowed down
END_SECONDS: Final = 5.0
CANNOT_RUN: Final = -1  # as dockerd says
STDIN, STDOUT, STDERR = 0, 1, 2


@attrs.define
class Said:
    """The start of a probe's output."""

    pipe: trio.lowlevel.FdStream
    start: bytes = b""

    async def gather(self) -> None:
        """Read all that comes: a probe must not wait because nobody does."""
        while piece := await self.pipe.receive_some(PIECE_BYTES):
            self._keep(piece)
            if len(self.start) > PROBE_OUTPUT_BYTES:
                await trio.sleep(FLOOD_SECONDS)

    def gather_rest(self) -> None:
        """Read what has come and was not read yet; what is still to come is nobody's concern."""
        with suppress(BlockingIOError):
            self._keep(os.read(self.pipe.fileno(), PIECE_BYTES))

    def _keep(self, piece: bytes) -> None:
        self.start = (self.start + piece)[: PROBE_OUTPUT_BYTES + 1]


@attrs.define
class Child:
    """The runtime that executes a probe; its exit code is the probe's, None as long as it has not ended."""

    pid: int
    pidfd: int
    exit_code: int | None = None

    async def wait(self) -> None:
        """Return once it has ended."""
        await trio.lowlevel.wait_readable(self.pidfd)
        # It has ended, so this waits for nothing.
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)  # ruff: ignore[wait-for-process-in-async-function]
        assert ended is not None
        self.exit_code = ended.si_status if ended.si_code == os.CLD_EXITED else CANNOT_RUN


@attrs.frozen
class Prober:
    """Runs the probes of all containers."""

    binaries: SealedBinaries = attrs.field(factory=SealedBinaries)

    async def probe(
        self,
        command: Sequence[str],
        limit_seconds: float,
        *,
        task_status: trio.TaskStatus[ProbeOutcome] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run a runtime's `exec`, its output being the probe's; if cancelled, kill what has come from it.

        `task_status` is given the outcome as soon as it is known.  The end comes when nothing is left, which
        may be later: a process can be unkillable.
        """
        read_end, write_end = os.pipe()
        async with trio.lowlevel.FdStream(read_end) as pipe:
            try:
                executable = await self.binaries.executable(command[0])
                spawned = _spawned(executable, command, write_end)
            except OSError as error:
                said = f"{command[0]}: {error.strerror}"
                task_status.started(ProbeOutcome(CANNOT_RUN, said.encode()))
                return
            finally:
                os.close(write_end)
            with _held(spawned) as child:
                try:
                    await _see_through(child, Said(pipe), limit_seconds, task_status)
                finally:
                    await _make_sure(child)  # noqa: ASYNC102  it shields itself


def _spawned(executable: str, command: Sequence[str], output: int) -> int:
    """Start the runtime in a session of its own and return its pid.

    It gets none of our files: they are all closed by execve(2).
    """
    return os.posix_spawn(
        executable,
        tuple(command),
        runtime_environment(),
        file_actions=(
            (os.POSIX_SPAWN_OPEN, STDIN, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, STDOUT),
            (os.POSIX_SPAWN_DUP2, output, STDERR),
        ),
        setsid=True,
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores these
    )


@contextmanager
def _held(pid: int) -> Generator[Child, None, None]:
    pidfd = os.pidfd_open(pid)
    try:
        yield Child(pid, pidfd)
    finally:
        trio.lowlevel.notify_closing(pidfd)
        os.close(pidfd)


async def _see_through(
    child: Child, said: Said, limit_seconds: float, task_status: trio.TaskStatus[ProbeOutcome]
) -> None:
    with trio.move_on_after(limit_seconds):
        with trio.move_on_after(QUICK_SECONDS):
            await child.wait()
        if child.exit_code is None:
            await _wait_reading(child, said)
    said.gather_rest()
    if child.exit_code is None:
        await kill_family(child.pid)
    task_status.started(ProbeOutcome(child.exit_code, said.start))
    if child.exit_code is None:
        await child.wait()


async def _wait_reading(child: Child, said: Said) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(said.gather)
        await child.wait()
        nursery.cancel_scope.cancel()


async def _make_sure(child: Child) -> None:
    if child.exit_code is None:
        # Shielded: a probe that is broken off must leave nothing.  Bounded: it may be unkillable.
        with trio.move_on_after(END_SECONDS, shield=True):
            await kill_family(child.pid)
            await child.wait()
