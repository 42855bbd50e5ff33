"""The child that finds out what a layer's diff ID is: `python -m daemon.archives.digest ORDER < blob`.

It unpacks nothing: decompressing is what it is confined for.  Answer, on stdout: the diff ID.
"""

from __future__ import annotations

import json
import sys

from daemon.archives.confinement import confine
from daemon.archives.errors import run
from daemon.archives.orders import DigestOrder
from daemon.archives.source import Source
from daemon.archives.tarstream import HashedReader, plain


def main() -> None:
    """Read stdin to its end."""
    order = DigestOrder.read(sys.argv[1])
    source = HashedReader(plain(Source(0, order.news)))
    confine(order.root)
    json.dump(source.drain(), sys.stdout)


if __name__ == "__main__":
    run(main)
