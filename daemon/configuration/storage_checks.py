"""What may be said of the storage driver: built-in ones have no options, a plugin gets what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from daemon.settings import Settings

BUILT_IN: Final = ("overlay2", "overlay", "vfs")
ABSENT: Final = frozenset({"aufs", "btrfs", "devicemapper", "fuse-overlayfs", "zfs"})
"""What dockerd has or had of its own; as a plugin's name each would mislead."""
_PLUGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def driver_problem(name: str) -> str | None:
    """Return what is wrong with a storage driver's name."""
    if name in ABSENT:
        return f"{name} is not supported: use overlay2, vfs or the name of a graph driver plugin"
    if name and not _PLUGIN.fullmatch(name):
        return f"invalid value {name!r}: use overlay2, vfs or the name of a graph driver plugin"
    return None


def check_storage(settings: Settings) -> Iterator[str]:
    """Name what is wrong with the options, given the driver."""
    driver = settings.storage_driver
    if settings.storage_opts and (not driver or driver in BUILT_IN):
        yield f"storage-opts: {driver or 'overlay2'} has no options, only graph driver plugins may have some"
        return
    for option in settings.storage_opts:
        key, equals, _ = option.partition("=")
        if not key or not equals:
            yield f"storage-opts: {option!r} is not key=value"
