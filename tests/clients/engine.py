"""A whole engine in a process of its own, with roots of its own, for stock clients to talk to."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

REPOSITORY: Final = Path(__file__).parents[2]
BUSYBOX_IMAGE: Final = REPOSITORY / "scripts" / "busybox-image"
START_SECONDS: Final = 30
STOP_SECONDS: Final = 30


@attrs.frozen
class Engine:
    """A running engine."""

    root: Path
    process: subprocess.Popen[bytes]

    @property
    def socket_path(self) -> Path:
        return self.root / "exec" / "longshore.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(errors="replace")

    def connect(self) -> socket.socket:
        """Open a connection of our own, to say what no client would."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(START_SECONDS)
        try:
            connection.connect(str(self.socket_path))
        except OSError:
            connection.close()
            raise
        return connection


def command(root: Path, *arguments: str) -> list[str]:
    """Return the command line of an engine whose state is all under `root`."""
    return [
        *(sys.executable, "-m", "daemon", "--config-file", str(root / "daemon.json")),
        *("--data-root", str(root / "data"), "--exec-root", str(root / "exec")),
        *arguments,
    ]


@contextmanager
def running(root: Path, *arguments: str) -> Generator[Engine, None, None]:
    """Run an engine with its state under `root` until the block ends.

    An engine that has not stopped in time is killed, which is an error.
    """
    (root / "daemon.json").write_text("{}")
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            command(root, "--debug", *arguments),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    engine = Engine(root, process)
    try:
        _wait_until_it_answers(engine)
        yield engine
        process.terminate()
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(engine: Engine) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if engine.process.poll() is not None:
            break
        try:
            engine.connect().close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the engine did not start:\n{engine.log}")
