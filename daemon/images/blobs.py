"""The content-addressed store: a blob is a file named by its own digest.

Whatever is under a digest has that content: it is written elsewhere, hashed, and only then renamed into
place.  Renames here are not yet durable; whoever commits a record that names blobs syncs the file
system first, once for everything a load has brought, instead of one fsync per file.  After a power
loss what has no record is removed, so no half-written blob is ever trusted.

A *partial* is what has come of a blob whose download has not ended.  It outlives the download and the engine,
so that the next one goes on from there; nothing of it is trusted before the whole has its digest.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.images import digests

PARTIAL_DAYS: Final = 7  # who has not come back for a download by then does not want it any more
_DAY_SECONDS: Final = 86_400


@attrs.frozen
class BlobStore:
    """Blobs under `root`; every method but `path` does disk work of well under a millisecond."""

    root: Path

    @property
    def trash(self) -> Path:
        """Where removed blobs wait for their disk space to be given back."""
        return self.root / "trash"

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self.root / "sha256" / digests.hex_of(digest)

    def open(self) -> None:
        """Make the directories."""
        for directory in (self.root / "sha256", self.root / "partial", self.root / "tmp", self.trash):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).exists()

    def size_bytes(self, digest: str) -> int:
        """Return the size of a blob that is there."""
        return self.path(digest).stat().st_size

    def add(self, content: bytes) -> str:
        """Store small `content` and return its digest."""
        digest = digests.of(content)
        temporary = self.root / "tmp" / secrets.token_hex(8)
        temporary.write_bytes(content)
        self.adopt(temporary, digest)
        return digest

    def adopt(self, file: Path, digest: str) -> None:
        """Take over `file`, on the same file system, whose digest has been verified.

        A blob that is there already may be on the disk, which the new file is not yet: it stays.
        """
        if digest in self:
            file.unlink()
        else:
            os.rename(file, self.path(digest))

    def throw_away(self, path: Path) -> None:
        """Put a file or directory of this file system into the trash; that there is none is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.rename(path, self.trash / secrets.token_hex(8))

    def discard(self, digest: str) -> None:
        """Take a blob out of the store; its disk space is given back by emptying the trash."""
        self.throw_away(self.path(digest))

    def partial(self, digest: str) -> Path:
        """Return where what has come of a blob is, or would be."""
        return self.root / "partial" / digests.hex_of(digest)

    def publish(self, partial: Path, digest: str) -> None:
        """Store what a partial has become, whose digest has been verified, and leave it where it is as well.

        Its followers may open it a moment later still.
        """
        if digest not in self:
            os.link(partial, self.path(digest))

    def drop_partial(self, digest: str) -> None:
        """Take away the partial of a blob that is stored."""
        if digest in self:
            self.partial(digest).unlink(missing_ok=True)

    def set_aside(self, digest: str) -> None:
        """Make a blob that nobody needs now a partial: all of it has come, and somebody may come for it."""
        if digest in self:
            os.replace(self.path(digest), self.partial(digest))

    def drop_partials(self, unless: Collection[str] = (), days: float = 0) -> int:
        """Discard partials to which nothing was added for `days`, except `unless`; return their size."""
        before = time.time() - days * _DAY_SECONDS
        dropped_bytes = 0
        for file in (self.root / "partial").iterdir():
            found = file.stat()
            if digests.PREFIX + file.name not in unless and found.st_mtime <= before:
                self.throw_away(file)
                dropped_bytes += found.st_size
        return dropped_bytes

    def drop_partials_of(self, blobs: Iterable[str]) -> None:
        """Discard what has come of these blobs."""
        for digest in blobs:
            self.throw_away(self.partial(digest))

    async def read(self, digest: str) -> bytes:
        """Return a small blob whole."""
        return await trio.to_thread.run_sync(self.path(digest).read_bytes)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Discard everything else; for start-up, when nobody writes."""
        for file in (self.root / "sha256").iterdir():
            if digests.PREFIX + file.name not in wanted:
                self.discard(digests.PREFIX + file.name)
        for left in (self.root / "tmp").iterdir():
            self.throw_away(left)
