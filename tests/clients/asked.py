"""A container that writes lines when it is asked to, so that a test knows what its log has seen."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from tests.clients.cli import Docker
from tests.clients.engine import until

BATCH: Final = 50
"""How many lines it writes at once; with a time each of two batches do not fit 4 kB."""

_SCRIPT: Final = f"while read n && [ $n != end ]; do seq $n $((n + {BATCH - 1})); done"


@attrs.frozen
class Asked:
    """The container; its log has `max-file` files."""

    id: str
    log: Path

    @classmethod
    def run(cls, docker: Docker, *options: str) -> Asked:
        """Start one."""
        container = docker.detached("-i", *options, "busybox", "sh", "-c", _SCRIPT)
        return cls(container, Path(docker.inspect(container)["LogPath"]))

    @contextmanager
    def attached(self, docker: Docker) -> Generator[subprocess.Popen[bytes], None, None]:
        """Attach to it, to ask."""
        with docker.start("attach", self.id) as client:
            try:
                yield client
            finally:
                client.kill()

    def ask(self, client: subprocess.Popen[bytes], first: int) -> None:
        """Have a batch of lines written, and wait until they are in the log."""
        assert client.stdin is not None
        client.stdin.write(f"{first}\n".encode())
        client.stdin.flush()
        until(lambda: self.held()[:1] and self.held()[0][-1:] == [first + BATCH - 1], "the lines are logged")

    def end(self, docker: Docker, client: subprocess.Popen[bytes]) -> None:
        """Have it end."""
        assert client.stdin is not None
        client.stdin.write(b"end\n")
        client.stdin.flush()
        docker("wait", self.id)

    def files(self) -> list[Path]:
        """Return the files of the log, the current one first."""
        return [self.log, *sorted(self.log.parent.glob(f"{self.log.name}.[0-9]"))]

    def held(self) -> list[list[int]]:
        """Return the numbers that each file holds, the current one first."""
        while True:
            with suppress(FileNotFoundError):  # one has just got its next name
                return [_numbers(file.read_text()) for file in self.files()]

    def in_order(self) -> bool:
        """Whether the current file goes on where the newest of the old ones ends, and will itself be kept."""
        current, *old = self.held()
        follows_on = not current or not old or current[0] == old[0][-1] + 1
        return follows_on and self.log.stat().st_nlink > 1


def _numbers(text: str) -> list[int]:
    return [int(line.split()[3]) for line in text.rpartition("\n")[0].splitlines()]
