"""The directory that a child gets as its root, as a mount that only the child has, and that is gone with it.

If it is INERT, no device in it can be opened and no program run, whatever an archive puts there.

Source: mount_setattr(2), open_tree(2).
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from daemon import syscalls
from daemon.errors import Failed


@asynccontextmanager
async def place(directory: Path, attributes: int) -> AsyncGenerator[tuple[str, int], None]:
    """Lend what a child calls its root, with these MOUNT_ATTR_* flags, and the file to pass on for it.

    Raises:
        Failed: the kernel refused.

    """
    try:
        mount = await trio.to_thread.run_sync(syscalls.detached, directory, attributes)
    except OSError as error:
        raise Failed(f"cannot confine a child to its directory: {error}") from error
    try:
        yield f"/proc/self/fd/{mount}", mount
    finally:
        os.close(mount)
