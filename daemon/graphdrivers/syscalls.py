"""mount(2), umount2(2) and syncfs(2), which Python's standard library does not offer.

Each blocks for as long as the kernel likes: call them in a thread.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

MNT_DETACH: Final = 2
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


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


def _check(result: int, path: Path) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path))
