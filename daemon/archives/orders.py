"""What the engine asks of its children.

Those that unpack start many at a time and must start fast: they are told by plain words on their command
lines.  The others read JSON from their stdin.
"""

from __future__ import annotations

import enum
import json
from typing import NamedTuple

from daemon.archives import placing


class Whiteouts(enum.Enum):
    """What a name like `.wh.x`, by which a layer says that `x` is deleted, stands for in a tree."""

    OVERLAYFS = placing.OVERLAYFS
    APPLIED = placing.APPLIED
    ORDINARY = placing.ORDINARY


class ExtractOrder(NamedTuple):
    """Unpack into the directory `into` of `root`; `daemon.archives.placing` says how.

    The diff ID is told if it is to be `hashed`; `known` is that of an archive that is not compressed.
    """

    root: str
    whiteouts: Whiteouts
    into: str
    keep_kinds: bool
    owner: tuple[int, int] | None
    hashed: bool
    known: str

    def arguments(self, news: int | None) -> tuple[str, ...]:
        """Return it as words; `news` is where the size of a growing file is told, a file descriptor."""
        return (
            self.root,
            "" if news is None else str(news),
            "hashed" if self.hashed else "",
            self.known,
            self.whiteouts.value,
            self.into,
            "keep" if self.keep_kinds else "",
            ":".join(map(str, self.owner or ())),
        )


class SplitOrder(NamedTuple):
    """Put every file of an image archive into `directory`."""

    directory: str

    def arguments(self, news: int | None) -> tuple[str, ...]:
        """Return it as words; `news` as above."""
        return (self.directory, "" if news is None else str(news))


class DigestOrder(NamedTuple):
    """Say what the digest of the uncompressed file is; `root` is where that is done, `known` as above."""

    root: str
    known: str

    def arguments(self, news: int | None) -> tuple[str, ...]:
        """Return it as words; `news` as above."""
        return (self.root, "" if news is None else str(news), self.known)


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


def write(order: PackOrder | CompareOrder | StackOrder) -> str:
    """Return an order as its child's `read` takes it."""
    return json.dumps(order._asdict(), default=lambda member: member.value)
