"""The child that packs a tree; the tar is its stdout.

It changes its root to the tree and then opens every file by its name in a directory that it holds open, and
never a link or a device.  So a container that swaps its files meanwhile gets odd tars of its own files only.
Directories are read in the order of their names' bytes, so equal trees give equal tars.

A file has in the tar the size that it had when it was opened: what is added later is left out, what is cut
off meanwhile is filled up with zeros, and what has vanished is not mentioned.  Sockets are left out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from daemon.archives.branches import Branch, wanted_of
from daemon.archives.confinement import confine, grant_cpu
from daemon.archives.entry import HARD_LINK, Entry
from daemon.archives.errors import BadArchive
from daemon.archives.headers import END, header, padding
from daemon.archives.names import quoted, relative
from daemon.archives.orders import PackOrder, Whiteouts
from daemon.archives.output import Output
from daemon.archives.regular import RegularFiles
from daemon.archives.whiteouts import IS_OPAQUE, OPAQUE, OPAQUE_ATTRIBUTE, WHITEOUT, is_whiteout

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Other attributes of `security` are the host's own labels and signatures.
_XATTRS: Final = ("security.capability", "system.posix_acl_", "user.")
_OVERLAY_XATTRS: Final = "user.overlay."
_REDIRECT: Final = "trusted.overlay.redirect"
_GONE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ESTALE})


class Packer:
    """Writes a tree to `output`, as `order` says."""

    def __init__(self, order: PackOrder, files: RegularFiles, output: Output) -> None:
        self._order, self._files, self._output = order, files, output
        self._closed = {relative(os.fsencode(path)) for path in order.closed}
        self._links: dict[tuple[int, int], bytes] = {}
        self._work_bytes = 0

    def pack(self) -> None:
        """Pack everything.

        Raises:
            BadArchive: there is something that a layer cannot hold.
            OSError: something cannot be read.

        """
        path = b"/" + relative(os.fsencode(self._order.path))
        top = None if self._order.top is None else os.fsencode(self._order.top)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            with _opened(path, _DIRECTORY) as directory:
                prefix = b"" if top is None else top.rstrip(b"/") + b"/"
                if prefix:
                    self._put_directory(directory, prefix)
                self._members(directory, prefix, b"", wanted_of(self._order))
        else:
            parent, name = os.path.split(path)
            with _opened(parent, _DIRECTORY) as directory:
                self._put(directory, name, top or name)
        self._output.add(END)
        self._output.flush()

    def _members(self, directory: int, prefix: bytes, path: bytes, wanted: Branch | None) -> None:
        """Pack what is in a directory; names begin with `prefix` in the tar and with `path` in the tree."""
        with os.scandir(directory) as found:
            kinds = {os.fsencode(one.name): one.is_dir(follow_symlinks=False) for one in found}
        for name in sorted(kinds if wanted is None else kinds.keys() & wanted.members.keys()):
            with contextlib.suppress(_Vanished):
                if kinds[name]:
                    branch = None if wanted is None else wanted.members[name]
                    self._descend(directory, name, prefix, path + name, branch)
                else:
                    self._put(directory, name, prefix + name)
        for name in sorted(wanted.deleted if wanted else ()):
            self._put_whiteout(prefix + WHITEOUT + name, 0)

    def _descend(self, parent: int, name: bytes, prefix: bytes, path: bytes, wanted: Branch | None) -> None:
        with _opened(name, _DIRECTORY, parent) as directory:
            inner = prefix + name + b"/"
            self._put_directory(directory, inner)
            if path not in self._closed:
                self._members(directory, inner, path + b"/", wanted)

    def _put_directory(self, directory: int, name: bytes) -> None:
        found = os.fstat(directory)
        self._put_header(_entry(found, name, xattrs=_xattrs(directory)))
        if self._order.whiteouts is Whiteouts.OVERLAYFS:
            attributes = os.listxattr(directory)
            if _REDIRECT in attributes:
                raise BadArchive(f"{quoted(name)} has been renamed by overlayfs itself")
            if OPAQUE_ATTRIBUTE in attributes and os.getxattr(directory, OPAQUE_ATTRIBUTE) == IS_OPAQUE:
                self._put_whiteout(name + OPAQUE, found.st_mtime_ns)

    def _put(self, parent: int, name: bytes, called: bytes) -> None:
        """Pack what is no directory."""
        found = _stat(name, parent)
        if self._order.whiteouts is Whiteouts.OVERLAYFS and is_whiteout(found):
            head, _, tail = called.rpartition(b"/")
            self._put_whiteout(head + b"/" * bool(head) + WHITEOUT + tail, found.st_mtime_ns)
            return
        if self._order.whiteouts is not Whiteouts.ORDINARY and name.startswith(WHITEOUT):
            raise BadArchive(
                f"a layer cannot hold {quoted(called)}: such names are its signs for deleted files"
            )
        first = self._links.get((found.st_dev, found.st_ino))
        if first is not None:
            self._put_header(_link(found, called, first))
        elif stat.S_ISREG(found.st_mode):
            self._put_file(parent, name, called)
        elif stat.S_ISLNK(found.st_mode):
            self._put_linked(found, _entry(found, called, target=_target(name, parent)))
        elif not stat.S_ISSOCK(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            self._put_linked(found, _entry(found, called))

    def _put_file(self, parent: int, name: bytes, called: bytes) -> None:
        with _lent(partial(self._files.open, name, parent)) as file:
            found = os.fstat(file)
            self._put_linked(found, _entry(found, called, xattrs=_xattrs(file)))
            self._output.add_file(file, found.st_size)
            self._output.add(padding(found.st_size))
            self._work_bytes += found.st_size
            grant_cpu(self._work_bytes)

    def _put_linked(self, found: os.stat_result, entry: Entry) -> None:
        """Pack a file and remember it if it has more names."""
        if found.st_nlink > 1:
            self._links[found.st_dev, found.st_ino] = entry.name
        self._put_header(entry)

    def _put_whiteout(self, name: bytes, mtime_ns: int) -> None:
        self._put_header(Entry(name, stat.S_IFREG, 0o600, 0, 0, mtime_ns))

    def _put_header(self, entry: Entry) -> None:
        self._output.add(header(entry))


class _Vanished(Exception):
    """What a name stood for a moment ago is not there any more."""


def _opened(name: bytes, flags: int, parent: int | None = None) -> AbstractContextManager[int]:
    return _lent(partial(os.open, name, flags, dir_fd=parent))


@contextlib.contextmanager
def _lent(open_it: Callable[[], int]) -> Generator[int, None, None]:
    try:
        descriptor = open_it()
    except OSError as error:
        if error.errno in _GONE:
            raise _Vanished from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _stat(name: bytes, parent: int) -> os.stat_result:
    try:
        return os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        raise _Vanished from None


def _target(name: bytes, parent: int) -> bytes:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINVAL}:  # there is something else by now
            raise _Vanished from None
        raise


def _entry(
    found: os.stat_result,
    name: bytes,
    *,
    target: bytes = b"",
    xattrs: tuple[tuple[str, bytes], ...] = (),
) -> Entry:
    kind = stat.S_IFMT(found.st_mode)
    size = found.st_size if kind == stat.S_IFREG else 0
    mode = stat.S_IMODE(found.st_mode)
    owner = found.st_uid, found.st_gid
    return Entry(name, kind, mode, *owner, found.st_mtime_ns, size, target, found.st_rdev, xattrs)


def _link(found: os.stat_result, name: bytes, first: bytes) -> Entry:
    entry = _entry(found, name, target=first)
    entry.kind, entry.size = HARD_LINK, 0
    return entry


def _xattrs(descriptor: int) -> tuple[tuple[str, bytes], ...]:
    try:
        names = sorted(os.listxattr(descriptor))
    except OSError as error:
        if error.errno != errno.ENOTSUP:  # as some file systems of FUSE say instead of an empty list
            raise
        names = []
    wanted = (name for name in names if name.startswith(_XATTRS) and not name.startswith(_OVERLAY_XATTRS))
    return tuple((name, value) for name in wanted if (value := _xattr(descriptor, name)) is not None)


def _xattr(descriptor: int, name: str) -> bytes | None:
    try:
        return os.getxattr(descriptor, name)
    except OSError as error:
        if error.errno == errno.ENODATA:  # it has just been taken away
            return None
        raise


def pack(order: PackOrder, files: RegularFiles) -> None:
    """Write the tar to stdout.

    Raises:
        BadArchive: there is something that a layer cannot hold.
        OSError: something cannot be read.

    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    sys.setrecursionlimit(limit)  # a level of the tree holds a descriptor and takes two calls
    Packer(order, files, Output(1)).pack()


def main() -> None:
    """Pack as stdin says."""
    order, files = PackOrder.read(sys.stdin.read()), RegularFiles()
    confine(order.root)
    pack(order, files)
