"""System calls that Python 3.11 does not offer: mounts, syncfs, namespaces; all in section 2.

Each blocks for as long as the kernel likes: call them in a thread.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Final

MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8
MS_RDONLY: Final = 1
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MOUNT_ATTR_RDONLY: Final = 1
MOUNT_ATTR_NOSUID: Final = 2
MOUNT_ATTR_NODEV: Final = 4
MOUNT_ATTR_NOEXEC: Final = 8
INERT: Final = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC  # for files that others have made
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWNET: Final = 0x40000000
# The C library has no function for it; newer architectures share one table of numbers.
_PIVOT_ROOT: Final = {"x86_64": 155, "armv7l": 218, "ppc64le": 203, "s390x": 217}.get(platform.machine(), 41)
_OPEN_TREE: Final = ctypes.c_long(428)  # like all later ones it has the same number on every architecture
_MOUNT_SETATTR: Final = ctypes.c_long(442)
_OPEN_TREE_CLONE: Final = 1
_SYNC_FILE_RANGE_WRITE: Final = 2
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "cleared", "propagation", "user_namespace"))


def mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    """Mount `source` on `target`.

    Raises:
        OSError: the kernel refused; `filename` is the target.

    """
    arguments = (
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        os.fsencode(options),
    )
    _check(_LIBC.mount(*arguments), target)


def unmount(target: Path, flags: int = 0) -> None:
    """Unmount what is mounted on `target`; EINVAL when nothing is.

    Raises:
        OSError: the kernel refused.

    """
    _check(_LIBC.umount2(os.fsencode(target), flags), target)


def pivot_root(new_root: Path, old_root: Path) -> None:
    """Make the mount at `new_root` the root of the mount namespace, and put the old one at `old_root`.

    Raises:
        OSError: the kernel refused.

    """
    arguments = ctypes.c_long(_PIVOT_ROOT), os.fsencode(new_root), os.fsencode(old_root)
    _check(_LIBC.syscall(*arguments), new_root)


def detached(directory: Path, attributes: int) -> int:
    """Return a file that is `directory`, as a mount that lies nowhere, with these MOUNT_ATTR_* flags.

    What is mounted below it is not in it.  It is gone when all who have the file have closed it.

    Raises:
        OSError: the kernel refused; ENOSYS before Linux 5.12.  `filename` is the directory.

    """
    arguments = _AT_FDCWD, os.fsencode(directory), _OPEN_TREE_CLONE | os.O_CLOEXEC
    opened = int(_LIBC.syscall(_OPEN_TREE, *arguments))
    _check(min(opened, 0), directory)
    try:
        _set_attributes(opened, b"", _AT_EMPTY_PATH, attributes)
    except OSError:
        os.close(opened)
        raise
    return opened


def restrict_mounts(directory: Path, attributes: int) -> None:
    """Set MOUNT_ATTR_* flags of the mount at `directory` and of all below it.

    Raises:
        OSError: the kernel refused.

    """
    _set_attributes(_AT_FDCWD, os.fsencode(directory), _AT_RECURSIVE, attributes)


def _set_attributes(parent: int, path: bytes, flags: int, attributes: int) -> None:
    wanted = _MountAttributes(attributes)
    size_bytes = ctypes.c_size_t(ctypes.sizeof(wanted))
    _check(_LIBC.syscall(_MOUNT_SETATTR, parent, path, flags, ctypes.byref(wanted), size_bytes))


def sync_filesystem(directory: Path) -> None:
    """Return when all that was written to the file system of `directory` would survive a power loss.

    Raises:
        OSError: the disk refused.

    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _check(_LIBC.syncfs(descriptor), directory)
    finally:
        os.close(descriptor)


def begin_writing_out(file: Path) -> None:
    """Have the kernel begin to write a file's content to disk; nothing is promised by that.

    Raises:
        OSError: the kernel refused.

    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        everything = ctypes.c_int64(0), ctypes.c_int64(0)
        _check(_LIBC.sync_file_range(descriptor, *everything, _SYNC_FILE_RANGE_WRITE), file)
    finally:
        os.close(descriptor)


def enter_namespace(descriptor: int, kind: int) -> None:
    """Put the calling thread into the namespace of `kind` (one CLONE_NEW* flag) that `descriptor` is open on.

    Raises:
        OSError: the kernel refused; EINVAL if it is no namespace of that kind.

    """
    _check(_LIBC.setns(descriptor, kind))


def leave_behind(kind: int) -> None:
    """Put the calling thread into a new namespace of `kind` (one CLONE_NEW* flag).

    Raises:
        OSError: the kernel refused.

    """
    _check(_LIBC.unshare(kind))


def _check(result: int, path: Path | None = None) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), *([str(path)] if path else []))
