"""One member of a tar, as it is to become a file or was made of one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

BLOCK_BYTES: Final = 512
# What all files of a tree may have together; holes can claim more than JSON or a disk has numbers for.
SIZE_LIMIT_BYTES: Final = 1 << 53
HARD_LINK: Final = 0  # beside the file types of stat(2), none of which is 0
XATTR_RECORD: Final = "SCHILY.xattr."
# `trusted.*` steers overlayfs itself, so no layer may bring any; the rest is the container's own business.
XATTR_NAMESPACES: Final = ("security.", "user.", "system.posix_acl_")


class Entry:
    """A name without slashes at either end, where it was read from a tar; the root's is empty.

    `kind` is a file type of stat(2) or `HARD_LINK`; `size` that of the file with its holes; `extents` are the
    (offset, length) of what is not a hole, or None for a file without.
    """

    __slots__ = (
        "device",
        "extents",
        "gid",
        "kind",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "target",
        "uid",
        "xattrs",
    )

    def __init__(
        self,
        name: bytes,
        kind: int,
        mode: int,
        uid: int,
        gid: int,
        mtime_ns: int,
        size: int = 0,
        target: bytes = b"",
        device: int = 0,
        xattrs: tuple[tuple[str, bytes], ...] = (),
        extents: tuple[tuple[int, int], ...] | None = None,
    ) -> None:
        self.name, self.kind, self.mode = name, kind, mode
        self.uid, self.gid, self.mtime_ns, self.size = uid, gid, mtime_ns, size
        self.target, self.device, self.xattrs, self.extents = target, device, xattrs, extents
