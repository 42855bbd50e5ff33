"""What an exec session is (its record), how it is now (its snapshot), and where to ask it.

The record is in the journal from the create on, which was answered, until the session is forgotten; so its
exit code can be asked for after a restart as well.  That a session is being started is not written there: it
would cost each exec a commit.  Its host leaves a mark instead, before anything can run, by which the next
engine tells a start that may be asked for again from one that has happened, or may have (`ExecHost.begun`).

All but the mailbox is immutable, as with containers (`daemon.actors.container.snapshot`).
"""

from __future__ import annotations

from typing import Final

import attrs

from daemon.actors.container.restarting import EXIT_UNKNOWN
from daemon.actors.exec.lifecycle import State
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.journal import Record
from daemon.model import ExecConfig
from daemon.runtimes.base import Run
from daemon.runtimes.stages import Stages
from daemon.wire import to_record

KIND: Final = "exec"


@attrs.frozen
class ExecRecord:
    """What was asked for; `run`, and an exit code from `ended_ns` on, is what came of it."""

    id: str
    container_id: str
    config: ExecConfig
    run: Run | None = None
    exit_code: int | None = None
    ended_ns: int = 0

    @property
    def state(self) -> State:
        """Where a restart takes the session up again."""
        if self.exit_code is not None:
            return State.EXITED
        return State.CREATED if self.run is None else State.RUNNING


@attrs.frozen(eq=False)
class ExecSnapshot:
    """An exec session as everybody may see it."""

    record: ExecRecord
    state: State = State.CREATED

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None until it has ended."""
        return self.record.exit_code

    @property
    def interrupted(self) -> bool:
        """Whether it was being started when an engine ended, and nobody knows what came of that."""
        return self.record.run is None and self.record.exit_code == EXIT_UNKNOWN

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state is State.RUNNING

    @property
    def pid(self) -> int:
        """The process's pid on the host, or 0."""
        return self.record.run.pid if self.running and self.record.run else 0


@attrs.define(eq=False)
class ExecSession:
    """An exec session, as the rest of the engine sees it."""

    id: str
    mailbox: Mailbox
    cell: Cell[ExecSnapshot]
    stages: Stages = attrs.field(factory=Stages, init=False)

    @property
    def snapshot(self) -> ExecSnapshot:
        """What it shows now."""
        return self.cell.current


def as_record(snapshot: ExecSnapshot) -> Record:
    """Return what the journal keeps of a session."""
    return Record(KIND, snapshot.record.id, to_record(snapshot.record))
