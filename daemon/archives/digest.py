"""The child that finds out what a layer's diff ID is.

It unpacks nothing: decompressing is what it is confined for.  Answer, on stdout: the diff ID.
"""

from __future__ import annotations

import sys

from daemon.archives.confinement import confine
from daemon.archives.decoding import decoder
from daemon.archives.flow import Flow, hasher_for
from daemon.archives.source import Source


def main() -> None:
    """Read stdin to its end."""
    root, news, known = sys.argv[1:]
    read, is_encoded = decoder(Source(0, int(news) if news else None))
    confine(root)
    hasher = hasher_for(is_encoded, known)
    if hasher:
        Flow(read, hasher).drain()
    sys.stdout.write(f'"{hasher.digest() if hasher else known}"')
