"""Where a restart of the engine takes up a container again: what is written of a state, what is done first.

The two belong together: a state that is not written must find its way again from the one that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.states import State

S, E = State, Effect

RESUME: Final[Mapping[State, tuple[Effect, ...]]] = MappingProxyType(
    {
        S.STARTING: (E.GIVE_UP,),
        S.RUNNING: (E.WATCH, E.OBEY),
        S.PAUSED: (E.WATCH, E.OBEY),
        S.RESUMING: (E.WATCH, E.THAW, E.OBEY),
        S.STOPPED: (E.CLEAN_UP,),
        S.UNKNOWN: (E.CLEAN_UP,),
        S.RELAPSED: (E.CLEAN_UP,),
        S.RESTARTING: (E.BACK_OFF,),
        S.REMOVING: (E.DELETE,),
    }
)
"""What an actor does first when it finds its container in this state; other states need nothing."""

DURABLE: Final[Mapping[State, State]] = MappingProxyType(
    {
        S.INITIALIZED: S.STARTING,
        # Either may be frozen when the engine dies, and what is frozen cannot even be killed: thaw it.
        S.PAUSING: S.RESUMING,
        S.STOPPING: S.RESUMING,
        S.EXITED: S.STOPPED,
    }
)
"""States that are not written: a restart finds out by itself how far they have come, from this one."""
