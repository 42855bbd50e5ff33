"""Measuring and deleting whole directory trees that containers have filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess  # ruff: ignore[suspicious-subprocess-import]  for a fixed command, in a thread where trio cannot run one
from pathlib import Path


def size_bytes(directory: Path) -> int:
    """Return the size of all files below `directory`, one with several names once; blocks.

    What vanishes while it is being measured is not counted.
    """
    total, seen, waiting = 0, set(), [os.fspath(directory)]
    while waiting:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    total += 0 if found.st_ino in seen else found.st_size
                    seen.add(found.st_ino)
    return total


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
