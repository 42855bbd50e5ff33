"""A terminal with somebody who types and reads, for the CLI to run in."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import attrs

SECONDS: Final = 60
AGAIN_SECONDS: Final = 0.2


@attrs.define
class Terminal:
    """The side of a pseudo-terminal that the person sits at."""

    fd: int
    process: subprocess.Popen[bytes]
    seen: bytes = b""

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def read_until(self, expected: bytes) -> bytes:
        """Return everything up to and including `expected`, and forget it."""
        deadline = time.monotonic() + SECONDS
        while expected not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {expected!r}, saw {self.seen!r}"
            self.seen += self._read()
        text, _, self.seen = self.seen.partition(expected)
        return text + expected

    def _read(self) -> bytes:
        try:
            return os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has the other side open any more
            raise AssertionError(f"the terminal was left with {self.seen!r}") from None

    def resize(self, rows: int, columns: int) -> None:
        """Change the window; the kernel tells whoever runs in it."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize_until(self, rows: int, columns: int, expected: bytes) -> bytes:
        """Change the window, as often as it takes, and return everything up to and including `expected`.

        The CLI tells the engine the size it finds and listens for changes only then: of one that comes in
        between it never hears.  The kernel tells nobody of a change to what the size is already.
        """
        deadline = time.monotonic() + SECONDS
        while expected not in self.seen and time.monotonic() < deadline:
            self.resize(rows + 1, columns)
            self.resize(rows, columns)
            if select.select([self.fd], [], [], AGAIN_SECONDS)[0]:
                self.seen += self._read()
        return self.read_until(expected)

    def wait(self) -> int:
        """Return the exit code of the command."""
        return self.process.wait(SECONDS)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str]) -> Generator[Terminal, None, None]:
    """Run a command in a terminal of 24 rows and 80 columns; it is killed when the block ends."""
    ours, theirs = os.openpty()
    try:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
        )
    finally:
        os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
