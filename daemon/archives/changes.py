"""What one tree has over another."""

from __future__ import annotations

import enum
import os
from typing import Final, NamedTuple

from daemon.archives.errors import BadArchive

LISTED_LIMIT_BYTES: Final = 1 << 28  # of paths; the engine gets the list in one piece


class Kind(enum.IntEnum):
    """How a file differs; the values are those of Docker's API."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


class Change(NamedTuple):
    """One path that differs, absolute within the tree; bytes that are not UTF-8 are surrogates (PEP 383)."""

    path: str
    kind: Kind


class Gathered:
    """Changes in the order in which they are found.

    Directories can be nested so deeply that a few thousand of them have gigabytes of paths.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[str, Kind]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.changes)

    def add(self, path: bytes, kind: Kind) -> None:
        """Add one.

        Raises:
            BadArchive: that would be more than could be told.

        """
        self._bytes += len(path)
        if self._bytes > LISTED_LIMIT_BYTES:
            raise BadArchive("more files differ, or lie deeper, than could be listed")
        self.changes.append((os.fsdecode(path), kind))

    def take_back(self) -> None:
        """Remove the last one."""
        path, _ = self.changes.pop()
        self._bytes -= len(os.fsencode(path))
