"""The child that unpacks one tar: `python -m daemon.archives.extract ORDER < blob`.

It changes its root to where everything belongs before it looks at the archive, so whatever that holds
(climbing names, absolute links, a link and then a write through it, hard links to the host) can only
hit that place.  Answer, on stdout: the digest of the tar uncompressed and the size of all files.

Source: OCI image specification, layer.md; kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tarfile
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from daemon.archives.confinement import confine
from daemon.archives.entry import HARD_LINK, XATTR_NAMESPACES, XATTR_RECORD, Entry
from daemon.archives.errors import BadArchive, run
from daemon.archives.names import relative
from daemon.archives.orders import ExtractOrder
from daemon.archives.source import Source
from daemon.archives.tarstream import CHUNK_BYTES, HashedReader, members, opened, plain
from daemon.archives.tree import Tree

_KINDS: Final[Mapping[bytes, int]] = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.LNKTYPE: HARD_LINK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def _entry(member: tarfile.TarInfo) -> Entry:
    kind = stat.S_IFREG if member.isreg() else _KINDS.get(member.type)
    if kind is None:
        raise BadArchive(f"{member.name!a} has an unknown type {member.type!r}")
    is_device = kind in {stat.S_IFCHR, stat.S_IFBLK}
    sparse = getattr(member, "sparse", None)
    return Entry(
        relative(member.name),
        kind,
        stat.S_IMODE(member.mode),
        member.uid,
        member.gid,
        _mtime_ns(member),
        member.size,
        member.linkname.encode("utf-8", "surrogateescape"),
        os.makedev(member.devmajor, member.devminor) if is_device else 0,
        tuple(_xattrs(member)),
        tuple(sparse) if sparse is not None else None,
    )


def _xattrs(member: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
    for key, value in member.pax_headers.items():
        name = key.removeprefix(XATTR_RECORD)
        if name != key and name.startswith(XATTR_NAMESPACES):
            yield name, value.encode("utf-8", "surrogateescape")


def _mtime_ns(member: tarfile.TarInfo) -> int:
    """Return the time with all its digits: `member.mtime` is a float, good for microseconds only."""
    try:
        return int(Decimal(member.pax_headers.get("mtime", str(member.mtime))) * 1_000_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise BadArchive(f"{member.name!a} has an invalid time") from None


def _pieces(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    source = archive.fileobj
    assert source is not None
    source.seek(member.offset_data)
    sparse = getattr(member, "sparse", None)
    left = member.size if sparse is None else sum(length for _, length in sparse)
    while left:
        chunk = source.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise BadArchive("unexpected end of the archive")
        left -= len(chunk)
        yield chunk


def unpack(order: ExtractOrder) -> tuple[str, int]:
    """Unpack stdin, confined from here on; return the tar's digest, uncompressed, and the size of all files.

    Raises:
        BadArchive: it is not a tar that could be unpacked.
        OSError: the kernel refused a file.

    """
    source = HashedReader(plain(Source(0, order.news)))
    confine(order.root)
    tree = Tree(order)
    with opened(source) as archive:
        for member in members(archive):
            tree.add(_entry(member), _pieces(archive, member))
    tree.finish()
    return source.drain(), tree.size_bytes


def main() -> None:
    """Unpack stdin as the command line says."""
    diff_id, size_bytes = unpack(ExtractOrder.read(sys.argv[1]))
    sys.stdout.write(json.dumps({"diff_id": diff_id, "size_bytes": size_bytes}))


if __name__ == "__main__":
    run(main)
