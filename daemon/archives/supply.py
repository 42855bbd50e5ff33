"""Getting an archive to a child: a file, a file that is still growing, or what a client is sending."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from io import BufferedReader
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.archives.growing import Growing, Progress
from daemon.archives.source import COMPLETE, NEWS


@attrs.frozen
class Known:
    """A file of which the digest is known; where it is not compressed nobody needs to compute it again."""

    path: Path
    digest: str


PIPE_BYTES: Final = 1 << 20  # a pipe of the usual size has both ends wake each other for each 64 KiB
Archived = Path | Known | Growing | AsyncIterable[bytes]
Feed = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def supplied(archived: Archived) -> AsyncGenerator[tuple[int, int | None, Feed], None]:
    """Lend a child's stdin, where it is told of news if it is, and what must run beside it."""
    if isinstance(archived, Path | Known):
        with await _opened(archived if isinstance(archived, Path) else archived.path) as file:
            yield file.fileno(), None, trio.lowlevel.checkpoint
    elif isinstance(archived, Growing):
        with await _opened(archived.path) as file:
            async with _Pipe() as pipe:
                yield file.fileno(), pipe.exit, lambda: _tell(archived, pipe)
    else:
        async with _Pipe() as pipe:
            yield pipe.exit, None, lambda: _pour(archived, pipe)


class _Pipe:
    """A pipe to a child; only the child reads it, but nobody has to mind whether it still does."""

    def __init__(self) -> None:
        self.exit, entry = os.pipe()
        fcntl.fcntl(entry, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.entry = trio.lowlevel.FdStream(entry)

    async def __aenter__(self) -> _Pipe:
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self.exit)
        await self.entry.aclose()


async def _tell(growing: Growing, pipe: _Pipe) -> None:
    seen: Progress | None = None
    while seen is None or not seen.is_complete:
        seen = await growing.beyond(seen)
        await pipe.entry.send_all(NEWS.pack(seen.size_bytes | (COMPLETE if seen.is_complete else 0)))


async def _pour(chunks: AsyncIterable[bytes], pipe: _Pipe) -> None:
    async for chunk in chunks:
        await pipe.entry.send_all(chunk)
    await pipe.entry.aclose()


async def _opened(path: Path) -> BufferedReader:
    return await trio.to_thread.run_sync(path.open, "rb")
