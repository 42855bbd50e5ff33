"""The empty file by which programs find out that they are in a container, as dockerd leaves it there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

NAME: Final = ".dockerenv"


def mark(rootfs: Path) -> None:
    """Put the file into a root filesystem, unless there is something of that name.

    Raises:
        OSError: the disk refuses.

    """
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileExistsError):  # which a link would be too, so nothing leads away
            os.close(os.open(NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755, dir_fd=root))
    finally:
        os.close(root)
