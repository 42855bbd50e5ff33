"""Debian's dockerd, for a process in a mount namespace of its own (`unshare --mount`).

It is the machine's, or lies beside this interpreter, where `scripts/setup --test` puts it.

/run is the namespace's own there, so nobody else's plugins, sockets or shims are met.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

SECONDS: Final = 90.0
PAUSE_SECONDS: Final = 0.1
ENVIRONMENT: Final = {
    **os.environ,
    "PATH": f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}",
}
OWN_RUN: Final = "/run"  # short, as the paths of containerd's sockets must be (unix(7))


def have_own_run() -> None:
    """Put an empty /run in the place of the host's."""
    for mount in (["--make-rprivate", "/"], ["-t", "tmpfs", "none", OWN_RUN]):
        subprocess.run(["mount", *mount], check=True)


@asynccontextmanager
async def dockerd(root: Path, driver: str) -> AsyncGenerator[Callable[..., Awaitable[str]], None]:
    """Run dockerd with such a storage driver, and lend its CLI."""
    socket = f"unix://{OWN_RUN}/docker.sock"
    command = [
        *("dockerd", "--experimental", f"--storage-driver={driver}", "--bridge=none", "--iptables=false"),
        *(f"--data-root={root}/data", f"--exec-root={OWN_RUN}/exec", f"--pidfile={OWN_RUN}/pid"),
        f"--host={socket}",
    ]

    async def docker(*arguments: str) -> str:
        done = await trio.run_process(
            ["docker", "--host", socket, *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=ENVIRONMENT,
        )
        return (done.stdout if done.returncode == 0 else done.stderr).decode()

    with (root / "dockerd.log").open("wb") as log:
        process = await trio.lowlevel.open_process(command, stdout=log, stderr=log, env=ENVIRONMENT)
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
