"""The child that says what one layer changes: `python -m daemon.archives.stacked < ORDER`.

The layer and those below are in overlayfs form: a whiteout hides a name of lower layers, an opaque directory
all of them, and a directory is merged with those of the same name below, down to the first other thing.
Answer and rules are those of `daemon.archives.compare`, but only what is in the layer itself is looked at,
and not added up.

Source: kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import stat
import sys
from collections.abc import Generator, Sequence
from typing import NamedTuple

from daemon.archives.changes import Gathered, Kind
from daemon.archives.compare import DIRECTORY, VANISHED, capability, is_same, member, opened
from daemon.archives.confinement import confine
from daemon.archives.orders import StackOrder
from daemon.archives.whiteouts import IS_OPAQUE, OPAQUE_ATTRIBUTE, is_whiteout


class Below(NamedTuple):
    """What the lower layers have under one name: the file that is seen, and in which of them it is.

    Of a directory these are all that are merged, as positions in the list of lower directories.
    """

    found: os.stat_result
    places: tuple[int, ...]


class Comparison:
    """Gathers what is different."""

    def __init__(self) -> None:
        self.found = Gathered()

    def compare(self, lowers: Sequence[int], upper: int, path: bytes = b"/") -> None:
        """Compare the directory `path`, which is open in the layer and in those below that have it.

        Raises:
            OSError: something cannot be read.

        """
        with os.scandir(upper) as entries:
            after = dict(filter(None, map(member, entries)))
        hidden = set(_names(lowers)) if _is_opaque(upper) else set()
        for name in sorted(after.keys() | hidden):
            below = _look(lowers, name)
            if name in after and not is_whiteout(after[name]):
                with contextlib.suppress(*VANISHED):
                    self._compare_file(lowers, upper, path + name, below, after[name])
            elif below is not None:
                self.found.add(path + name, Kind.DELETED)

    def _compare_file(
        self, lowers: Sequence[int], upper: int, path: bytes, below: Below | None, new: os.stat_result
    ) -> None:
        name = path.rpartition(b"/")[2]
        same = below is not None and is_same(below.found, new)
        if same and below and stat.S_ISREG(new.st_mode) and new.st_mode & 0o111:
            same = capability(lowers[below.places[0]], name) == capability(upper, name)
        self.found.add(path, Kind.ADDED if below is None else Kind.MODIFIED)
        length = len(self.found)
        if stat.S_ISDIR(new.st_mode):
            merged = [lowers[place] for place in _merged(below)]
            with opened(name, DIRECTORY, upper) as above, _all_opened(name, merged) as underneath:
                self.compare(underneath, above, path + b"/")
        if same and len(self.found) == length:  # nor has anything changed that is in it
            self.found.take_back()


def _is_opaque(directory: int) -> bool:
    """Tell whether nothing of lower layers shines through an open directory."""
    try:
        return os.getxattr(directory, OPAQUE_ATTRIBUTE) == IS_OPAQUE
    except OSError:
        return False


def _look(lowers: Sequence[int], name: bytes) -> Below | None:
    """Return what is seen under a name when these directories are shown as one."""
    found: os.stat_result | None = None
    places: list[int] = []
    for place, lower in enumerate(lowers):
        try:
            one = os.stat(name, dir_fd=lower, follow_symlinks=False)
        except FileNotFoundError:
            continue
        is_directory = stat.S_ISDIR(one.st_mode)
        if is_whiteout(one) or (found is not None and not is_directory):
            break
        found = found or one
        places.append(place)
        if not is_directory or _is_opaque_there(name, lower):
            break
    return None if found is None else Below(found, tuple(places))


def _is_opaque_there(name: bytes, parent: int) -> bool:
    with opened(name, DIRECTORY, parent) as directory:
        return _is_opaque(directory)


def _merged(below: Below | None) -> tuple[int, ...]:
    return () if below is None or not stat.S_ISDIR(below.found.st_mode) else below.places


def _names(lowers: Sequence[int]) -> Generator[bytes, None, None]:
    """Yield every name in any of these directories, hidden ones as well."""
    for lower in lowers:
        yield from (os.fsencode(name) for name in os.listdir(lower))


@contextlib.contextmanager
def _all_opened(name: bytes, parents: Sequence[int]) -> Generator[list[int], None, None]:
    with contextlib.ExitStack() as held:
        yield [held.enter_context(opened(name, DIRECTORY, parent)) for parent in parents]


def main() -> None:
    """Compare as stdin says."""
    order = StackOrder.read(sys.stdin.read())
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    sys.setrecursionlimit(limit)
    comparison = Comparison()
    with contextlib.ExitStack() as held:
        lowers = [held.enter_context(opened(lower, DIRECTORY)) for lower in order.lowers]
        upper = held.enter_context(opened(order.upper, DIRECTORY))
        confine(order.upper)
        comparison.compare(lowers, upper)
    json.dump([comparison.found.changes, 0], sys.stdout)
