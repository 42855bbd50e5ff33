"""Blobs to send that lie in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from daemon.images import digests
from daemon.images.digests import Measured

CHUNK_BYTES = 1 << 20


class Opened:
    """Content that is opened from several offsets, which are noted; `digest` is what it claims to have."""

    def __init__(self, content: bytes, digest: str = "") -> None:
        self.content, self.offsets = content, list[int]()
        self.measured: Measured | None = Measured(digest or digests.of(content), len(content))

    @contextlib.asynccontextmanager
    async def open(self, offset: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        self.offsets.append(offset)
        yield self._chunks(offset)

    async def _chunks(self, offset: int) -> AsyncIterator[bytes]:
        for start in range(offset, len(self.content), CHUNK_BYTES):
            yield self.content[start : start + CHUNK_BYTES]


class Made(Opened):
    """Content that nobody knows before its end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._known, self.measured = self.measured, None

    async def _chunks(self, offset: int) -> AsyncIterator[bytes]:
        async for chunk in super()._chunks(offset):
            yield chunk
        self.measured = self._known
