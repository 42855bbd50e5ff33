"""What may be said to an exec session, and its state machine: one table, no I/O.

A session is created, started once, and ends; a pair of state and message that the table lacks is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.mailbox import Command, Event
from daemon.errors import EngineError
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit, Run


class State(enum.Enum):
    """Where an exec session is in its life."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"


class Effect(enum.Enum):
    """What the actor does on behalf of a transition."""

    LAUNCH = enum.auto()
    RESIZE = enum.auto()
    NOTE = enum.auto()
    CLEAN_UP = enum.auto()


@attrs.frozen
class StartExec(Command[AttachSession]):
    """Run the process; answered with its stdio once it runs, or with why it does not.

    `console_size` is height and width in character cells, for a terminal that is to have them from the start.
    Without `attach` nobody is to read its output, and its session is never connected.
    """

    attach: bool = True
    console_size: tuple[int, int] | None = None


@attrs.frozen
class ResizeExec(Command[None]):
    """Tell the terminal its size in character cells."""

    height: int
    width: int


@attrs.frozen
class NoteExec(Command[None]):
    """Put an event about this session into the journal (`exec_detach`)."""

    action: str


@attrs.frozen
class ExecStarted(Event):
    """The process runs."""

    run: Run
    session: AttachSession


@attrs.frozen
class ExecFailed(Event):
    """The process could not be started."""

    error: EngineError
    exit_code: int


@attrs.frozen
class ExecExited(Event):
    """The process has ended; None if nobody will ever know how."""

    exit: Exit | None


Step = tuple[State, tuple[Effect, ...]]

# fmt: off
TABLE: Final[Mapping[tuple[State, type[Command[Any]] | type[Event]], Step]] = MappingProxyType({
    (State.CREATED, StartExec):   (State.STARTING, (Effect.LAUNCH,)),
    (State.STARTING, ExecStarted): (State.RUNNING, ()),
    (State.STARTING, ExecFailed):  (State.EXITED, (Effect.CLEAN_UP,)),
    (State.RUNNING, ExecExited):  (State.EXITED, (Effect.CLEAN_UP,)),
    (State.RUNNING, ResizeExec):  (State.RUNNING, (Effect.RESIZE,)),
    (State.RUNNING, NoteExec):    (State.RUNNING, (Effect.NOTE,)),
    (State.EXITED, NoteExec):    (State.EXITED, (Effect.NOTE,)),  # it ended while its client detached
})
# fmt: on


def step(state: State, message: Command[Any] | Event) -> Step | None:
    """Return the next state and the effects of `message`, or None if it is refused."""
    return TABLE.get((state, type(message)))
