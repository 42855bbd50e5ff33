"""The child that takes an image archive apart.

Each regular file becomes DIRECTORY/<number>; its name in the archive is only ever a key in the answer.  So
no name, link or path in a manifest can lead anywhere: names are looked up, never opened.
Answer, on stdout: {"files": {name: {"number", "size_bytes", "digest"}}, "links": {name: target}}.
"""

from __future__ import annotations

import json
import os
import posixpath
import stat
import sys

from daemon.archives.confinement import confine
from daemon.archives.content import write
from daemon.archives.decoding import decoder
from daemon.archives.entry import HARD_LINK
from daemon.archives.errors import BadArchive
from daemon.archives.flow import Flow, Hasher
from daemon.archives.names import relative
from daemon.archives.reading import TarReader
from daemon.archives.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from daemon.archives.entry import Entry

MEMBER_LIMIT: Final = 65536
NAMES_LIMIT_BYTES: Final = 16 << 20


def split(archive: TarReader) -> dict[str, Any]:
    """Write every regular file under a number and return what was where.

    Raises:
        BadArchive: the archive is broken or has too many members.

    """
    files: dict[str, Any] = {}
    links: dict[str, str] = {}
    names_bytes = 0
    for number, entry in enumerate(archive):
        names_bytes += len(entry.name) + len(entry.target)
        if number >= MEMBER_LIMIT or names_bytes > NAMES_LIMIT_BYTES:
            raise BadArchive("the archive has too many members")
        name = os.fsdecode(entry.name)
        if entry.extents is not None:  # a few bytes could fill the disk
            raise BadArchive(f"{name!a} is a sparse file")
        if entry.kind == stat.S_IFREG:
            links.pop(name, None)
            files[name] = _write(archive, entry, str(number))
        elif entry.kind == stat.S_IFLNK:
            target = os.fsdecode(entry.target)
            links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        elif entry.kind == HARD_LINK:
            links[name] = os.fsdecode(relative(entry.target))
    return {"files": files, "links": links}


def _write(archive: TarReader, entry: Entry, path: str) -> dict[str, Any]:
    hasher = Hasher()
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for piece in archive.pieces():
            hasher.put(piece)
            write(target, piece)
    finally:
        os.close(target)
    return {"number": path, "size_bytes": entry.size, "digest": hasher.digest()}


def main() -> None:
    """Take stdin apart as the command line says."""
    directory, news = sys.argv[1:]
    read, _ = decoder(Source(0, int(news) if news else None))
    confine(directory)
    flow = Flow(read)
    found = split(TarReader(flow.next))
    flow.drain()
    sys.stdout.write(json.dumps(found))
