"""A layer that is kept plain, as a push sends it: packed while it goes, and begun again wherever that breaks.

Nothing of it is kept.  Memory holds a piece and what that was packed to; a thread reads, packs and digests
one piece at a time, so a push that is cancelled waits for no more than that.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from io import BufferedReader
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import Failed
from daemon.images import progress
from daemon.images.digests import Measured
from daemon.images.packer import Packer
from daemon.images.progress import State, TellState

PIECE_BYTES: Final = 1 << 20  # always this many, since what comes out may depend on it


@attrs.define(eq=False)
class PackedLayer:
    """The tar with the digest `diff_id` at `path`, as gzip; what that is known by is known at its end."""

    path: Path
    diff_id: str
    tell: TellState
    measured: Measured | None = attrs.field(default=None, init=False)

    @contextlib.asynccontextmanager
    async def open(self, offset_bytes: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Open it at an offset; what comes before is packed again and passed over."""
        file = await trio.to_thread.run_sync(lambda: self.path.open("rb"))
        with file:
            yield _Pieces(self, file, offset_bytes, self.path.stat().st_size)


@attrs.define(eq=False)
class _Pieces:
    """The bytes from `skip_bytes` on; no generator, so that none is left suspended where the sending ends."""

    layer: PackedLayer
    file: BufferedReader
    skip_bytes: int
    whole_bytes: int
    _packer: Packer = attrs.field(factory=Packer, init=False)
    _read_bytes: int = attrs.field(default=0, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            self.layer.tell(State(progress.PUSHING, self._read_bytes, self.whole_bytes))
            if packed := await trio.to_thread.run_sync(self._step):
                return packed
        raise StopAsyncIteration

    def _step(self) -> bytes:
        """Pack one piece, and return what is to be sent of that; in a thread."""
        before_bytes = self._packer.packed_bytes
        piece = self.file.read(PIECE_BYTES)
        self._read_bytes += len(piece)
        packed = self._packer.pack(piece) if piece else self._end()
        return packed[max(0, self.skip_bytes - before_bytes) :]

    def _end(self) -> bytes:
        left = self._packer.end()
        diff_id = self.layer.diff_id
        if self._packer.diff_id != diff_id:
            raise Failed(f"the image cannot be pushed: its blob {diff_id} is damaged here; load it again")
        self.layer.measured, self._ended = self._packer.packed, True
        return left
