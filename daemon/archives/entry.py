"""One member of a tar, as it is to become a file."""

from __future__ import annotations

from typing import Final, NamedTuple

HARD_LINK: Final = 0  # beside the file types of stat(2), none of which is 0
XATTR_RECORD: Final = "SCHILY.xattr."
# `trusted.*` steers overlayfs itself, so no layer may bring any; the rest is the container's own business.
XATTR_NAMESPACES: Final = ("security.", "user.", "system.posix_acl_")


class Entry(NamedTuple):
    """Names are bytes, without slashes at either end; the root's is empty.

    `kind` is a file type of stat(2) or `HARD_LINK`; `size` that of the file with its holes; `extents` are the
    (offset, length) of what is not a hole, or None for a file without.
    """

    name: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0
    target: bytes = b""
    device: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()
    extents: tuple[tuple[int, int], ...] | None = None
