"""The process that copies a tree: `python -m daemon.graphdrivers.copying SOURCE TARGET`.

TARGET is an empty directory.  The copy has everything that the file system knows of the original: owners,
modes, times, extended attributes, device nodes, holes, and names that are hard links to one another.  Content
is shared with the original where the file system can do that (reflink), and else copied within the kernel.

It is a process of its own because a tree takes seconds.  SOURCE may be in use by a container that swaps its
files meanwhile, so both trees are walked through open directories and never through a link, nor is a device
opened.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import stat
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Final

from daemon.archives.regular import RegularFiles

FICLONE: Final = 0x40049409  # ioctl_ficlonerange(2)
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES: Final = 1 << 30
_CANNOT_SHARE: Final = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS})
_ATTRIBUTE_UNKNOWN: Final = frozenset({errno.ENOTSUP, errno.EPERM})


class Copy:
    """One tree being copied; `can_share` until the file system has said no."""

    def __init__(self) -> None:
        self._files = RegularFiles()
        self._links: dict[tuple[int, int], str] = {}
        self._can_share = True

    def copy(self, source: int, target: int, path: str = "") -> None:
        """Copy what is in the directory that is open as `source`, and then what is known of itself.

        Raises:
            OSError: something could not be read or written.

        """
        with os.scandir(source) as entries:
            found = [(one.name, one.stat(follow_symlinks=False)) for one in entries]
        for name, status in sorted(found):
            self._copy_one(name, status, source, target, f"{path}/{name}")
        _dress(os.fstat(source), source, target)

    def _copy_one(self, name: str, status: os.stat_result, source: int, target: int, path: str) -> None:
        first = self._links.get((status.st_dev, status.st_ino))
        if first is not None:
            # Relative to the target's top, which is the working directory.
            os.link(first.lstrip("/"), name, dst_dir_fd=target, follow_symlinks=False)
        elif stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            with _opened(name, _DIRECTORY, source) as inner, _opened(name, _DIRECTORY, target) as copy:
                self.copy(inner, copy, path)
            return
        elif stat.S_ISREG(status.st_mode):
            with _lent(self._files.open(name, source)) as original, _opened(name, _WRITE, target) as copy:
                self._copy_content(original, copy)
                _dress(os.fstat(original), original, copy)
        else:
            _copy_node(name, status, source, target)
        if status.st_nlink > 1:
            self._links.setdefault((status.st_dev, status.st_ino), path)

    def _copy_content(self, source: int, target: int) -> None:
        if self._can_share:
            try:
                fcntl.ioctl(target, FICLONE, source)
            except OSError as error:
                if error.errno not in _CANNOT_SHARE:
                    raise
                self._can_share = False
            else:
                return
        size = os.fstat(source).st_size
        for start, end in _extents(source, size):
            _copy_range(source, target, start, end)
        os.ftruncate(target, size)


def _extents(file: int, size: int) -> Generator[tuple[int, int], None, None]:
    """Yield where a file has data between its holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            copied = os.copy_file_range(source, target, min(end - start, _CHUNK_BYTES), start, start)
        except OSError as error:
            if error.errno not in _CANNOT_SHARE:
                raise
            os.lseek(target, start, os.SEEK_SET)
            copied = os.sendfile(target, source, start, min(end - start, _CHUNK_BYTES))
        if not copied:
            return  # cut off meanwhile
        start += copied


def _copy_node(name: str, status: os.stat_result, source: int, target: int) -> None:
    """Copy what has no content: a link, a device, a FIFO or a socket."""
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    there, here = f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}"
    for attribute in os.listxattr(there, follow_symlinks=False):
        with _what_it_cannot():
            value = os.getxattr(there, attribute, follow_symlinks=False)
            os.setxattr(here, attribute, value, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _dress(status: os.stat_result, source: int, target: int) -> None:
    """Give an open file all that the original has besides content; first the owner, which costs modes."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for attribute in os.listxattr(source):
        with _what_it_cannot():
            os.setxattr(target, attribute, os.getxattr(source, attribute))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextlib.contextmanager
def _what_it_cannot() -> Generator[None, None, None]:
    """Leave out attributes that are the host's own, or that the file system has not."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ATTRIBUTE_UNKNOWN:
            raise


def _opened(name: str, flags: int, parent: int | None = None) -> AbstractContextManager[int]:
    return _lent(os.open(name, flags, 0o600, dir_fd=parent))


@contextlib.contextmanager
def _lent(descriptor: int) -> Generator[int, None, None]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def main() -> None:
    """Copy what the command line says."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    sys.setrecursionlimit(limit)  # a level of the tree holds two descriptors and takes two calls
    os.umask(0)
    with _opened(sys.argv[1], _DIRECTORY) as source, _opened(sys.argv[2], _DIRECTORY) as target:
        os.fchdir(target)
        Copy().copy(source, target)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{error}")
