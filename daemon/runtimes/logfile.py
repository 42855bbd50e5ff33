"""A container's log as an open file.

The rule: reading never holds up the event loop.  What the page cache has is read at once
(RWF_NOWAIT of preadv2(2)); what it has not is read by a thread.  Every read is a checkpoint, so a
reader at full speed lets everybody else run between two blocks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final, Self

import attrs
import trio

from daemon.runtimes.logformat import NUL

BLOCK_BYTES: Final = 128 * 1024
"""So that a block is rendered in well under a millisecond."""

LONGEST_LINE_BYTES: Final = 64 * 1024
"""No line of conmon's is half as long; what is longer is damaged, and not kept in memory."""


@attrs.define(eq=False)
class LogFile:
    """The file; a log that is not there yet reads as empty.

    `path` is where the log is written to: the file may have been that and have another name by now.
    """

    path: Path
    _fd: int = attrs.field()
    _buffer: bytearray = attrs.field(factory=lambda: bytearray(BLOCK_BYTES), init=False)

    @_fd.default
    def _open(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @classmethod
    def found(cls, path: Path, name: Path) -> Self | None:
        """Open the file of the log at `path` that is named `name`, if there is one."""
        try:
            return cls(path, os.open(name, os.O_RDONLY | os.O_CLOEXEC))
        except FileNotFoundError:
            return None

    def again(self) -> Self:
        """Open it once more, whatever its name is by now."""
        return type(self)(self.path, os.dup(self._fd))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; nothing else may be done after that."""
        os.close(self._fd)

    def is_same(self, other: LogFile) -> bool:
        """Whether both are one file."""
        return os.path.sameopenfile(self._fd, other._fd)

    @property
    def size_bytes(self) -> int:
        """How long it is now."""
        return os.fstat(self._fd).st_size

    @property
    def through_fd(self) -> str:
        """A path to exactly this file, whatever its name names by now."""
        return f"/proc/self/fd/{self._fd}"

    @property
    def replaced(self) -> bool:
        """Whether the path names another file by now."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return not os.path.samestat(there, os.fstat(self._fd))

    async def read_at(self, offset: int, size_bytes: int = BLOCK_BYTES) -> bytes:
        """Return up to `size_bytes` (at most a block) from `offset`; b"" at the end."""
        await trio.lowlevel.checkpoint()
        room = memoryview(self._buffer)[:size_bytes]
        try:
            size = os.preadv(self._fd, [room], offset, os.RWF_NOWAIT)
        except OSError:  # not in the page cache, or a file system that cannot tell
            return await trio.to_thread.run_sync(os.pread, self._fd, len(room), offset)
        return bytes(room[:size])


@attrs.define
class Lines:
    """Puts the lines back together that blocks have cut."""

    offset: int
    """Where in the file the first line starts that has not been returned yet."""

    _rest: bytes = attrs.field(default=b"", init=False)

    def whole(self, block: bytes) -> bytes:
        """Return the lines that `block` completes, newlines included."""
        data = self._rest + block
        end = data.rfind(b"\n") + 1
        self.offset += end
        self._keep(data[end:])
        return data[:end]

    def _keep(self, rest: bytes) -> None:
        """Keep the start of a line, unless it is none: it would grow without end."""
        kept = rest if len(rest) <= LONGEST_LINE_BYTES else rest.lstrip(NUL)
        if len(kept) > LONGEST_LINE_BYTES:
            kept = b""
        self.offset += len(rest) - len(kept)
        self._rest = kept
