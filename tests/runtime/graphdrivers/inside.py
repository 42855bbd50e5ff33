"""What runs in a mount namespace of its own: a driver served as a plugin, and dockerd on it.

    python -m tests.runtime.graphdrivers.inside ROOT DRIVER

Prints what the docker CLI said, as a JSON object; /run is the namespace's own, so nobody else's plugins,
sockets or shims are met.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import trio

from daemon.graphdrivers.driver import Driver
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver

DRIVERS: Final[Mapping[str, Callable[[Path], Driver]]] = MappingProxyType(
    {"overlay": OverlayDriver, "vfs": VfsDriver}
)
SECONDS: Final = 90.0
PAUSE_SECONDS: Final = 0.1
OWN_RUN: Final = "/run"  # short, as the paths of containerd's sockets must be (unix(7))
SCRIPT: Final = "echo new > /new; rm /bin/ls; mkdir -p /etc/d; chown 3:4 /etc/d"


async def main(root: Path, kind: str) -> None:
    """Have dockerd do what it does with layers."""
    async with serve(lambda home, _: DRIVERS[kind](home), "served"), dockerd(root) as docker:
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


@asynccontextmanager
async def dockerd(root: Path) -> AsyncGenerator[Callable[..., Awaitable[str]], None]:
    """Run dockerd, and lend its CLI."""
    socket = f"unix://{OWN_RUN}/docker.sock"
    command = [
        *("dockerd", "--experimental", "--storage-driver=served", "--bridge=none", "--iptables=false"),
        *(f"--data-root={root}/data", f"--exec-root={OWN_RUN}/exec", f"--pidfile={OWN_RUN}/pid"),
        f"--host={socket}",
    ]

    async def docker(*arguments: str) -> str:
        done = await trio.run_process(
            ["docker", "--host", socket, *arguments], capture_stdout=True, capture_stderr=True, check=False
        )
        return (done.stdout if done.returncode == 0 else done.stderr).decode()

    with (root / "dockerd.log").open("wb") as log:
        process = await trio.lowlevel.open_process(command, stdout=log, stderr=log)
    try:
        for _ in range(int(SECONDS / PAUSE_SECONDS)):
            if process.poll() is not None or "Cannot connect" not in await docker("version"):
                break
            await trio.sleep(PAUSE_SECONDS)
        yield docker
    finally:
        with trio.move_on_after(SECONDS, shield=True):
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    for mount in (["--make-rprivate", "/"], ["-t", "tmpfs", "none", OWN_RUN]):
        subprocess.run(["mount", *mount], check=True)
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
