"""Writing a new layer's tar down as a blob: compressed, with both of its digests found on the way."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import attrs
import trio
from isal import isal_zlib

from daemon.images import digests

LEVEL: Final = 1
GZIP_WINDOW: Final = 31  # with gzip's own header, as zlib's deflateInit2 counts


@attrs.frozen
class WrittenLayer:
    """A layer's blob at `path`; `diff_id` is the digest of the tar, `digest` that of the blob."""

    path: Path
    diff_id: str
    digest: str
    size_bytes: int


async def write_layer(path: Path, pieces: AsyncIterator[bytes]) -> WrittenLayer:
    """Write the tar of which `pieces` are to the new file `path`; asks for one when the last is written.

    Raises:
        OSError: the disk is full.

    """
    plain, compressed = hashlib.sha256(), hashlib.sha256()
    compressor = isal_zlib.compressobj(LEVEL, wbits=GZIP_WINDOW)
    size_bytes = 0
    async with await trio.open_file(path, "xb", buffering=0) as file:

        def write(content: bytes) -> int:
            compressed.update(content)
            return int(file.wrapped.write(content))

        def add(piece: bytes) -> int:
            plain.update(piece)
            return write(compressor.compress(piece))

        async for piece in pieces:
            size_bytes += await trio.to_thread.run_sync(add, piece)
        size_bytes += await trio.to_thread.run_sync(lambda: write(compressor.flush()))
    return WrittenLayer(
        path, digests.PREFIX + plain.hexdigest(), digests.PREFIX + compressed.hexdigest(), size_bytes
    )
