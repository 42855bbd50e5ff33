"""Writing a new layer's tar down as a blob: compressed, with both of its digests found on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import trio

from daemon.images.packer import Packer


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
    packer = Packer()
    async with await trio.open_file(path, "xb") as file:

        def add(piece: bytes) -> None:
            file.wrapped.write(packer.pack(piece))

        async for piece in pieces:
            await trio.to_thread.run_sync(add, piece)
        await trio.to_thread.run_sync(lambda: file.wrapped.write(packer.end()))
    return WrittenLayer(path, packer.diff_id, packer.packed.digest, packer.packed.size_bytes)
