"""How a message changes an exec session's snapshot, and which events it makes; pure."""

from __future__ import annotations

from typing import Any

import attrs

from daemon.actors.container.actor import Container
from daemon.actors.container.events import draft
from daemon.actors.container.restarting import EXIT_UNKNOWN
from daemon.actors.exec.lifecycle import ExecExited, ExecFailed, ExecStarted, NoteExec, State
from daemon.actors.exec.session import ExecSnapshot
from daemon.journal import EventDraft
from daemon.model import ExecConfig


def changed(now: ExecSnapshot, target: State, message: Any, now_ns: int) -> ExecSnapshot:
    """Return the snapshot after `message` has taken the session to `target` at `now_ns`."""
    match message:
        case ExecStarted(run=run):
            return ExecSnapshot(attrs.evolve(now.record, run=run), target)
        case ExecFailed(exit_code=code):
            return ExecSnapshot(attrs.evolve(now.record, exit_code=code, ended_ns=now_ns), target)
        case ExecExited(exit=ended):
            code, at_ns = (ended.code, ended.at_ns) if ended else (EXIT_UNKNOWN, 0)
            return ExecSnapshot(attrs.evolve(now.record, exit_code=code, ended_ns=at_ns or now_ns), target)
        case _:
            return attrs.evolve(now, state=target)


def events_of(container: Container, after: ExecSnapshot, message: Any) -> tuple[EventDraft, ...]:
    """Return the events that `message` makes; `after` is what it has changed the session to."""
    action, attributes = "", {}
    match message:
        case ExecStarted():
            action = f"exec_start: {command_line(after.record.config)}"
        case ExecExited() | ExecFailed():
            action, attributes = "exec_die", {"exitCode": str(after.exit_code)}
        case NoteExec():
            action = message.action
    return (exec_event(container, after.record.id, action, **attributes),) if action else ()


def command_line(config: ExecConfig) -> str:
    """Return the command as the events show it."""
    return " ".join(config.cmd or ())


def exec_event(container: Container, exec_id: str, action: str, **attributes: str) -> EventDraft:
    """Return an event of the session; it is about its container."""
    return draft(container.snapshot.record, action, {"execID": exec_id, **attributes})
