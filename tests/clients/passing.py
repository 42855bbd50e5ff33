"""What runs in a mount namespace of its own: another engine, which loads an archive and saves an image of it.

    python -m tests.clients.passing ENGINE ROOT ARCHIVE IMAGE SAVED

Prints what it says of the image, as JSON.  /run and /var are the namespace's own, so nobody else's engine is
met, and nothing of this one is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import trio

from tests.dockerd import dockerd, have_own_run

Pass = Callable[[Path, str, str, str], Awaitable[str]]


async def by_dockerd(root: Path, archive: str, image: str, saved: str) -> str:
    """Have Debian's dockerd load and save; return what it says of the image."""
    async with dockerd(root, "vfs") as docker:
        sys.stderr.write(await docker("load", "-i", archive) + await docker("save", "-o", saved, image))
        return await docker("image", "inspect", image)


def podman_in(root: Path) -> Callable[..., Awaitable[str]]:
    """Return what runs podman, whose images are below `root`."""
    options = (f"--root={root}/storage", "--runroot=/run/p", "--tmpdir=/run/t", "--storage-driver=vfs")

    async def podman(*arguments: str) -> str:
        command = ["podman", *options, "--events-backend=none", *arguments]
        return (await trio.run_process(command, capture_stdout=True)).stdout.decode()

    return podman


async def by_podman(root: Path, archive: str, image: str, saved: str) -> str:
    """Have podman load and save; return what it says of the image."""
    podman = podman_in(root)
    sys.stderr.write(await podman("load", "-i", archive) + await podman("save", "-o", saved, image))
    return await podman("image", "inspect", image)


ENGINES: Final[Mapping[str, Pass]] = MappingProxyType({"dockerd": by_dockerd, "podman": by_podman})


async def main(*arguments: str) -> None:
    """Have an engine load and save, and print what it says of the image."""
    engine, root, archive, image, saved = arguments
    sys.stdout.write(await ENGINES[engine](Path(root), archive, image, saved))


def have_own_places() -> None:
    """Put an empty /run and an empty /var in the place of the host's."""
    have_own_run()
    subprocess.run(["mount", "-t", "tmpfs", "none", "/var"], check=True)
    os.makedirs("/var/tmp")


if __name__ == "__main__":
    have_own_places()
    trio.run(main, *sys.argv[1:])
