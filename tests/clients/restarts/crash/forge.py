"""Engines without the half second that Python needs to import one: they are forked from a process that has.

The forge is a program of its own, because a process with threads is not to be forked; it does what it is told
by lines of JSON, one answer for each.  But for its imports an engine begins as one that was executed does.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import attrs

from tests.clients.engine import REPOSITORY, entering

MODULE: Final = "tests.clients.restarts.crash.forge"
FAILED: Final = 70  # what Python would end with is 1


@attrs.define
class Forged:
    """An engine, as `subprocess.Popen` would show it."""

    pid: int
    _forge: Forge
    _pidfd: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it has ended, or None."""
        if self.returncode is None and select.select([self._pidfd], [], [], 0)[0]:
            self.returncode = self._forge.ask(reap=self.pid)
            os.close(self._pidfd)  # of thousands
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on.

        """
        if self.returncode is None:
            select.select([self._pidfd], [], [], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Let it die as in a crash."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Tell it to stop."""
        self.send_signal(signal.SIGTERM)


@attrs.define
class Forge:
    """The process from which engines are forked."""

    _process: subprocess.Popen[str]

    def ask(self, **order: Any) -> int:
        """Have an order carried out."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def engine(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forged:
        """Begin an engine that writes its log to `log`."""
        pid = self.ask(arguments=arguments, log=str(log), environment=environment)
        return Forged(pid, self, os.pidfd_open(pid))


@contextmanager
def lit(namespace: str = "") -> Generator[Forge, None, None]:
    """Run a forge in a network namespace; it ends with the block and its engines with it."""
    command = [*entering(namespace), sys.executable, "-m", MODULE]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Forge(process)


def main(orders: TextIO) -> None:
    """Carry out orders until there are no more."""
    for module in ("daemon.__main__", "daemon.supervisor"):
        importlib.import_module(module)
    children: set[int] = set()
    for line in orders:
        order = json.loads(line)
        if "reap" in order:
            children.remove(order["reap"])
            answer = os.waitstatus_to_exitcode(os.waitpid(order["reap"], 0)[1])
        else:
            answer = _fork(order)
            children.add(answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for child in children:
        os.kill(child, signal.SIGKILL)


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            status = _be_engine(order)
        finally:
            os._exit(status)
    return pid


def _be_engine(order: Mapping[str, Any]) -> int:
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number, source in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(source, number)
    os.environ.update(order["environment"])
    importlib.reload(sys.modules["daemon.failpoints"])  # which reads the environment once
    status: int = sys.modules["daemon.__main__"].main(order["arguments"])
    return status


if __name__ == "__main__":
    main(sys.stdin)
