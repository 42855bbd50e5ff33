"""What an exec session's actor needs of the host: the seam at which a fake takes its place in tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from daemon.actors.container.actor import Container
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.exec.session import ExecRecord
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit, Run


class ExecHost(Protocol):
    """What an exec session's actor needs of the host."""

    async def execute(
        self, container: Container, record: ExecRecord, start: StartExec
    ) -> tuple[Run, AttachSession]:
        """Start the process; its stdio is connected before it runs.

        Raises:
            EngineError: it cannot be started; nothing of it is left.

        """
        ...

    async def wait(self, record: ExecRecord, run: Run) -> Exit | None:
        """Return how the process ended, once it has; None if nobody will ever know."""
        ...

    async def process_ended(self, run: Run) -> None:
        """Return once the process has ended; its monitor may still have output to pass on."""
        ...

    def resize(self, record: ExecRecord, height: int, width: int) -> None:
        """Set the terminal's size in character cells."""
        ...

    async def clean_up(self, record: ExecRecord) -> None:
        """Leave nothing of the session on the host."""
        ...

    async def begun(self, records: Collection[ExecRecord]) -> Mapping[str, Run | None]:
        """Return what came of starts that were begun under an earlier engine, by the session's id.

        None is a start that may have come to something, and nobody can know.  A session that is not there
        has certainly not run.
        """
        ...

    async def prune(self, exec_ids: Collection[str]) -> None:
        """Delete the files of all other sessions; for start-up."""
        ...
