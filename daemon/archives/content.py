"""Writing what is in a file, and its extended attributes."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.archives.entry import Entry


def write(target: int, piece: memoryview) -> None:
    """Write all of `piece`."""
    written = os.write(target, piece)
    while written < len(piece):
        written += os.write(target, piece[written:])


def write_extents(target: int, entry: Entry, pieces: Iterable[memoryview]) -> None:
    """Write a file's data, which comes in one piece, to where it belongs between the holes."""
    supply = iter(pieces)
    piece = memoryview(b"")
    for offset, length in entry.extents or ():
        os.lseek(target, offset, os.SEEK_SET)
        left = length
        while left:
            piece = piece or next(supply)
            write(target, piece[:left])
            left, piece = max(left - len(piece), 0), piece[left:]
    os.ftruncate(target, entry.size)


def set_xattrs(entry: Entry, file: int | bytes) -> None:
    """Give a file, open or by its name, the attributes of `entry`."""
    for name, value in entry.xattrs:
        try:
            if isinstance(file, int):
                os.setxattr(file, name, value)
            else:
                os.setxattr(file, name, value, follow_symlinks=False)
        except OSError as error:
            # A file system without this kind of attribute still makes a usable image, but a program
            # that silently lost its capabilities does not.
            if error.errno not in {errno.ENOTSUP, errno.EPERM} or name == "security.capability":
                raise
