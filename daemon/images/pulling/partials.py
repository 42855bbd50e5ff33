"""The file that a download goes into: found again, hashed as it grows, and only trusted as a whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from daemon.failpoints import reached
from daemon.images import digests

READ_BYTES: Final = 1 << 20


class Partial:
    """A partial that is being added to; every method blocks, and is for one thread at a time.

    Attributes:
        found_bytes: what was there from an earlier download.
        size_bytes: what is there now.

    """

    def __init__(self, path: Path, whole_bytes: int) -> None:
        """Open the partial at `path`, of a blob of `whole_bytes`; one that is larger begins anew."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._hash = hashlib.sha256()
        self.found_bytes = self.size_bytes = 0
        try:
            self._find(whole_bytes)
        except BaseException:
            self.close()
            raise

    def _find(self, whole_bytes: int) -> None:
        if os.fstat(self._file).st_size > whole_bytes:
            os.ftruncate(self._file, 0)
        while piece := os.read(self._file, READ_BYTES):
            self._hash.update(piece)
            self.size_bytes += len(piece)
        self.found_bytes = self.size_bytes

    def add(self, piece: bytes) -> int:
        """Add `piece`; return how much there is now."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self._file, view) :]
        self._hash.update(piece)
        self.size_bytes += len(piece)
        reached("image-partial-grown")
        return self.size_bytes

    @property
    def digest(self) -> str:
        """The digest of what is there."""
        return digests.PREFIX + self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
