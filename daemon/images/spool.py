"""A client's upload on disk, and whose it is."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio


@attrs.define(eq=False)
class Spool:
    """A file that belongs to whoever receives it, until an actor claims it and deletes it itself.

    Only so can both be cancelled at any moment without the file staying behind, or vanishing
    under a job that is still reading it.
    """

    path: Path
    claimed: bool = attrs.field(default=False, init=False)

    def claim(self) -> None:
        """Make the file the caller's."""
        self.claimed = True

    def discard(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def discard_unclaimed(self) -> None:
        """Delete the file unless someone has claimed it."""
        if not self.claimed:
            self.discard()


def new_spool(directory: Path) -> Spool:
    """Return a spool that has no file yet."""
    return Spool(directory / secrets.token_hex(16))


async def fill(spool: Spool, chunks: AsyncIterator[bytes]) -> None:
    """Write all of `chunks`; asks for the next one only when the last one is written.

    Raises:
        OSError: the disk is full.

    """
    async with await trio.open_file(spool.path, "xb", buffering=0) as file:
        async for chunk in chunks:
            await file.write(chunk)
