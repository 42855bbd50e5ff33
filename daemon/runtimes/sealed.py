"""Copies of runtime binaries in memory that nobody can write to.

A runtime must not be overwritten by the container it enters (CVE-2019-5736), so at each call it makes itself
a protected copy and executes that: the second start costs crun a third of an `exec`.  It spares itself that
when it finds that it is such a copy already, which it knows by the seals of fcntl(2) on its memory.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

import attrs
import trio

ELF: Final = b"\x7fELF"
MFD_EXEC: Final = 0x10  # memfd_create(2), since Linux 6.3: asked for, lest the host's default forbids it
F_ADD_SEALS: Final = 1033
PIECE_BYTES: Final = 1 << 30
SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8  # exactly those that runtimes look for: seal, shrink, grow, write

Identity = tuple[int, int, int, int]


@attrs.define(eq=False)
class SealedBinaries:
    """One copy of each binary; it lives as long as the engine."""

    _copies: dict[str, tuple[Identity, str]] = attrs.field(factory=dict, init=False)

    async def executable(self, path: str) -> str:
        """Return what to execute instead of `path`.

        That is `path` itself if it is a script, or where the host's policy will have no such copies.

        Raises:
            OSError: `path` cannot be read.

        """
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        known, copy = self._copies.get(path, (None, ""))
        if known != identity:  # an older copy is kept: something may be about to execute it
            copy = await trio.to_thread.run_sync(_sealed_copy, path)
            self._copies[path] = identity, copy
        return copy


def _sealed_copy(path: str) -> str:
    with open(path, "rb") as binary:
        if os.pread(binary.fileno(), len(ELF), 0) != ELF:  # a script: what it executes sees to itself
            return path
        try:
            copy = _memory_file(os.path.basename(path))
        except PermissionError:  # the sysctl vm.memfd_noexec
            return path
        try:
            _fill(copy, binary.fileno())
        except OSError:
            os.close(copy)
            raise
    return f"/proc/{os.getpid()}/fd/{copy}"


def _fill(copy: int, binary: int) -> None:
    offset = 0
    while sent := os.sendfile(copy, binary, offset, PIECE_BYTES):
        offset += sent
    fcntl.fcntl(copy, F_ADD_SEALS, SEALS)


def _memory_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # An older kernel does not know the flag, nor any policy.
        return os.memfd_create(name, flags)
