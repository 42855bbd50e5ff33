"""Whether overlayfs works on a file system: what has to work is tried, because flags and versions lie."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from daemon.errors import Failed
from daemon.graphdrivers import trees
from daemon.graphdrivers.overlaymounts import Stack, mount, unmount

_OPAQUE: Final = "trusted.overlay.opaque"


def check_overlay(home: Path) -> None:
    """Make sure that layers can be kept and mounted below `home`; blocks.

    Raises:
        Failed: they cannot; the text says why.

    """
    probe = home / "probe"
    try:
        unmount(probe / "merged")  # of an engine that died here
        trees.delete_tree(probe)
        _try(probe)
    except OSError as error:
        raise Failed(f"overlayfs does not work on the file system of {home}: {error}") from error
    finally:
        unmount(probe / "merged")
        trees.delete_tree(probe)


def _try(probe: Path) -> None:
    lower, upper, work, merged = (probe / name for name in ("lower", "upper", "work", "merged"))
    for directory in (lower, upper, work, merged):
        directory.mkdir(parents=True)
    (lower / "hidden").touch()
    os.mknod(upper / "hidden", stat.S_IFCHR, 0)
    os.setxattr(upper, _OPAQUE, b"n")
    mount(Stack([lower], upper, work), merged)
    if os.listdir(merged):
        raise OSError(f"a deleted file is still there: {merged / 'hidden'}")
    (merged / "written").touch()
