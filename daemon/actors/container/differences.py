"""What a container has changed, without what was made for it.

A runtime makes a place in the root filesystem for each mount.  Those of the engine's own mounts say nothing
of the container, nor does what each container is given: dockerd makes them in a layer of their own, below
what it compares.  They are empty, or a certain link; whoever puts something there has changed the container.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import trio

from daemon.archives.changes import Change, Kind
from daemon.graphdrivers.base import GraphDriver
from daemon.runtimes.initlayer import MARKER, MOUNTS, MTAB
from daemon.runtimes.inroot import open_in_root

LINKS: Final = {f"/{MTAB}": MOUNTS}
PLACES: Final = frozenset(
    {"/dev", "/proc", "/sys", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts", f"/{MARKER}", *LINKS}
)


def visible(changes: Sequence[Change], is_untouched: Callable[[str], bool]) -> tuple[Change, ...]:
    """Return the changes that are the container's own, in their order.

    A directory that is listed only because of a place that was made in it is not.
    """
    places = {
        change.path
        for change in changes
        if change.kind is Kind.ADDED and change.path in PLACES and is_untouched(change.path)
    }
    own = [change for change in changes if change.path not in places]
    ancestors = {place.rpartition("/")[0] for place in places} - {""}
    busy = {parent for change in own for parent in ancestors if change.path.startswith(f"{parent}/")}
    return tuple(change for change in own if change.path not in ancestors - busy)


async def changes_of(container_id: str, rootfs: Path, graph_driver: GraphDriver) -> tuple[Change, ...]:
    """Return what a container, whose root filesystem is mounted at `rootfs`, has changed itself.

    Raises:
        Failed: something cannot be read.

    """
    changes = await graph_driver.changes(container_id)
    return await trio.to_thread.run_sync(visible, changes, untouched_in(rootfs))


def untouched_in(rootfs: Path) -> Callable[[str], bool]:
    """Return a function that tells whether a path of `rootfs` is as it was made: empty, or a link."""

    def is_untouched(path: str) -> bool:
        how = os.O_PATH if path in LINKS else os.O_RDONLY | os.O_NONBLOCK
        try:
            found = open_in_root(rootfs, path, how | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            return _target(found) == LINKS[path] if path in LINKS else _is_empty(found)
        finally:
            os.close(found)

    return is_untouched


def _is_empty(found: int) -> bool:
    status = os.fstat(found)
    return not os.listdir(found) if stat.S_ISDIR(status.st_mode) else status.st_size == 0


def _target(found: int) -> str:
    """Return where a link leads, or "" for what is none."""
    return os.readlink("", dir_fd=found) if stat.S_ISLNK(os.fstat(found).st_mode) else ""
