"""The floor: conmon and the runtime driven by a bare script, with no engine in between.

It keeps no record, takes no lock and answers nobody, so whatever an engine takes longer for the same
container is the engine's own.  It has the calls of `docker_api.Session` that make sense without one.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from benchmarks.bundle import Recipe
from benchmarks.leftovers import unmount
from benchmarks.monitor import CONMON, Attached, Start

WAIT_SECONDS: Final = 60.0
LAYER: Final = ("upper", "work", "merged")

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@attrs.frozen
class Running:
    """A launched container: a handle of its init, because a pid may be reused, and its monitor."""

    init: int
    monitor: subprocess.Popen[bytes]

    def close(self) -> None:
        os.close(self.init)
        self.monitor.wait(WAIT_SECONDS)


class Floor:
    """Containers by conmon and a runtime, below one directory."""

    def __init__(self, root: Path, image: Path, runtime: str, recipe: Recipe) -> None:
        self._root = root
        self._image = image
        self._runtime = (runtime, f"--root={root / 'state'}")
        self._recipe = recipe
        self._commands: dict[str, Sequence[str]] = {}
        self._running: dict[str, Running] = {}
        for name in ("bundles", "exits", "state"):
            (root / name).mkdir(parents=True)

    def close(self) -> None:
        for container in tuple(self._commands):
            self.remove(container)

    def create(self, command: Sequence[str]) -> str:
        """Make the directories of a container and return its id."""
        container = secrets.token_hex(32)
        for part in LAYER:
            (self._bundle(container) / part).mkdir(parents=True)
        self._commands[container] = command
        return container

    def attach(self, container: str) -> Attached:
        """Launch a container, which does not run yet, and attach to it."""
        self._launch(container)
        return Attached(self._bundle(container) / "attach")

    def start(self, container: str) -> None:
        if container not in self._running:
            self._launch(container)
        subprocess.run([*self._runtime, "start", container], check=True)

    def kill(self, container: str) -> None:
        signal.pidfd_send_signal(self._running[container].init, signal.SIGKILL)

    def wait(self, container: str) -> int:
        """Return the exit code, which the monitor writes before it ends itself."""
        # Not Popen.wait(): with a time limit it polls.
        handle = os.pidfd_open(self._running[container].monitor.pid)
        try:
            select.select([handle], [], [], WAIT_SECONDS)
        finally:
            os.close(handle)
        return int((self._root / "exits" / container).read_text())

    def remove(self, container: str) -> None:
        if running := self._running.pop(container, None):
            subprocess.run([*self._runtime, "delete", "--force", container], check=True)
            running.close()
            unmount(self._bundle(container) / "merged")
        shutil.rmtree(self._bundle(container))
        del self._commands[container]

    def exec_output(self, container: str, command: Sequence[str]) -> bytes:
        """Run a command in a container, attached, and return its output."""
        name = secrets.token_hex(32)
        directory = self._bundle(name)
        directory.mkdir()
        process = directory / "process.json"
        self._recipe.write_process(process, container, command)
        flags = ("--exec", "--exec-attach", f"--exec-process-spec={process}")
        pieces = []
        with Start(self._monitor(container, name, directory, flags), attaches=True) as monitor:
            monitor.allow()
            monitor.attachable()
            with Attached(directory / "attach") as attached:
                monitor.allow()
                monitor.pid()
                while piece := attached.read():
                    pieces.append(piece)
        monitor.process.wait(WAIT_SECONDS)
        shutil.rmtree(directory)
        return b"".join(pieces)

    def _bundle(self, container: str) -> Path:
        return self._root / "bundles" / container[:24]

    def _launch(self, container: str) -> None:
        directory = self._bundle(container)
        _mount_overlay(self._image, directory)
        self._recipe.write(directory, container, self._commands[container])
        with Start(self._monitor(container, container, directory), attaches=False) as monitor:
            monitor.allow()
            self._running[container] = Running(os.pidfd_open(monitor.pid()), monitor.process)

    def _monitor(self, container: str, name: str, directory: Path, flags: Sequence[str] = ()) -> list[str]:
        """Return conmon's command line for a container or for a process executed in it."""
        runtime, state = self._runtime
        options = {
            "--api-version": "1",
            "--cid": container,
            "--cuuid": name,
            "--name": name,
            "--runtime": runtime,
            "--bundle": str(directory),
            "--container-pidfile": str(directory / "pid"),
            "--exit-dir": str(self._root / "exits"),
            "--log-path": "off:" if flags else f"k8s-file:{directory / 'output.log'}",
            "--runtime-arg": state,
        }
        pairs = [f"{name}={value}" for name, value in options.items()]
        return [CONMON, *pairs, "--sync", "--no-sync-log", "--full-attach", *flags]


def _mount_overlay(lower: Path, directory: Path) -> None:
    upper, work, merged = (directory / part for part in LAYER)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    arguments = (b"overlay", os.fsencode(merged), b"overlay", 0, options.encode())
    if _LIBC.mount(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {merged}")
