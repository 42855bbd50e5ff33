"""The engine's side of copying: it starts the children and passes bytes on, in large pieces.

A `Copy` belongs to whoever holds it, who closes it in any case.  When it is closed its child ends, however
far it is, and somebody must wait for that, who is not the one that may be cancelled at any moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess  # ruff: ignore[suspicious-subprocess-import]  for the names of its constants
from collections.abc import AsyncIterable, Sequence
from typing import Final

import attrs
import trio

from daemon.archives.children import child_command, limits
from daemon.archives.errors import ARCHIVE_AT_FAULT
from daemon.archives.supply import PIPE_BYTES
from daemon.copying.child import Failure
from daemon.copying.orders import CopyOrder
from daemon.copying.pathstat import PathStat
from daemon.errors import Conflict, EngineError, Failed, InvalidParameter, NotFound

_ANSWER_LIMIT_BYTES: Final = 1 << 17  # a name and a link's target have 4 KiB each, and JSON makes six of one
_LAST_WORDS_BYTES: Final = 2000
_EMPTY_TAR: Final = bytes(1024)


@attrs.define(eq=False)
class Copy:
    """A child at work, and our ends of its pipes; iterate over it for the tar that it writes."""

    process: trio.Process
    _stdin: trio.lowlevel.FdStream | None
    _stdout: trio.lowlevel.FdStream
    _stderr: int
    _early: bytes = attrs.field(default=b"", init=False)
    _is_broken_off: bool = attrs.field(default=False, init=False)

    def break_off(self) -> None:
        """End the child: the container is being removed."""
        self._is_broken_off = True
        self.process.kill()

    def close(self) -> None:
        """Let go of the child; if it is still at work it ends."""
        if self._stderr < 0:
            return
        self.process.kill()
        for stream in (self._stdin, self._stdout):
            if stream is not None:
                stream.close()
        os.close(self._stderr)
        self._stderr = -1

    async def stat(self) -> PathStat:
        """Return what the path is, which the child says first of all.

        Raises:
            EngineError: see `finish`.

        """
        line = b""
        while b"\n" not in line:
            if not (piece := await self._stdout.receive_some(PIPE_BYTES)):
                await self.finish()
                raise Failed("a child that copies has ended without an answer")
            line += piece
        line, _, self._early = line.partition(b"\n")
        return PathStat(**json.loads(line))

    def __aiter__(self) -> Copy:
        return self

    async def __anext__(self) -> bytes:
        piece, self._early = self._early, b""
        piece = piece or await self._stdout.receive_some(PIPE_BYTES)
        if piece:
            return piece
        await self.finish()
        raise StopAsyncIteration

    async def feed(self, pieces: AsyncIterable[bytes]) -> None:
        """Pass `pieces` on to the child and return when it has unpacked all; none at all are an empty tar.

        Raises:
            EngineError: see `finish`; it may be while there are pieces left.

        """
        assert self._stdin is not None
        is_fed = False
        async for piece in pieces:
            is_fed = True
            if not await self._send(self._stdin, piece):
                break
        if not is_fed:
            await self._send(self._stdin, _EMPTY_TAR)
        self._stdin.close()
        await self.finish()

    async def _send(self, stdin: trio.lowlevel.FdStream, piece: bytes) -> bool:
        """Return whether the child was still there to take `piece`; if not, it says why."""
        try:
            await stdin.send_all(piece)
        except trio.BrokenResourceError:
            return False
        return True

    async def finish(self) -> None:
        """Return when the child has done its work.

        Raises:
            NotFound: there is nothing at the path; the text is empty, since only the client's words would do.
            InvalidParameter: the path cannot be used so, or the archive is at fault.
            Conflict: it was broken off.
            Failed: the host is at fault.

        """
        if (status := await self.process.wait()) != 0:
            raise self._failure(status)

    def _failure(self, status: int) -> EngineError:
        said = os.pread(self._stderr, _LAST_WORDS_BYTES, 0).decode(errors="replace").strip()
        if self._is_broken_off:
            return Conflict("the container has been removed meanwhile")
        if status == Failure.MISSING:
            return NotFound()
        if status == Failure.REFUSED:
            return InvalidParameter(said)
        if status == ARCHIVE_AT_FAULT:
            return InvalidParameter(f"cannot copy: {said}")
        return Failed(f"cannot copy: {said or f'the child ended with {status}'}")


async def start(module: str, order: CopyOrder, *, fed: bool = False, passed: Sequence[int] = ()) -> Copy:
    """Start `daemon.copying.<module>`, with something to read if it is to be `fed`.

    Raises:
        Failed: the host has no process to give.

    """
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        memory = _closed_by(theirs, os.memfd_create("order"))
        os.pwrite(memory, order.write().encode(), 0)
        stderr = _closed_by(ours, os.memfd_create("stderr"))
        result, stdout = _pipe(ours, theirs)
        stdin, feed = _pipe(theirs, ours) if fed else (subprocess.DEVNULL, None)
        try:
            async with limits(module) as (environment, limit):
                process = await trio.lowlevel.open_process(
                    child_command(f"daemon.copying.{module}", str(memory)),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    pass_fds=(memory, limit, *passed),
                    start_new_session=True,  # a Ctrl-C in the engine's terminal is the engine's business
                )
        except OSError as error:
            raise Failed(f"cannot copy: {error}") from error
        ours.pop_all()  # from here on they are the copy's
        stream = None if feed is None else trio.lowlevel.FdStream(feed)
        return Copy(process, stream, trio.lowlevel.FdStream(result), stderr)


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """Make a large pipe whose ends these two close."""
    exit_, entry = os.pipe()
    fcntl.fcntl(entry, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return _closed_by(reader, exit_), _closed_by(writer, entry)


def _closed_by(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor
