"""When a command has been carried out, and when it no longer can be: derived from where a container is.

The table says what a message sets in motion; a command that takes longer stays open, and these say
what ends it.  They are data, like the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Restart,
    Signal,
    Start,
    Stop,
    Unpause,
)
from daemon.actors.container.reports import DeleteFailed, FreezeFailed, LaunchFailed, ThawFailed
from daemon.actors.container.states import BETWEEN_RUNS, ENDED, State
from daemon.actors.mailbox import Command, Event

S = State

SETTLED: Final[Mapping[type[Command[Any]], frozenset[State]]] = MappingProxyType(
    {
        Start: frozenset({S.RUNNING}) | ENDED,
        Restart: frozenset({S.RUNNING}) | ENDED,
        Stop: ENDED,
        Kill: ENDED,
        Signal: frozenset(State),  # done when it is sent, even if it came to a `Kill`
        Pause: frozenset({S.PAUSED}),
        Unpause: frozenset({S.RUNNING}),
        Remove: frozenset({S.REMOVED}),
        ForceRemove: frozenset({S.REMOVED}),
    }
)
"""The states in which a command has been carried out; a command not listed is done at once."""

FAILS: Final[Mapping[type[Event], tuple[type[Command[Any]], ...]]] = MappingProxyType(
    {
        LaunchFailed: (Start, Restart),
        FreezeFailed: (Pause,),
        ThawFailed: (Unpause,),
        DeleteFailed: (Remove, ForceRemove),
    }
)
"""Whose failure a report is: the open commands that are answered with its error."""

DEFEATED: Final[Mapping[type[Command[Any]], frozenset[State]]] = MappingProxyType(
    {
        Pause: frozenset({S.STOPPING, *BETWEEN_RUNS}) | ENDED,
        Unpause: frozenset({S.STOPPING, *BETWEEN_RUNS}) | ENDED,
    }
)
"""The states in which an open command can no longer be carried out, and is refused after all."""
