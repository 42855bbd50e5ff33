"""The child that takes an image archive apart: `python -m daemon.archives.split ORDER < archive`.

Each regular file becomes DIRECTORY/<number>; its name in the archive is only ever a key in the answer.  So
no name, link or path in a manifest can lead anywhere: names are looked up, never opened.
Answer, on stdout: {"files": {name: {"number", "size_bytes", "digest"}}, "links": {name: target}}.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import sys
import tarfile
from typing import IO, Any, Final

from daemon.archives.confinement import confine
from daemon.archives.errors import BadArchive, run
from daemon.archives.names import relative
from daemon.archives.orders import SplitOrder
from daemon.archives.source import Source
from daemon.archives.tarstream import HashedReader, copy, members, opened, plain

MEMBER_LIMIT: Final = 65536
NAMES_LIMIT_BYTES: Final = 16 << 20


class _Tee:
    """Reads a member and hashes what it reads."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._hash = source, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self._hash.update(chunk)
        return chunk

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def split(archive: tarfile.TarFile) -> dict[str, Any]:
    """Write every regular file under a number and return what was where.

    Raises:
        BadArchive: the archive is broken or has too many members.

    """
    files: dict[str, Any] = {}
    links: dict[str, str] = {}
    names_bytes = 0
    for number, member in enumerate(members(archive)):
        names_bytes += len(member.name) + len(member.linkname)
        if number >= MEMBER_LIMIT or names_bytes > NAMES_LIMIT_BYTES:
            raise BadArchive("the archive has too many members")
        name = os.fsdecode(relative(member.name))
        if member.issparse():  # a few bytes could fill the disk
            raise BadArchive(f"{name!a} is a sparse file")
        if member.isreg():
            links.pop(name, None)
            files[name] = _write(archive, member, str(number))
        elif member.issym():
            links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            links[name] = os.fsdecode(relative(member.linkname))
    return {"files": files, "links": links}


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> dict[str, Any]:
    source = archive.extractfile(member)
    assert source is not None
    tee = _Tee(source)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        copy(tee, target, member.size)
    finally:
        os.close(target)
    return {"number": path, "size_bytes": member.size, "digest": tee.digest}


def main() -> None:
    """Take stdin apart as the command line says."""
    order = SplitOrder.read(sys.argv[1])
    source = HashedReader(plain(Source(0, order.news)))
    confine(order.directory)
    with opened(source) as archive:
        found = split(archive)
    source.drain()  # a checksum at the end of the compressed stream is only looked at by reading on
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    run(main)
