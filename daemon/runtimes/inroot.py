"""Opening paths inside a container's root so that nothing in there can lead outside.

The kernel resolves the path with RESOLVE_IN_ROOT: `..` stops at the root, absolute symbolic links start
there, /proc's magic links are refused.  So a path that an image or a client named is never joined
to a host path by string, and there is no moment between a check and its use.

Source: openat2(2), Linux 5.6.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from daemon.errors import InvalidParameter

_SYS_OPENAT2: Final = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_IN_ROOT: Final = 0x10


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def open_in_root(root: Path, path: str, flags: int) -> int:
    """Open `path` as a process with its root directory at `root` would see it.

    Returns:
        A file descriptor, close-on-exec, which the caller closes.

    Raises:
        OSError: as open(2).

    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_beneath(root_fd, path, flags)
    finally:
        os.close(root_fd)


def open_beneath(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """Do the same below a directory that is already open; `mode` is for O_CREAT."""
    if "\0" in path:  # the kernel would see only what is before it
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    how = _OpenHow(flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    found = _syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root_fd),
        os.fsencode(path) or b".",
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(found)


def ensure_in_root(root: Path, path: str) -> None:
    """Make the directory `path` inside `root`, with its parents, unless it is there; blocks.

    New directories belong to root with mode 0755, as Docker makes a missing working directory.

    Raises:
        InvalidParameter: something that is not a directory is in the way.

    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _make_directories(root_fd, [part for part in path.split("/") if part not in {"", "."}])
    except (NotADirectoryError, FileExistsError):
        raise InvalidParameter(f"Cannot mkdir: {path} is not a directory") from None
    except OSError as error:
        raise InvalidParameter(f"Cannot mkdir: {path}: {error.strerror}") from error
    finally:
        os.close(root_fd)


def _make_directories(root_fd: int, parts: list[str]) -> None:
    """Open each prefix anew from the root, so that a link in the middle is followed within it."""
    for depth in range(1, len(parts) + 1):
        try:
            os.close(open_beneath(root_fd, "/".join(parts[:depth]), os.O_PATH | os.O_DIRECTORY))
        except FileNotFoundError:
            parent = open_beneath(root_fd, "/".join(parts[: depth - 1]), os.O_PATH | os.O_DIRECTORY)
            try:
                os.mkdir(parts[depth - 1], 0o755, dir_fd=parent)
            finally:
                os.close(parent)
