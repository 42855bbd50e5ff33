"""How a tar is placed in a tree; a child reads it from its command line.

What a name like `.wh.x`, by which a layer says that `x` is deleted, becomes there:
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

OVERLAYFS: Final = "overlayfs"  # a character device 0:0, or the attribute of an opaque directory
APPLIED: Final = "applied"  # nothing: `x` is deleted from the tree, in which the lower layers are
ORDINARY: Final = "ordinary"  # it is a file's name like any other


class Placing:
    """Unpack into the directory `into`; `owner` (uid, gid) gets everything, if given.

    With `keep_kinds` no directory is replaced by something else, and nothing else by a directory.
    """

    __slots__ = ("into", "keep_kinds", "owner", "whiteouts")

    def __init__(
        self,
        whiteouts: str = OVERLAYFS,
        into: str = "",
        *,
        keep_kinds: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        self.whiteouts, self.into, self.keep_kinds, self.owner = whiteouts, into, keep_kinds, owner

    @classmethod
    def read(cls, whiteouts: str, into: str, keep_kinds: str, owner: str) -> Placing:
        """Return what these words of a command line say."""
        uid, _, gid = owner.partition(":")
        numbers = (int(uid), int(gid)) if owner else None
        return cls(whiteouts, into, keep_kinds=bool(keep_kinds), owner=numbers)
