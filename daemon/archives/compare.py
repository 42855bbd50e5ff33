"""The child that compares two trees.

A file is the same if its metadata is, content is not looked at: that is how layers of drivers without a
native difference are told apart.  Answer, on stdout: a list of [path, kind], directories before what is in
them, and the size of all files that are new or different.

Both trees are walked through open directories and never through a link.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import stat
import sys
from collections.abc import Generator
from typing import Final

from daemon.archives.changes import Gathered, Kind
from daemon.archives.confinement import confine
from daemon.archives.entry import SIZE_LIMIT_BYTES
from daemon.archives.orders import CompareOrder

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
VANISHED: Final = (FileNotFoundError, NotADirectoryError)  # a container may be at work meanwhile
_CAPABILITY: Final = "security.capability"


class Comparison:
    """Gathers what is different."""

    def __init__(self) -> None:
        self.found = Gathered()
        self._sizes: dict[tuple[int, int], int] = {}

    @property
    def size_bytes(self) -> int:
        """The size of the files that are new or different, one with several names once."""
        return min(sum(self._sizes.values()), SIZE_LIMIT_BYTES)

    def compare(self, lower: int | None, upper: int, path: bytes = b"/") -> None:
        """Compare the directory `path`, which is open above and, if there is one, below.

        Raises:
            OSError: something cannot be read.

        """
        before, after = _members(lower), _members(upper)
        for name in sorted(before.keys() | after.keys()):
            new = after.get(name)
            if new is None:
                self.found.add(path + name, Kind.DELETED)
                continue
            with contextlib.suppress(*VANISHED):
                self._compare_file(lower, upper, path + name, before.get(name), new)

    def _compare_file(
        self, lower: int | None, upper: int, path: bytes, old: os.stat_result | None, new: os.stat_result
    ) -> None:
        name = path.rpartition(b"/")[2]
        same = lower is not None and old is not None and is_same(old, new)
        if same and lower is not None and stat.S_ISREG(new.st_mode) and new.st_mode & 0o111:
            same = capability(lower, name) == capability(upper, name)
        kind = Kind.ADDED if old is None else Kind.MODIFIED
        self.found.add(path, kind)
        length = len(self.found)
        if stat.S_ISDIR(new.st_mode):
            with opened(name, DIRECTORY, upper) as above:
                if lower is None or old is None or not stat.S_ISDIR(old.st_mode):
                    self.compare(None, above, path + b"/")
                else:
                    with opened(name, DIRECTORY, lower) as below:
                        self.compare(below, above, path + b"/")
        if same and len(self.found) == length:  # nor has anything changed that is in it
            self.found.take_back()
        elif not stat.S_ISDIR(new.st_mode):
            self._sizes[new.st_dev, new.st_ino] = new.st_size


def _members(directory: int | None) -> dict[bytes, os.stat_result]:
    if directory is None:
        return {}
    with os.scandir(directory) as found:
        return dict(filter(None, map(member, found)))


def member(found: os.DirEntry[str]) -> tuple[bytes, os.stat_result] | None:
    """Return name and metadata of a directory's member, or None if it has vanished."""
    try:
        return os.fsencode(found.name), found.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_same(old: os.stat_result, new: os.stat_result) -> bool:
    """Compare metadata; a directory's time and size only tell that something in it has changed."""
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (
        new.st_mode,
        new.st_uid,
        new.st_gid,
        new.st_rdev,
    ):
        return False
    return stat.S_ISDIR(new.st_mode) or (old.st_mtime_ns, old.st_size) == (new.st_mtime_ns, new.st_size)


def capability(directory: int, name: bytes) -> bytes | None:
    """Return what a program may do more than who runs it, as the file system has it.

    Nothing is opened for that: by now there may be something else, which it would not do to open.
    """
    os.fchdir(directory)
    try:
        return os.getxattr(name, _CAPABILITY, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.ENOTSUP, errno.ENOENT}:
            return None
        raise


@contextlib.contextmanager
def opened(name: bytes | str, flags: int, parent: int | None = None) -> Generator[int, None, None]:
    """Lend a descriptor of what `name` stands for in the directory `parent`."""
    descriptor = os.open(name, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def main() -> None:
    """Compare as stdin says."""
    order = CompareOrder.read(sys.stdin.read())
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    sys.setrecursionlimit(limit)  # a level of the trees holds two descriptors and takes three calls
    comparison = Comparison()
    with contextlib.ExitStack() as held:
        lower = None if order.lower is None else held.enter_context(opened(order.lower, DIRECTORY))
        upper = held.enter_context(opened(order.upper, DIRECTORY))
        confine(order.upper)
        comparison.compare(lower, upper)
    json.dump([comparison.found.changes, comparison.size_bytes], sys.stdout)
