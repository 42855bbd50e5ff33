"""Which part of a tree is wanted, as a tree of names."""

from __future__ import annotations

import os

from daemon.archives.names import relative
from daemon.archives.orders import PackOrder


class Branch:
    """What is wanted of one directory: some of its members, and whiteouts."""

    def __init__(self) -> None:
        self.members: dict[bytes, Branch] = {}
        self.deleted: set[bytes] = set()

    def grow(self, path: bytes) -> Branch:
        """Return the branch at `path`, made if need be."""
        branch = self
        for part in path.split(b"/") if path else ():
            branch = branch.members.setdefault(part, Branch())
        return branch


def wanted_of(order: PackOrder) -> Branch | None:
    """Return what an order wants of the whole tree; None for everything."""
    if order.chosen is None:
        return None
    root = Branch()
    for path in order.chosen:
        root.grow(relative(os.fsencode(path)))
    for path in order.deleted:
        parent, _, name = relative(os.fsencode(path)).rpartition(b"/")
        root.grow(parent).deleted.add(name)
    return root
