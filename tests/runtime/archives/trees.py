"""What two trees must have in common to be called the same."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any


def facts(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return all that a tar keeps of the files below `root`; hard links by the first of their names."""
    first: dict[int, str] = {}
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*"), key=os.fsencode):
        name = str(path.relative_to(root))
        status = path.lstat()
        found[name] = (
            stat.filemode(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_rdev,
            first.setdefault(status.st_ino, name),
            path.read_bytes() if path.is_file() and not path.is_symlink() else None,
            os.readlink(path) if path.is_symlink() else None,
            {
                one: os.getxattr(path, one, follow_symlinks=False)
                for one in os.listxattr(path, follow_symlinks=False)
            },
        )
    return found
