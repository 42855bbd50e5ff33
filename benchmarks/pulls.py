"""A client that has one image pulled and listens to the story.

    python -m benchmarks.pulls SOCKET IMAGE

A process of its own, because as a thread it would compete with the client that is measured.  Says "pulling"
before it asks; fails if the engine does.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from benchmarks.client import Client
from benchmarks.docker_api import Session


def main() -> None:
    """Pull the image named."""
    socket, image = sys.argv[1:]
    with contextlib.closing(Session(Client(Path(socket)), {})) as session:
        print("pulling", flush=True)
        session.pull(image)


if __name__ == "__main__":
    main()
