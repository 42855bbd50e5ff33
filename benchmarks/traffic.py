"""One end of a connection that carries as much as it can.

    python -m benchmarks.traffic receive PORT
    python -m benchmarks.traffic send ADDRESS PORT SECONDS

Processes that are started in the network namespaces of what is measured, so that the network is and not
what runs in the image.  The receiver says "ready" when it listens, and the rate in MB/s at the end.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

CHUNK_BYTES: Final = 1 << 18
PATIENCE_SECONDS: Final = 20.0


def receive(port: str) -> None:
    """Take everything from one client and print at which rate it came."""
    with socket.create_server(("", int(port))) as server:
        server.settimeout(PATIENCE_SECONDS)
        print("ready", flush=True)
        connection, _ = server.accept()
    room = bytearray(CHUNK_BYTES)
    with connection:
        connection.settimeout(PATIENCE_SECONDS)
        total, began = connection.recv_into(room), time.perf_counter()
        while count := connection.recv_into(room):
            total += count
        print(total / (time.perf_counter() - began) / 1e6, flush=True)


def send(address: str, port: str, seconds: str) -> None:
    """Send for some seconds."""
    with socket.create_connection((address, int(port)), PATIENCE_SECONDS) as connection:
        end = time.perf_counter() + float(seconds)
        content = bytes(CHUNK_BYTES)
        while time.perf_counter() < end:
            connection.sendall(content)


ENDS: Final[Mapping[str, Callable[..., None]]] = {"receive": receive, "send": send}


if __name__ == "__main__":
    ENDS[sys.argv[1]](*sys.argv[2:])
