"""The child that finds out what a layer's diff ID is.

It unpacks nothing: decompressing is what it is confined for.  Answer, on stdout: the diff ID.
"""

from __future__ import annotations

import sys

from daemon.archives.confinement import confine
from daemon.archives.decoding import decoder
from daemon.archives.flow import Flow, Hasher
from daemon.archives.source import Source


def main() -> None:
    """Read stdin to its end."""
    root, news = sys.argv[1:]
    read = decoder(Source(0, int(news) if news else None))
    hasher = Hasher()
    confine(root)
    Flow(read, hasher).drain()
    sys.stdout.write(f'"{hasher.digest()}"')
