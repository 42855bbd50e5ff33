"""What runs in a mount namespace of its own: another engine, which pulls from a registry on loopback.

    python -m tests.clients.fetching ENGINE ROOT IMAGE

Prints what it says of the image, as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import trio

from tests.clients.passing import have_own_places, podman_in
from tests.dockerd import dockerd

Fetch = Callable[[Path, str], Awaitable[str]]


async def by_dockerd(root: Path, image: str) -> str:
    """Have Debian's dockerd pull; it takes any registry on loopback on trust."""
    async with dockerd(root, "vfs") as docker:
        sys.stderr.write(await docker("pull", image))
        return await docker("image", "inspect", image)


async def by_podman(root: Path, image: str) -> str:
    """Have podman pull."""
    podman = podman_in(root)
    sys.stderr.write(await podman("pull", "--tls-verify=false", image))
    return await podman("image", "inspect", image)


ENGINES: Final[Mapping[str, Fetch]] = MappingProxyType({"dockerd": by_dockerd, "podman": by_podman})


async def main(*arguments: str) -> None:
    """Have an engine pull, and print what it says of the image."""
    engine, root, image = arguments
    sys.stdout.write(await ENGINES[engine](Path(root), image))


if __name__ == "__main__":
    have_own_places()
    trio.run(main, *sys.argv[1:])
