"""Measuring and deleting whole directory trees that containers have filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess  # ruff: ignore[suspicious-subprocess-import]  for a fixed command, in a thread where trio cannot run one
from collections.abc import Generator
from pathlib import Path
from typing import Final

from daemon.archives.entry import SIZE_LIMIT_BYTES

LEVELS_LIMIT: Final = 400  # each takes one of the engine's descriptors, and a call


def size_bytes(directory: Path) -> int:
    """Return the size of all files below `directory`, one with several names once; blocks.

    A container may be at work in it: no link is followed, even one that takes a directory's place meanwhile.
    What vanishes while it is being measured is not counted, nor what lies more than `LEVELS_LIMIT` deep; nor
    is more than `SIZE_LIMIT_BYTES`, which files that are all hole can claim.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), _opened(directory) as top:
        return min(_measured(top, set(), LEVELS_LIMIT), SIZE_LIMIT_BYTES)
    return 0


def _measured(directory: int, seen: set[int], levels: int) -> int:
    total, inner = 0, []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.name)
                continue
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                total += 0 if found.st_ino in seen else found.st_size
                seen.add(found.st_ino)
    for name in inner if levels else ():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), _opened(name, directory) as one:
            total += _measured(one, seen, levels - 1)
    return total


@contextlib.contextmanager
def _opened(name: Path | str, parent: int | None = None) -> Generator[int, None, None]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def delete_tree(directory: Path) -> None:
    """Delete `directory` and all below it, if it is there; blocks, so call it in a thread.

    Raises:
        OSError: something cannot be deleted.

    """
    try:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(directory)
    except RecursionError:  # a container can nest directories deeper than Python can call functions
        _delete_deep(directory)


def _delete_deep(directory: Path) -> None:
    command = ["/bin/rm", "-rf", "--", str(directory)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").strip())


def empty(directory: Path) -> None:
    """Delete everything in `directory`, which stays.

    Raises:
        OSError: something cannot be deleted.

    """
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            delete_tree(entry)
        else:
            entry.unlink(missing_ok=True)
