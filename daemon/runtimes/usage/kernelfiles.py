"""Small files that the kernel writes when they are read: their bytes, and the shapes that these come in.

What is not as expected is passed over: kernels add lines, and leave files out.

Source: cgroups(7), Documentation/admin-guide/cgroup-v1 and cgroup-v2 of Linux.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from daemon.runtimes.usage.sample import NO_LIMIT

READ_BYTES: Final = 8192
DIGITS: Final = 20  # of the largest number of 64 bits
GONE: Final = frozenset(
    {
        errno.ENOENT,  # never there, or not any more
        errno.ENOTDIR,
        errno.ENODEV,  # a cgroup that was removed after its file was opened
        errno.ESRCH,  # a process that has ended
        errno.EINVAL,  # a process that has ended, too, but not been waited for: it has no network
        errno.EOPNOTSUPP,  # a file that the controller cannot serve here
    }
)


def content(path: str) -> bytes:
    """Return what a file has; nothing if it is not there, or what it tells of has gone meanwhile.

    Raises:
        OSError: it cannot be read for a reason that lies with us.

    """
    try:
        return _read(path)
    except OSError as error:
        if error.errno in GONE:
            return b""
        raise


def _read(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(file, READ_BYTES):  # some files come a page at a time
            pieces.append(piece)
    finally:
        os.close(file)
    return b"".join(pieces)


def number(text: bytes) -> int | None:
    """Return the number that `text` is, NO_LIMIT for `max` and what is beyond; None if it is neither."""
    word = text.strip()
    if word.isdigit() and len(word) <= DIGITS:
        return min(int(word), NO_LIMIT)
    return NO_LIMIT if word == b"max" else None


def numbers(text: bytes) -> tuple[int, ...]:
    """Return all numbers of a text that is a row of them."""
    found = (number(word) for word in text.split())
    return tuple(value for value in found if value is not None)


def table(text: bytes) -> dict[bytes, int]:
    """Return the lines `name number`, by name."""
    found = {}
    for line in text.split(b"\n"):
        name, _, rest = line.partition(b" ")
        if (value := number(rest)) is not None:
            found[name] = value
    return found


def device(word: bytes) -> tuple[int, int] | None:
    """Return the numbers of a disk written as `major:minor`, None if `word` is something else."""
    found = tuple(number(part) for part in word.split(b":"))
    match found:
        case (int(major), int(minor)):
            return major, minor
        case _:
            return None
