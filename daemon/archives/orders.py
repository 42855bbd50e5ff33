"""What the engine asks of its children, as JSON on their command lines.

Both sides use these values; children must start fast, so nothing here needs attrs.
"""

from __future__ import annotations

import enum
import json
from typing import Any, NamedTuple


class Whiteouts(enum.Enum):
    """What a name like `.wh.x`, by which a layer says that `x` is deleted, stands for in a tree."""

    OVERLAYFS = "overlayfs"  # a character device 0:0, or the attribute of an opaque directory
    APPLIED = "applied"  # nothing is left of it: the tree holds the lower layers' files, and `x` is deleted
    ORDINARY = "ordinary"  # it is a file's name like any other


class ExtractOrder(NamedTuple):
    """Unpack into `into` within `root`; `owner` (uid, gid) gets everything, if given.

    With `keep_kinds` no directory is replaced by something else, and nothing else by a directory.
    `news` is where a growing file's size is told, a file descriptor.
    """

    root: str
    whiteouts: Whiteouts = Whiteouts.OVERLAYFS
    into: str = ""
    keep_kinds: bool = False
    owner: tuple[int, int] | None = None
    news: int | None = None

    @classmethod
    def read(cls, text: str) -> ExtractOrder:
        """Return what `write` was given."""
        fields = json.loads(text)
        owner = tuple(fields["owner"]) if fields["owner"] else None
        return cls(**fields | {"whiteouts": Whiteouts(fields["whiteouts"]), "owner": owner})


class SplitOrder(NamedTuple):
    """Put every file of an image archive into `directory`; `news` as above."""

    directory: str
    news: int | None = None

    @classmethod
    def read(cls, text: str) -> SplitOrder:
        """Return what `write` was given."""
        return cls(**json.loads(text))


class DigestOrder(NamedTuple):
    """Say what the digest of the uncompressed file is; `root` is where that is done, `news` as above."""

    root: str
    news: int | None = None

    @classmethod
    def read(cls, text: str) -> DigestOrder:
        """Return what `write` was given."""
        return cls(**json.loads(text))


class PackOrder(NamedTuple):
    """Pack what is at `path` within `root`, following nothing.

    `top` is what that is called in the tar (`/` and `.` as well); with None a directory's members lie at the
    tar's top and it is not itself among them.  `closed` are directories, below the top, that are packed
    without what is in them.  With `chosen` only these paths (and the directories they lie in) are packed,
    and a whiteout for each of `deleted`.
    """

    root: str
    path: str = ""
    top: str | None = None
    whiteouts: Whiteouts = Whiteouts.ORDINARY
    closed: tuple[str, ...] = ()
    chosen: tuple[str, ...] | None = None
    deleted: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> PackOrder:
        """Return what `write` was given."""
        fields = json.loads(text)
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**fields | lists | {"whiteouts": Whiteouts(fields["whiteouts"])})


class CompareOrder(NamedTuple):
    """Say what the tree `upper` has over the tree `lower`."""

    lower: str | None
    upper: str

    @classmethod
    def read(cls, text: str) -> CompareOrder:
        """Return what `write` was given."""
        return cls(**json.loads(text))


class StackOrder(NamedTuple):
    """Say what the tree `upper`, in overlayfs form, has over the trees `lowers`, uppermost first."""

    lowers: tuple[str, ...]
    upper: str

    @classmethod
    def read(cls, text: str) -> StackOrder:
        """Return what `write` was given."""
        fields = json.loads(text)
        return cls(tuple(fields["lowers"]), fields["upper"])


def write(order: NamedTuple) -> str:
    """Return an order as an argument."""
    fields: dict[str, Any] = order._asdict()
    return json.dumps(fields, default=lambda member: member.value)
