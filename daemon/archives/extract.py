"""The child that unpacks one layer: `python -m daemon.archives.extract ROOT < blob`.

It chroots into ROOT before it reads the first byte, so whatever the layer holds (climbing names, absolute
links, a link and then a write through it, hard links to the host) can only hit ROOT itself.  Within
ROOT it never opens anything that exists: what is in the way is unlinked first, so a
device node in a layer is never written to.

Deletions become what overlayfs understands: a character device 0:0 for a whiteout, the attribute
`trusted.overlay.opaque` for an opaque directory.  Answer, on stdout: the diff ID and the size of all files.

Source: OCI image specification, layer.md; kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import tarfile
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from daemon.archives.names import relative
from daemon.archives.tarstream import BadArchive, HashedReader, confine, copy, members, opened, plain

WHITEOUT: Final = b".wh."
OPAQUE: Final = b".wh..wh..opq"
PRIVATE: Final = b".wh..wh."  # bookkeeping of aufs, of no meaning elsewhere
OPAQUE_ATTRIBUTE: Final = "trusted.overlay.opaque"
XATTR: Final = "SCHILY.xattr."
# `trusted.*` steers overlayfs itself, so no layer may bring any; the rest is the container's own business.
XATTR_NAMESPACES: Final = ("security.", "user.", "system.posix_acl_")


class Layer:
    """One layer being unpacked into the current root."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._directories: dict[bytes, int] = {}

    def unpack(self, archive: tarfile.TarFile) -> None:
        """Unpack everything.

        Raises:
            BadArchive: a member is not acceptable.
            OSError: the kernel refused one.

        """
        for member in members(archive):
            self._unpack(archive, member)
        # Last and deepest first, because each file made in a directory has touched it.
        for path in sorted(self._directories, reverse=True):
            mtime_ns = self._directories[path]
            if os.path.isdir(path) and not os.path.islink(path):  # a later member may have replaced it
                os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)

    def _unpack(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = b"/" + relative(member.name)
        parent, name = os.path.split(path)
        if name.startswith(WHITEOUT):
            _make_parents(parent)
            _delete(parent, name)
            return
        if member.type not in _MAKERS and not member.isreg():
            raise BadArchive(f"{member.name!a} has an unknown type {member.type!r}")
        if path == b"/" and not member.isdir():
            raise BadArchive("the root of a layer must be a directory")
        _make_parents(parent)
        if member.isreg():
            self._make_file(archive, member, path)
        else:
            _MAKERS[member.type](member, path)
        self._dress(member, path)

    def _make_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: bytes) -> None:
        _clear(path)
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            _copy_extents(archive, target, member)
        finally:
            os.close(target)
        self.size_bytes += member.size

    def _dress(self, member: tarfile.TarInfo, path: bytes) -> None:
        if member.islnk():
            return  # the file it names has been dressed already
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
        if not member.issym():
            os.chmod(path, stat.S_IMODE(member.mode))
        _set_xattrs(member, path)
        mtime_ns = _mtime_ns(member)
        if member.isdir():
            self._directories[path] = mtime_ns
        else:
            os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def _copy_extents(archive: tarfile.TarFile, target: int, member: tarfile.TarInfo) -> None:
    """Copy a file's data, which lies in one piece in the archive, to where it belongs between the holes."""
    source = archive.fileobj
    assert source is not None
    source.seek(member.offset_data)
    for offset, size_bytes in getattr(member, "sparse", None) or ((0, member.size),):
        os.lseek(target, offset, os.SEEK_SET)
        copy(source, target, size_bytes)
    os.ftruncate(target, member.size)


def _make_parents(path: bytes) -> None:
    """Make the directories a member lies in; what a layer leaves out is 0755, as other engines do."""
    if not os.path.isdir(path):
        os.makedirs(path, 0o755, exist_ok=True)


