"""What runs in a mount namespace of its own: a driver served as a plugin, and dockerd on it.

    python -m tests.runtime.graphdrivers.inside ROOT DRIVER

Prints what the docker CLI said, as a JSON object; /run is the namespace's own, so nobody else's plugins,
sockets or shims are met.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import trio

from daemon.graphdrivers.driver import Driver
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver
from tests.dockerd import dockerd, have_own_run

DRIVERS: Final[Mapping[str, Callable[[Path], Driver]]] = MappingProxyType(
    {"overlay": OverlayDriver, "vfs": VfsDriver}
)
SCRIPT: Final = "echo new > /new; rm /bin/ls; mkdir -p /etc/d; chown 3:4 /etc/d"


async def main(root: Path, kind: str) -> None:
    """Have dockerd do what it does with layers."""
    async with serve(lambda home, _: DRIVERS[kind](home), "served"), dockerd(root, "served") as docker:
        run = ("run", "--rm", "--network=none")
        said = {
            "driver": await docker("info", "--format", "{{.Driver}}"),
            "import": await docker("import", str(root / "busybox.tar"), "box:1"),
            "run": await docker(*run, "box:1", "echo", "hello"),
            "change": await docker("run", "--name=web", "--network=none", "box:1", "sh", "-c", SCRIPT),
            "diff": await docker("diff", "web"),
            "commit": await docker("commit", "web", "box:2"),
            "again": await docker(*run, "box:2", "sh", "-c", "cat /new; stat -c %u /etc/d"),
            "gone": await docker(*run, "box:2", "sh", "-c", "[ -e /bin/ls ] || echo gone"),
            "export": await docker("export", "-o", str(root / "web.tar"), "web"),
            "removed": await docker("rm", "web") + await docker("rmi", "box:2", "box:1"),
            "left": await docker("images", "-q", "-a"),
        }
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    have_own_run()
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
