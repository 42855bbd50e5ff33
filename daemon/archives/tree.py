"""Making files of a tar's members, in the current root.

The root has been changed to the place where everything belongs, so no name and no link leads out of it.
Nothing that exists is ever opened: what is in the way is removed first, so a device node in a layer is
never written to.

Directories get their owners, modes, attributes and times last: each file made in one touches it, and a
set-group-ID bit or a default ACL would be inherited by what comes later.
"""

from __future__ import annotations

import os
import stat

from daemon.archives.content import set_xattrs, write, write_extents
from daemon.archives.entry import HARD_LINK, SIZE_LIMIT_BYTES, Entry
from daemon.archives.errors import BadArchive
from daemon.archives.names import quoted, relative
from daemon.archives.placing import ORDINARY, OVERLAYFS, Placing
from daemon.archives.whiteouts import IS_OPAQUE, OPAQUE, OPAQUE_ATTRIBUTE, PRIVATE, WHITEOUT, is_whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Final

    Pieces = Iterable[memoryview]

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """What is unpacked into the current root, as `placing` says."""

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._top = b"/" + relative(os.fsencode(placing.into))
        # Where a layer is unpacked for overlayfs nothing else ever was, so files belong to root at first.
        self._is_fresh = placing.whiteouts == OVERLAYFS
        self.size_bytes = 0
        self._made: set[bytes] = set()
        self._directories: dict[bytes, Entry] = {}
        self._parents: set[bytes] = set()

    def add(self, entry: Entry, pieces: Pieces) -> None:
        """Make one file; `pieces` is what lies between its holes.

        Raises:
            BadArchive: it is not acceptable.
            OSError: the kernel refused it.

        """
        path = os.path.join(self._top, entry.name) if entry.name else self._top
        parent, _, name = path.rpartition(b"/")
        if name.startswith(WHITEOUT) and self._placing.whiteouts != ORDINARY:
            self._make_parents(parent)
            self._delete(parent, name)
            return
        if not entry.name and self._is_root_done(entry):
            return
        if self._placing.keep_kinds:
            _refuse_another_kind(entry, path)
        if parent not in self._parents:
            self._make_parents(parent)
        if not self._is_fresh:
            self._made.add(path)
        _MAKERS[entry.kind](self, entry, path, pieces)

    def finish(self) -> None:
        """Dress the directories, deepest first."""
        for path in sorted(self._directories, reverse=True):
            if _kind(path) == stat.S_IFDIR:  # a later member may have replaced it
                self._dress(self._directories[path], path)

    def _is_root_done(self, entry: Entry) -> bool:
        """What is copied into a directory leaves the directory itself as it was."""
        if entry.kind != stat.S_IFDIR:
            raise BadArchive("the root must be a directory")
        return self._placing.whiteouts == ORDINARY

    def _make_parents(self, path: bytes) -> None:
        """Make the directories a member lies in; what a layer leaves out is 0755, as other engines do."""
        missing = []
        while path not in self._parents:
            self._parents.add(path)
            self._made.add(path)
            if path and not os.path.isdir(path):
                missing.append(path)
            path = path.rpartition(b"/")[0]
        for directory in reversed(missing):
            os.mkdir(directory, 0o755)

    def _make_file(self, entry: Entry, path: bytes, pieces: Pieces) -> None:
        self.size_bytes += entry.size
        if self.size_bytes > SIZE_LIMIT_BYTES:
            raise BadArchive(f"{quoted(entry.name)} is larger than any disk")
        try:
            target = os.open(path, _CREATE, entry.mode & 0o777)
        except FileExistsError:
            self._clear(path)
            target = os.open(path, _CREATE, entry.mode & 0o777)
        try:
            if entry.extents is None:
                for piece in pieces:
                    write(target, piece)
            else:
                write_extents(target, entry, pieces)
            self._dress_file(entry, target)
        finally:
            os.close(target)

    def _dress_file(self, entry: Entry, target: int) -> None:
        uid, gid = self._placing.owner or (entry.uid, entry.gid)
        if uid or gid or not self._is_fresh:
            os.fchown(target, uid, gid)
        if entry.mode & 0o7000 or not self._is_fresh:  # the first three are lost at a change of owner
            os.fchmod(target, entry.mode)
        if entry.xattrs:
            set_xattrs(entry, target)
        os.utime(target, ns=(entry.mtime_ns, entry.mtime_ns))

    def _make_directory(self, entry: Entry, path: bytes, _: Pieces) -> None:
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            self._make_existing_directory(path)
        self._directories[path] = entry
        self._parents.add(path)

    def _make_existing_directory(self, path: bytes) -> None:
        if _kind(path) == stat.S_IFDIR:
            return
        was_whiteout = self._is_fresh and is_whiteout(os.lstat(path))
        self._clear(path)
        os.mkdir(path, 0o755)
        if was_whiteout:  # deleted below and made anew: nothing of the old one may shine through
            os.setxattr(path, OPAQUE_ATTRIBUTE, IS_OPAQUE)

    def _make_symlink(self, entry: Entry, path: bytes, _: Pieces) -> None:
        try:
            os.symlink(entry.target, path)
        except FileExistsError:
            self._clear(path)
            os.symlink(entry.target, path)
        self._dress(entry, path)

    def _make_hard_link(self, entry: Entry, path: bytes, _: Pieces) -> None:
        """Add a name for a file, which has been dressed already."""
        target = os.path.join(self._top, relative(entry.target))
        if target == path:
            raise BadArchive(f"{quoted(entry.name)} is a hard link to itself")
        try:
            os.link(target, path, follow_symlinks=False)
        except FileExistsError:
            self._clear(path)
            os.link(target, path, follow_symlinks=False)

    def _make_node(self, entry: Entry, path: bytes, _: Pieces) -> None:
        try:
            os.mknod(path, entry.kind | 0o600, entry.device)
        except FileExistsError:
            self._clear(path)
            os.mknod(path, entry.kind | 0o600, entry.device)
        self._dress(entry, path)

    def _dress(self, entry: Entry, path: bytes) -> None:
        uid, gid = self._placing.owner or (entry.uid, entry.gid)
        os.chown(path, uid, gid, follow_symlinks=False)
        if entry.kind != stat.S_IFLNK:
            os.chmod(path, entry.mode)
        if entry.xattrs:
            set_xattrs(entry, path)
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)

    def _delete(self, parent: bytes, name: bytes) -> None:
        """Hide or delete what lower layers have; what this layer itself brings is left alone."""
        if name == OPAQUE:
            self._empty(parent or b"/")
            return
        if name.startswith(PRIVATE):
            return
        hidden = relative(name.removeprefix(WHITEOUT))
        if not hidden:
            raise BadArchive(f"invalid whiteout {quoted(name)}")
        path = parent + b"/" + hidden
        kind = _kind(path)
        if kind is None and self._is_fresh:
            os.mknod(path, stat.S_IFCHR, 0)
        elif kind is not None and not self._is_fresh and path not in self._made:
            self._clear(path)
        elif kind == stat.S_IFDIR:
            self._empty(path)

    def _empty(self, directory: bytes) -> None:
        """Leave nothing of lower layers in a directory."""
        if self._is_fresh:
            os.setxattr(directory, OPAQUE_ATTRIBUTE, IS_OPAQUE, follow_symlinks=False)
            return
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if path not in self._made:
                self._clear(path)
            elif _kind(path) == stat.S_IFDIR:
                self._empty(path)

    def _clear(self, path: bytes) -> None:
        """Remove what is in the way, of whatever type."""
        self._parents.clear()  # one of them may lead through it
        if _kind(path) != stat.S_IFDIR:
            os.unlink(path)
            return
        for name in os.listdir(path):
            self._clear(os.path.join(path, name))
        os.rmdir(path)


_MAKERS: Final[Mapping[int, Callable[[Tree, Entry, bytes, Pieces], None]]] = {
    stat.S_IFREG: Tree._make_file,
    stat.S_IFDIR: Tree._make_directory,
    stat.S_IFLNK: Tree._make_symlink,
    HARD_LINK: Tree._make_hard_link,
    stat.S_IFCHR: Tree._make_node,
    stat.S_IFBLK: Tree._make_node,
    stat.S_IFIFO: Tree._make_node,
}


def _kind(path: bytes) -> int | None:
    """Return a file's type, of a link its own; None where there is nothing."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return None


def _refuse_another_kind(entry: Entry, path: bytes) -> None:
    kind = _kind(path)
    if kind is None or (kind == stat.S_IFDIR) == (entry.kind == stat.S_IFDIR):
        return
    old, new = ("directory", "non-directory") if kind == stat.S_IFDIR else ("non-directory", "directory")
    name = os.fsdecode(path)
    raise BadArchive(f'cannot overwrite {old} "{name}" with {new} "{name}"')
