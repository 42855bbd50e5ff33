"""One process of an engine, which a measure may kill and start again."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks import processes


@attrs.define(eq=False)
class Service:
    """A process that was started, and how; whoever has it sees the one that runs now."""

    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    _process: subprocess.Popen[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def start(self) -> None:
        """Start the process, for the first time or again."""
        self._process = processes.spawn(list(self.command), self.log, self.environment)

    def kill(self) -> None:
        """Let it die as in a crash."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        processes.stop(self._process)
