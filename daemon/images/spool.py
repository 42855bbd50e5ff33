"""A client's upload on disk, and whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from daemon.archives import sandbox
from daemon.archives.sandbox import Archive
from daemon.errors import Failed


@attrs.define(eq=False)
class Spool:
    """A file or directory that belongs to whoever receives it, until an actor claims it and discards it.

    Only so can both be cancelled at any moment without it staying behind, or vanishing under a job that is
    still reading it.  `throw_away` has it deleted.
    """

    path: Path
    _throw_away: Callable[[Path], None]
    claimed: bool = attrs.field(default=False, init=False)

    def claim(self) -> None:
        """Make it the caller's."""
        self.claimed = True

    def discard(self) -> None:
        """Throw it away, or what is left of it."""
        self._throw_away(self.path)

    def discard_unclaimed(self) -> None:
        """Throw it away unless someone has claimed it."""
        if not self.claimed:
            self.discard()


async def fill(spool: Spool, chunks: AsyncIterator[bytes]) -> None:
    """Write all of `chunks` to a file; asks for the next one only when the last one is written.

    Raises:
        Failed: the disk is full, or broken.

    """
    with _stored():
        async with await trio.open_file(spool.path, "xb", buffering=0) as file:
            async for chunk in chunks:
                await file.write(chunk)


async def take_apart(spool: Spool, chunks: AsyncIterator[bytes]) -> Archive:
    """Make a directory of the files of an image archive while it arrives, so that it is never on disk itself.

    Raises:
        InvalidParameter: it is not a tar, or a broken one; not all of it has been asked for then.
        Failed: the disk is full, or broken.

    """
    with _stored():
        await trio.to_thread.run_sync(spool.path.mkdir, 0o700)
    return await sandbox.split(chunks, spool.path)


@contextmanager
def _stored() -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise Failed(f"cannot store the upload: {error.strerror or error}") from error
