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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.archives.flow import Hasher


def unpack(read: Callable[[], bytes], placing: Placing, hasher: Hasher | None = None) -> int:
    """Unpack the tar whose chunks `read` returns into the current root; return the size of all its files.

    `hasher`, if given, gets all of the tar.

    Raises:
        BadArchive: it is not a tar that could be unpacked.
        OSError: the kernel refused a file.

    """
    flow = Flow(read, hasher)
    archive = TarReader(flow.next)
    tree = Tree(placing)
    for entry in archive:
        tree.add(entry, archive.pieces())
    tree.finish()
    flow.drain()
    return tree.size_bytes


def main() -> None:
    """Unpack stdin as the command line says."""
    root, news, hashed, known, *words = sys.argv[1:]
    placing = Placing.read(*words)
    read, is_encoded = decoder(Source(0, int(news) if news else None))
    confine(root)
    hasher = hasher_for(is_encoded, known) if hashed else None
    size_bytes = unpack(read, placing, hasher)
    diff_id = hasher.digest() if hasher else known
    sys.stdout.write(f'{{"diff_id": "{diff_id}", "size_bytes": {size_bytes}}}')
