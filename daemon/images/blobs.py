"""The content-addressed store: a blob is a file named by its own digest.

Whatever is under a digest has that content: it is written elsewhere, hashed, and only then renamed into
place.  Renames here are not yet durable; whoever commits a record that names blobs syncs the file
system first, once for everything a load has brought, instead of one fsync per file.  After a power
loss what has no record is removed, so no half-written blob is ever trusted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Generator
from pathlib import Path

import attrs
import trio

from daemon.images import digests


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
        for directory in (self.root / "sha256", self.root / "tmp", self.trash):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).exists()

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

    @contextlib.contextmanager
    def staging(self) -> Generator[Path, None, None]:
        """Lend an empty directory on the store's file system; what is left in it goes to the trash."""
        directory = self.root / "tmp" / secrets.token_hex(8)
        directory.mkdir()
        try:
            yield directory
        finally:
            os.rename(directory, self.trash / secrets.token_hex(8))

    def discard(self, digest: str) -> None:
        """Take a blob out of the store; its disk space is given back by emptying the trash."""
        if digest in self:
            os.replace(self.path(digest), self.trash / secrets.token_hex(8))

    async def read(self, digest: str) -> bytes:
        """Return a small blob whole."""
        return await trio.to_thread.run_sync(self.path(digest).read_bytes)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Discard everything else; for start-up, when nobody writes."""
        for file in (self.root / "sha256").iterdir():
            if digests.PREFIX + file.name not in wanted:
                self.discard(digests.PREFIX + file.name)
        for left in (self.root / "tmp").iterdir():
            os.rename(left, self.trash / secrets.token_hex(8))
