"""What a directory lies on, under the names that Docker shows.

Source: statfs(2); moby `daemon/graphdriver/driver_linux.go` (FsNames).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

DOCKERS_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"ext2": "extfs", "ext3": "extfs", "ext4": "extfs", "overlay": "overlayfs"}
)


def kind_of(directory: Path) -> str:
    """Return what kind of file system `directory` is on; blocks."""
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    kind = next((kind for found, kind in _mounted() if found == number), "<unknown>")
    return DOCKERS_NAMES.get(kind, kind)


def _mounted() -> Iterator[tuple[str, str]]:
    """Yield the device and the kind of each file system that is mounted (proc(5), mountinfo)."""
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        yield before.split()[2], after.split()[0]
