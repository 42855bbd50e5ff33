"""A graph driver plugin as a process of its own: `python -m tests.clients.restarts.served SOCKET SPECS`."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver
from daemon.plugins.discovery import Directories


async def main(socket: Path, specs: Path) -> None:
    directories = Directories(socket.parent, (specs,))
    async with serve(lambda home, _: VfsDriver(home), "served", directories, socket=socket):
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
