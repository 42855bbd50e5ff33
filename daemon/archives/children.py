"""Starting the confined children, and what goes to them and comes from them beside the archives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess  # ruff: ignore[suspicious-subprocess-import]  its names for pipes and results; trio runs them
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Final

import attrs
import isal
import trio

from daemon.archives.confinement import FILTER
from daemon.archives.errors import HOST_AT_FAULT
from daemon.archives.filters import program_for
from daemon.archives.supply import PIPE_BYTES, Feed
from daemon.errors import Failed

_ERROR_LIMIT_CHARACTERS: Final = 2000
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
_LIBRARIES: Final = Path(isal.__file__).parents[1]
ENVIRONMENT: Final = {
    "PYTHONPATH": f"{_PACKAGE_ROOT}:{_LIBRARIES}",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_INTERPRETER: Final = (sys.executable, "-P", "-s", "-S")  # `site` takes longer than all the rest
_Done = subprocess.CompletedProcess[bytes]


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a child; its environment is to be that of `limits`."""
    return [*_INTERPRETER, "-m", module, *arguments]


@contextlib.asynccontextmanager
async def limits(child: str) -> AsyncGenerator[tuple[dict[str, str], int], None]:
    """Lend what `confine` needs in a child when that is started: its environment, and a file to pass on.

    Raises:
        Failed: there is no way to confine it on this host.

    """
    program = await trio.to_thread.run_sync(program_for, child)
    with as_file(program) as file:
        yield {**ENVIRONMENT, FILTER: str(file)}, file


async def run_fed(
    feed: Feed, module: str, arguments: Sequence[str], stdin: int, passed: Sequence[int]
) -> _Done:
    """Run a child while `feed` gives it what it needs; when that fails the child is killed."""
    failure: Exception | None = None

    async def run_feed() -> None:
        nonlocal failure
        try:
            await feed()
        except Exception as error:  # whatever the source of the archive has; passed on below, not in a group
            failure = error
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_feed)
        try:
            done = await run(module, arguments, stdin, passed)
        except OSError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return done


def _command(child: str) -> list[str]:
    code = f"from daemon.archives.errors import run; from daemon.archives.{child} import main; run(main)"
    return [*_INTERPRETER, "-c", code]


async def run(module: str, arguments: Sequence[str], stdin: int, passed: Sequence[int] = ()) -> _Done:
    """Run a child to its end and return what it says."""
    async with limits(module) as (environment, limit):
        return await trio.run_process(
            [*_command(module), *arguments],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment,
            pass_fds=(*passed, limit),
            start_new_session=True,  # a Ctrl-C in the engine's terminal is the engine's business
            deliver_cancel=_kill,
        )


async def _kill(process: trio.Process) -> None:  # ruff: ignore[unused-async]  trio awaits it
    """A child owns nothing but a directory its parent throws away, so there is nothing to let it finish."""
    process.kill()


def last_words(stderr: bytes, status: int) -> str:
    """Return what a child that failed has said."""
    said = stderr.decode(errors="replace").strip()[:_ERROR_LIMIT_CHARACTERS]
    return said or ending(status)


def ending(status: int) -> str:
    """Return how a child has ended that said nothing; a negative status is a signal."""
    return (
        f"the child ended with {status}" if status >= 0 else f"the child was ended by {Signals(-status).name}"
    )


def is_hosts_fault(status: int) -> bool:
    """Tell whether a child failed through no fault of what it was given to read; who lacks memory kills."""
    return status in {HOST_AT_FAULT, -SIGKILL}


async def opened(
    child: str, arguments: Sequence[str], stdin: int, passed: Sequence[int] = ()
) -> trio.Process:
    """Start a child that writes to a pipe, and answers or complains on another."""
    async with limits(child) as (environment, limit):
        process = await trio.lowlevel.open_process(
            [*_command(child), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=(*passed, limit),
            start_new_session=True,
        )
    assert isinstance(process.stdout, trio.lowlevel.FdStream)
    fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return process


async def ended(process: trio.Process) -> None:
    """Leave nothing of such a child, whatever it was doing."""
    process.kill()
    assert process.stdout
    assert process.stderr
    await process.wait()
    await process.stdout.aclose()
    await process.stderr.aclose()


@attrs.define(eq=False)
class Chunks:
    """What a child that packs writes; no generator, so nothing is left over when nobody reads to the end."""

    process: trio.Process

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        assert self.process.stdout
        assert self.process.stderr
        chunk = await self.process.stdout.receive_some(PIPE_BYTES)
        if chunk:
            return bytes(chunk)
        said = await self.process.stderr.receive_some(_ERROR_LIMIT_CHARACTERS)
        if (status := await self.process.wait()) != 0:
            raise Failed(f"cannot pack: {last_words(bytes(said), status)}")
        raise StopAsyncIteration


@contextlib.contextmanager
def as_file(content: bytes) -> Generator[int, None, None]:
    """Lend a file in memory with `content`, which is longer than an argument may be."""
    descriptor = os.memfd_create("order")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
