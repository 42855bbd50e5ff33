"""A whole engine in a process of its own, with roots of its own, for stock clients to talk to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

REPOSITORY: Final = Path(__file__).parents[2]
BUSYBOX_IMAGE: Final = REPOSITORY / "scripts" / "busybox-image"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 60


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

    def hang_up(self) -> None:
        """Tell it to read its configuration again; it does so later."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Tell it to stop, and wait until it has."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Let it die as in a crash."""
        self.process.kill()
        self.process.wait()


def configure(root: Path, document: Mapping[str, Any] | str) -> None:
    """Give the engine at `root` another daemon.json, in one step; text is for what is no JSON.

    It has no bridge unless it is told to: several engines share the host's network in these tests.
    """
    text = document if isinstance(document, str) else json.dumps({"bridge": "none", **document})
    new = root / "daemon.json.new"
    new.write_text(text)
    new.rename(root / "daemon.json")


def until(holds: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Return as soon as something holds, which nobody tells us of."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def command(root: Path, *arguments: str) -> list[str]:
    """Return the command line of an engine whose state is all under `root`."""
    return [sys.executable, "-m", "daemon", *roots(root), *arguments]


def entering(namespace: str) -> list[str]:
    """Return what to put before a command that is to run in a network namespace, given by name or file."""
    return ["nsenter", f"--net={Path('/run/netns', namespace)}"] if namespace else []


def roots(root: Path) -> list[str]:
    """Return the arguments of an engine whose state is all under `root`."""
    return [
        *("--config-file", str(root / "daemon.json")),
        *("--data-root", str(root / "data"), "--exec-root", str(root / "exec")),
    ]


@contextmanager
def launched(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None, namespace: str = ""
) -> Generator[Engine, None, None]:
    """Begin an engine with its state under `root`; it may not survive its start, nor does it the block.

    With a network `namespace` of this name its host's network is that.
    """
    if not (root / "daemon.json").exists():
        configure(root, {})
    with (root / "log").open("ab") as log:
        process = subprocess.Popen(
            [*entering(namespace), *command(root, *arguments)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield Engine(root, process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None, namespace: str = ""
) -> Generator[Engine, None, None]:
    """Run an engine with its state under `root` until the block ends.

    An engine that has not stopped in time is killed, which is an error.
    """
    with launched(root, *arguments, environment=environment, namespace=namespace) as engine:
        _wait_until_it_answers(engine)
        try:
            yield engine
        finally:
            engine.stop()


def _wait_until_it_answers(engine: Engine) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if engine.process.poll() is not None:
            break
        if _answers(engine):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the engine did not start:\n{engine.log}")


def _answers(engine: Engine) -> bool:
    """Whether it serves: a connection alone would be accepted by the kernel."""
    try:
        with engine.connect() as connection:
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False
