"""What the engine asks of a child that copies, as JSON in a file that the child inherits.

Both sides use these values; children must start fast, so nothing here needs attrs.
"""

from __future__ import annotations

import json
from typing import NamedTuple


class Bind(NamedTuple):
    """A file or directory of the host, as it is mounted in the container."""

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True


class View(NamedTuple):
    """What is to be seen of a container.

    `rootfs` is where its root filesystem is mounted.  `process` is a pidfd of its first process, whose mounts
    are looked at; without one, or if that process sees another root, `binds` are mounted on the root
    filesystem instead, in the order given.  The mounts at `hidden`, and all of procfs, are left out.
    """

    rootfs: str
    process: int | None = None
    binds: tuple[Bind, ...] = ()
    hidden: tuple[str, ...] = ()
    read_only: bool = False


class CopyOrder(NamedTuple):
    """Look at, read or write what `path` is in the container.

    Of a tar that is unpacked, `owner` (uid, gid) gets everything, if given; with `keep_kinds` no directory is
    replaced by something else, and nothing else by a directory.
    """

    view: View
    path: str
    keep_kinds: bool = False
    owner: tuple[int, int] | None = None

    @classmethod
    def read(cls, text: str) -> CopyOrder:
        """Return what `write` was given."""
        view, path, keep_kinds, owner = json.loads(text)
        rootfs, process, binds, hidden, read_only = view
        seen = View(rootfs, process, tuple(Bind(*bind) for bind in binds), tuple(hidden), read_only)
        return cls(seen, path, keep_kinds, (owner[0], owner[1]) if owner else None)

    def write(self) -> str:
        """Return the order as text."""
        return json.dumps(self)
