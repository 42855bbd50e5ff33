"""Blobs to send that lie in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from daemon.images import digests
from daemon.images.digests import Measured

CHUNK_BYTES = 1 << 20


class Opened:
    """Content that is opened from several offsets, which are noted; `digest` is what it claims to have.

    `cuts` has what is raised instead of the chunk after so many, the next time it is opened.
    """

    def __init__(self, content: bytes, digest: str = "") -> None:
        self.content, self.offsets, self.cuts = content, list[int](), list[tuple[int, Exception]]()
        self.measured: Measured | None = Measured(digest or digests.of(content), len(content))

    @contextlib.asynccontextmanager
    async def open(self, offset: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        self.offsets.append(offset)
        yield self._chunks(offset, self.cuts.pop() if self.cuts else None)

    async def _chunks(self, offset: int, cut: tuple[int, Exception] | None) -> AsyncIterator[bytes]:
        for number, start in enumerate(range(offset, len(self.content), CHUNK_BYTES)):
            if cut is not None and cut[0] == number:
                raise cut[1]
            yield self.content[start : start + CHUNK_BYTES]
        self.ended()

    def ended(self) -> None:
        """Hear that all has been read."""


class Made(Opened):
    """Content that nobody knows before its end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._known, self.measured = self.measured, None

    def ended(self) -> None:
        self.measured = self._known
