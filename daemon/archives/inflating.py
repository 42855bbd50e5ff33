"""Decompressing what somebody else is to unpack, in a confined child; the bytes pass through the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import attrs
import trio

from daemon.archives import sandbox
from daemon.archives.children import ended, ending, is_hosts_fault, opened
from daemon.archives.supply import PIPE_BYTES, Archived, Feed, supplied
from daemon.errors import Failed, InvalidParameter

ANSWER_BYTES: Final = 2000


@attrs.define(eq=False)
class Inflated:
    """The bytes as they come; no generator, so nothing is left over when nobody reads to the end."""

    process: trio.Process
    diff_id: str = ""  # known at the end
    failure: Exception | None = None

    def __aiter__(self) -> Inflated:
        return self

    async def __anext__(self) -> bytes:
        """Return some bytes.

        Raises:
            InvalidParameter: it cannot be decompressed.
            EngineError: what a growing file was broken off with.

        """
        assert self.process.stdout
        assert self.process.stderr
        if self.diff_id:
            raise StopAsyncIteration
        if chunk := await self.process.stdout.receive_some(PIPE_BYTES):
            return bytes(chunk)
        said = (await self.process.stderr.receive_some(ANSWER_BYTES)).decode(errors="replace")
        status = await self.process.wait()
        if self.failure is not None:
            raise self.failure
        if is_hosts_fault(status):
            raise Failed(f"cannot decompress: {said or ending(status)}")
        if status != 0:
            raise InvalidParameter(f"invalid archive: {said or ending(status)}")
        self.diff_id = said
        raise StopAsyncIteration

    async def feed(self, feed: Feed) -> None:
        """Give the child what it needs; when that fails, so does the reading."""
        try:
            await feed()
        except Exception as error:  # whatever the source of the archive has
            self.failure = error
            self.process.kill()


@asynccontextmanager
async def inflated(archived: Archived) -> AsyncGenerator[Inflated, None]:
    """Lend what is in an archive, compressed or not.

    Raises:
        Failed: it cannot be read.

    """
    async with supplied(archived) as (stdin, news, feed):
        arguments = (str(sandbox.EMPTY), "" if news is None else str(news))
        process = await opened("inflate", arguments, stdin, () if news is None else (news,))
        found = Inflated(process)
        try:
            async with _beside(partial(found.feed, feed)):
                yield found
        finally:
            with trio.CancelScope(shield=True):  # it is killed, so this cannot take long
                await ended(process)


@asynccontextmanager
async def _beside(work: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    """Do something that raises nothing beside the block, and no longer.

    It is no task of a nursery, so that what the block raises comes out as it is, and not in a group.
    """
    scope, done = trio.CancelScope(), trio.Event()

    async def run() -> None:
        try:
            with scope:
                await work()
        finally:
            done.set()

    trio.lowlevel.spawn_system_task(run)
    try:
        yield
    finally:
        scope.cancel()
        with trio.CancelScope(shield=True):  # it has been cancelled
            await done.wait()
