"""Writing a tar to a pipe: small pieces are gathered, and what is in files never leaves the kernel."""

from __future__ import annotations

import os
from typing import Final

CHUNK_BYTES: Final = 1 << 20
_GATHER_BYTES: Final = 1 << 16


class Output:
    """The tar on a pipe; small pieces are gathered."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._gathered = bytearray()

    def add(self, piece: bytes) -> None:
        """Add bytes."""
        self._gathered += piece
        if len(self._gathered) >= _GATHER_BYTES:
            self.flush()

    def add_file(self, file: int, size: int) -> None:
        """Add `size` bytes of a file, and zeros for those it has not any more."""
        if size < _GATHER_BYTES:
            content = os.read(file, size)
            self.add(content.ljust(size, b"\0"))
            return
        self.flush()
        left = size
        while left and (sent := os.sendfile(self._descriptor, file, None, min(left, CHUNK_BYTES))):
            left -= sent
        while left:
            zeros = bytes(min(left, CHUNK_BYTES))
            self._write(zeros)
            left -= len(zeros)

    def flush(self) -> None:
        """Write what has been gathered."""
        self._write(bytes(self._gathered))
        self._gathered.clear()

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]
