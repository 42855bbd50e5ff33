"""Clients that start one container each, all at the same moment.

    python -m benchmarks.starts SOCKET CONTAINER...

A process of its own, because as threads they would compete with the client that is measured.  Says
"ready" when all are connected, and begins when it is given a line.
"""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from benchmarks.client import Client
from benchmarks.docker_api import Session


def main() -> None:
    """Start all the containers named."""
    socket, *containers = sys.argv[1:]
    together = Barrier(len(containers) + 1)

    def start(container: str) -> None:
        with contextlib.closing(Session(Client(Path(socket)), {})) as session:
            session.ping()
            together.wait()
            session.start(container)

    with ThreadPoolExecutor(len(containers)) as pool:
        done = [pool.submit(start, container) for container in containers]
        print("ready", flush=True)
        sys.stdin.readline()
        together.wait()
        for one in done:
            one.result()


if __name__ == "__main__":
    main()
