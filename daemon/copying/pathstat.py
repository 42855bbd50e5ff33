"""What a client is told of a file in a container before it gets it: the header of Docker's archive calls."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

# Go's file modes (io/fs.FileMode), by those of stat(2): the types, then the bits above the permissions.
_TYPES: Final[Mapping[int, int]] = MappingProxyType(
    {
        stat.S_IFDIR: 1 << 31,
        stat.S_IFLNK: 1 << 27,
        stat.S_IFBLK: 1 << 26,
        stat.S_IFCHR: 1 << 26 | 1 << 21,
        stat.S_IFIFO: 1 << 25,
        stat.S_IFSOCK: 1 << 24,
    }
)
_BITS: Final[Mapping[int, int]] = MappingProxyType(
    {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}
)


@attrs.frozen
class PathStat:
    """A file; `mode` is that of stat(2), `link_target` where in the container a symbolic link leads."""

    name: str
    size: int
    mode: int
    mtime_ns: int
    link_target: str = ""


def go_mode(mode: int) -> int:
    """Return a mode of stat(2) as Go has it."""
    special = sum(bit for own, bit in _BITS.items() if mode & own)
    return _TYPES.get(stat.S_IFMT(mode), 0) | special | mode & 0o777