def _clear(path: bytes) -> None:
    """Remove what is in the way, of whatever type."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    for entry in os.listdir(path):
        _clear(os.path.join(path, entry))
    os.rmdir(path)


def _is_whiteout(path: bytes) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _delete(parent: bytes, name: bytes) -> None:
    """Hide what lower layers have; what this layer itself brings is left alone."""
    if name == OPAQUE:
        os.setxattr(parent, OPAQUE_ATTRIBUTE, b"y", follow_symlinks=False)
        return
    if name.startswith(PRIVATE):
        return
    hidden = relative(os.fsdecode(name.removeprefix(WHITEOUT)))
    if not hidden:
        raise BadArchive(f"invalid whiteout {name!a}")
    path = os.path.join(parent, hidden)
    if not os.path.lexists(path):
        os.mknod(path, stat.S_IFCHR, 0)
    elif stat.S_ISDIR(os.lstat(path).st_mode):
        os.setxattr(path, OPAQUE_ATTRIBUTE, b"y", follow_symlinks=False)


def _make_directory(_: tarfile.TarInfo, path: bytes) -> None:
    was_whiteout = _is_whiteout(path)
    if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
        _clear(path)
    if not os.path.lexists(path):
        os.mkdir(path, 0o755)
    if was_whiteout:  # deleted below and made anew: nothing of the old one may shine through
        os.setxattr(path, OPAQUE_ATTRIBUTE, b"y")


def _make_symlink(member: tarfile.TarInfo, path: bytes) -> None:
    _clear(path)
    os.symlink(member.linkname.encode("utf-8", "surrogateescape"), path)


def _make_hard_link(member: tarfile.TarInfo, path: bytes) -> None:
    target = b"/" + relative(member.linkname)
    if target == path:
        raise BadArchive(f"{member.name!a} is a hard link to itself")
    _clear(path)
    os.link(target, path, follow_symlinks=False)


def _make_node(kind: int) -> Callable[[tarfile.TarInfo, bytes], None]:
    def make(member: tarfile.TarInfo, path: bytes) -> None:
        _clear(path)
        device = 0 if kind == stat.S_IFIFO else os.makedev(member.devmajor, member.devminor)
        os.mknod(path, kind | 0o600, device)

    return make


_MAKERS: Final[Mapping[bytes, Callable[[tarfile.TarInfo, bytes], None]]] = MappingProxyType(
    {
        tarfile.DIRTYPE: _make_directory,
        tarfile.SYMTYPE: _make_symlink,
        tarfile.LNKTYPE: _make_hard_link,
        tarfile.CHRTYPE: _make_node(stat.S_IFCHR),
        tarfile.BLKTYPE: _make_node(stat.S_IFBLK),
        tarfile.FIFOTYPE: _make_node(stat.S_IFIFO),
    }
)


def _set_xattrs(member: tarfile.TarInfo, path: bytes) -> None:
    for key, value in member.pax_headers.items():
        name = key.removeprefix(XATTR)
        if name == key or not name.startswith(XATTR_NAMESPACES):
            continue
        try:
            os.setxattr(path, name, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)
        except OSError as error:
            # A file system without this kind of attribute still makes a usable image, but a program
            # that silently lost its capabilities does not.
            if error.errno not in {errno.ENOTSUP, errno.EPERM} or name == "security.capability":
                raise


def _mtime_ns(member: tarfile.TarInfo) -> int:
    """Return the time with all its digits: `member.mtime` is a float, good for microseconds only."""
    try:
        return int(Decimal(member.pax_headers.get("mtime", str(member.mtime))) * 1_000_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise BadArchive(f"{member.name!a} has an invalid time") from None


def main() -> int:
    """Unpack stdin into the directory named on the command line."""
    source = HashedReader(plain(0))
    layer = Layer()
    confine(sys.argv[1], os.fstat(0).st_size)
    with opened(source) as archive:
        layer.unpack(archive)
    sys.stdout.write(json.dumps({"diff_id": source.drain(), "size_bytes": layer.size_bytes}))
    return 0


if __name__ == "__main__":
    # Whatever a hostile archive sets off ends as one line for the engine, never as a traceback.
    try:
        sys.exit(main())
    except Exception as error:
        sys.exit(f"{error}" if isinstance(error, BadArchive) else f"{type(error).__name__}: {error}")
