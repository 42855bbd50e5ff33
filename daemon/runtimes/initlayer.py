"""What dockerd leaves in every root filesystem, in a layer between the image and the container.

The empty file by which programs find out that they are in a container, and the link by which old ones find
what is mounted.  The other files of that layer are places for mounts, which runtimes make themselves.

Source: what dockerd 20.10 was seen to make; proc(5) for /proc/mounts.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from daemon.runtimes.inroot import open_beneath

MARKER: Final = ".dockerenv"
MTAB: Final = "etc/mtab"
MOUNTS: Final = "/proc/mounts"
_IN_THE_WAY: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # files, and links to nowhere


def furnish(rootfs: Path) -> None:
    """Put both into a root filesystem; what is there of these names, or in their way, stays.

    Raises:
        OSError: the disk refuses.

    """
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileExistsError):  # which a link would be too, so nothing leads away
            os.close(os.open(MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755, dir_fd=root))
        _link(root)
    finally:
        os.close(root)


def _link(root: int) -> None:
    directory, _, name = MTAB.partition("/")
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o755, dir_fd=root)
        place = open_beneath(root, directory, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return
        raise
    try:
        with contextlib.suppress(FileExistsError):
            os.symlink(MOUNTS, name, dir_fd=place)
    finally:
        os.close(place)
