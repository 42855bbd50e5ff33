"""A client that fetches one answer over and over, as fast as it comes, until it is killed.

    python -m benchmarks.drain SOCKET TARGET

A process of its own, because as a thread it would compete with the client that is measured.  Prints
one line when the first bytes have come.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.client import Client

MOST_SECONDS: Final = 60.0


def main() -> None:
    """Fetch until killed, but never for ever."""
    client = Client(Path(sys.argv[1]))
    deadline = time.perf_counter() + MOST_SECONDS
    first = True
    while time.perf_counter() < deadline:
        with client.stream("GET", sys.argv[2]) as answer:
            answer.read()
            if first:
                print("streaming", flush=True)
                first = False
            answer.drain(deadline)


if __name__ == "__main__":
    main()
