"""The child that unpacks one tar.

It changes its root to where everything belongs before it looks at the archive, so whatever that holds
(climbing names, absolute links, a link and then a write through it, hard links to the host) can only
hit that place.  Answer, on stdout: the digest of the tar uncompressed and the size of all files.

There is one such child for each layer of an image.  So none of its modules imports at run time what is slow
to import: typing, enum, json, hashlib, threading; that makes a fourth of the time it takes to start.

Source: OCI image specification, layer.md; kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import sys

from daemon.archives.confinement import confine
from daemon.archives.decoding import decoder
from daemon.archives.flow import Flow, hasher_for
from daemon.archives.placing import Placing
from daemon.archives.reading import TarReader
from daemon.archives.source import Source
from daemon.archives.tree import Tree


def unpack(
    root: str, placing: Placing, *, news: int | None = None, hashed: bool = False, known: str = ""
) -> tuple[str, int]:
    """Unpack stdin, confined from here on; return the digest of the tar and the size of all its files.

    The digest is of the tar uncompressed, and empty unless it is to be `hashed`; `news` is where the size of
    a growing file is told, `known` the digest of stdin as it is.

    Raises:
        BadArchive: it is not a tar that could be unpacked.
        OSError: the kernel refused a file.

    """
    read, is_encoded = decoder(Source(0, news))
    hasher = hasher_for(is_encoded, known) if hashed else None
    confine(root)
    flow = Flow(read, hasher)
    archive = TarReader(flow.next)
    tree = Tree(placing)
    for entry in archive:
        tree.add(entry, archive.pieces())
    tree.finish()
    flow.drain()
    return hasher.digest() if hasher else known, tree.size_bytes


def main() -> None:
    """Unpack stdin as the command line says."""
    root, news, hashed, known, *words = sys.argv[1:]
    placing = Placing.read(*words)
    diff_id, size_bytes = unpack(
        root, placing, news=int(news) if news else None, hashed=bool(hashed), known=known
    )
    sys.stdout.write(f'{{"diff_id": "{diff_id}", "size_bytes": {size_bytes}}}')
