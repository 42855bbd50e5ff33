"""The child that decompresses a layer, for somebody else to unpack.

What is in the blob goes to stdout.  Answer, on stderr: the diff ID.
"""

from __future__ import annotations

import hashlib
import sys

from daemon.archives.confinement import confine
from daemon.archives.decoding import decoder
from daemon.archives.source import Source


def main() -> None:
    """Read stdin to its end."""
    root, news = sys.argv[1:]
    read, _ = decoder(Source(0, int(news) if news else None))
    digest = hashlib.sha256()
    confine(root)
    while chunk := read():
        digest.update(chunk)
        sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
    sys.stderr.write(f"sha256:{digest.hexdigest()}")
