"""A subscriber to all events that leaves and comes back at random, where it was if the engine lets it.

    python -m benchmarks.followers SOCKET

A process of its own, as in `benchmarks.drain`; killed by whoever has started it.  Says "following" when
it is about to connect for the first time.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.client import Client
from benchmarks.docker_api import VERSION

MOST_SECONDS: Final = 60.0
LONGEST_STAY_SECONDS: Final = 0.3


def main() -> None:
    """Follow until killed, but never for ever."""
    client, chance, seen = Client(Path(sys.argv[1])), random.Random(1), 0
    print("following", flush=True)
    deadline = time.perf_counter() + MOST_SECONDS
    while time.perf_counter() < deadline:
        leaves = time.perf_counter() + chance.uniform(0, LONGEST_STAY_SECONDS)
        with client.stream("GET", f"{VERSION}/events{f'?after={seen}' if seen else ''}") as events:
            while time.perf_counter() < leaves:
                if (piece := events.poll()) and b'"seq":' in piece:
                    seen = int(piece.rpartition(b'"seq":')[2].split(b"}")[0].split(b",")[0])
                time.sleep(0.005)


if __name__ == "__main__":
    main()
