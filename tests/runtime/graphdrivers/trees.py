"""What a tree has, for comparing two of them; and what is to be said of the difference."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import attrs

from daemon.archives.changes import Change, Kind


@attrs.frozen
class File:
    """Everything that a layer keeps of a file; `names` are all that it has within the tree."""

    mode: int
    uid: int
    gid: int
    device: int
    mtime_ns: int
    size: int
    content: bytes
    xattrs: tuple[tuple[str, bytes], ...]
    names: tuple[bytes, ...]

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def looks_like(self, other: File) -> bool:
        """Whether metadata, but of directories their times, are the same."""
        mine, theirs = ((one.mode, one.uid, one.gid, one.device) for one in (self, other))
        same = self.is_directory or (self.mtime_ns, self.size) == (other.mtime_ns, other.size)
        return mine == theirs and same and self._capability == other._capability

    @property
    def _capability(self) -> bytes | None:
        return dict(self.xattrs).get("security.capability")


def tree(root: Path) -> dict[bytes, File]:
    """Return everything below `root` by its path, which begins with a slash."""
    top = os.fsencode(root)
    found = {}
    names: dict[int, list[bytes]] = {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            names.setdefault(os.lstat(path).st_ino, []).append(path.removeprefix(top))
    for inode, paths in names.items():
        file = _file(top + paths[0], tuple(sorted(paths)))
        assert os.lstat(top + paths[0]).st_ino == inode
        found.update(dict.fromkeys(paths, file))
    return found


def _file(path: bytes, names: tuple[bytes, ...]) -> File:
    status = os.lstat(path)
    content = b""
    if stat.S_ISREG(status.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    shown = [name for name in sorted(os.listxattr(path, follow_symlinks=False)) if name[:8] != "trusted."]
    return File(
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_rdev,
        status.st_mtime_ns,
        0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        content,
        tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in shown),
        names if not stat.S_ISDIR(status.st_mode) else (),
    )


def changes(before: Mapping[bytes, File], after: Mapping[bytes, File]) -> set[Change]:
    """Return what a driver should say of the difference of two trees."""
    found = {}
    for path in before.keys() - after.keys():
        parent = os.path.dirname(path)
        if parent == b"/" or (parent in after and after[parent].is_directory):
            found[path] = Kind.DELETED
    for path, file in after.items():
        if path not in before:
            found[path] = Kind.ADDED
        elif not before[path].looks_like(file):
            found[path] = Kind.MODIFIED
    # What is gone with a directory that is something else now is not named.
    found = {path: kind for path, kind in found.items() if _is_named(path, kind, before, after)}
    for path in list(found):
        while (path := os.path.dirname(path)) != b"/":
            found.setdefault(path, Kind.MODIFIED)
    return {Change(os.fsdecode(path), kind) for path, kind in found.items()}


def _is_named(path: bytes, kind: Kind, before: Mapping[bytes, File], after: Mapping[bytes, File]) -> bool:
    parent = os.path.dirname(path)
    if kind != Kind.DELETED or parent == b"/":
        return True
    return before[parent].is_directory and after[parent].is_directory
