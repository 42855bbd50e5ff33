"""The container's state machine: one table, no I/O, no trio.

Everything that decides what a container may do next is in this file.  A pair of state and
message that the table lacks is refused, with the text of `REFUSALS`.  The actor performs the
effects; no handler looks at a state to decide anything.  `states.py` says what the states are,
`settling.py` when a command has been carried out, `resuming.py` where a restart takes up again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.container.commands import (
    Attach,
    Commit,
    Connect,
    Disconnect,
    Export,
    ForceRemove,
    Kill,
    Note,
    Pause,
    Remove,
    Rename,
    Resize,
    Restart,
    Revive,
    Signal,
    Start,
    StartAgain,
    Stop,
    Unpause,
    Update,
    Visit,
)
from daemon.actors.container.reports import (
    CleanedUp,
    Connected,
    Deleted,
    DeleteFailed,
    Disconnected,
    Exited,
    FreezeFailed,
    Frozen,
    GivenUp,
    GraceExpired,
    Initialized,
    LaunchFailed,
    Lost,
    Probed,
    Relapsed,
    Started,
    Thawed,
    ThawFailed,
    Updated,
    Updating,
    WriteAgain,
)
from daemon.actors.container.states import (
    ALIVE,
    AT_REST,
    BETWEEN_RUNS,
    CLEARING,
    LAUNCHING,
    PERMANENT,
    UPDATABLE,
    VISITABLE,
    State,
)
from daemon.actors.mailbox import Command, Event


class Effect(enum.Enum):
    """What the actor does on behalf of a transition."""

    LAUNCH = enum.auto()  # the whole run, from the root filesystem to the exit
    WATCH = enum.auto()  # the rest of a run that was launched by an earlier incarnation
    GIVE_UP = enum.auto()  # a launch that an earlier incarnation did not finish
    ABORT = enum.auto()  # break off the launch
    CONNECT = enum.auto()  # the attach sessions that wait
    SIGNAL = enum.auto()
    KILL = enum.auto()
    ARM_GRACE = enum.auto()  # of the stop that has just sent its signal
    SHORTEN_GRACE = enum.auto()  # of the stop under way
    FREEZE = enum.auto()
    THAW = enum.auto()
    THAW_AGAIN = enum.auto()  # after pauses, until it works
    CLEAN_UP = enum.auto()  # after the run: whatever was still done for it is broken off
    AUTO_REMOVE = enum.auto()  # if the container is to be removed by itself
    BACK_OFF = enum.auto()  # wait, then start again
    END_BACK_OFF = enum.auto()
    DELETE = enum.auto()  # once the last visitor has left
    ADMIT = enum.auto()  # a visitor
    CUT_OFF = enum.auto()  # the visitors
    HURRY = enum.auto()  # the same, if it is they whom a removal waits for
    OPEN_SESSION = enum.auto()
    RESIZE = enum.auto()
    UPDATE = enum.auto()  # what runs, then the record
    CHANGE_NETWORKS = enum.auto()  # the same
    TELL_NAME = enum.auto()  # to the networks
    OBEY = enum.auto()  # have what runs obey its record, if an update was cut off
    POSTPONE = enum.auto()  # deliver the message again after the next change of state


BEFORE_COMMIT: Final = frozenset({Effect.SIGNAL, Effect.KILL})
"""Effects that do not wait for the disk: the process may end while its `kill` event is being written.

So a full disk keeps nobody from stopping a container.
"""

Message = type[Command[Any]] | type[Event]
Step = tuple[State, tuple[Effect, ...]]

S, E = State, Effect


def _stay(states: tuple[State, ...], message: Message, *effects: Effect) -> dict[tuple[State, Message], Step]:
    return {(state, message): (state, effects) for state in states}


def _go(
    states: tuple[State, ...], message: Message, target: State, *effects: Effect
) -> dict[tuple[State, Message], Step]:
    return {(state, message): (target, effects) for state in states}


# fmt: off
TABLE: Final[Mapping[tuple[State, Message], Step]] = MappingProxyType({
    # starting
    **_go(AT_REST, Start, S.STARTING, E.LAUNCH),
    **_go(AT_REST, Restart, S.STARTING, E.LAUNCH),
    **_go((S.STARTING,), Initialized, S.INITIALIZED, E.CONNECT),
    **_go((S.INITIALIZED,), Started, S.RUNNING),
    **_go(LAUNCHING, LaunchFailed, S.STOPPED, E.CLEAN_UP),
    **_stay((*LAUNCHING, *CLEARING, S.STOPPING), Start, E.POSTPONE),
    **_stay((*LAUNCHING, *CLEARING, S.STOPPING), Restart, E.POSTPONE),

    # stopping; a later stop may shorten the grace of an earlier one
    **_go((S.STARTING,), Stop, S.STOPPING, E.ABORT),
    **_go((S.STARTING,), Kill, S.STOPPING, E.ABORT),
    **_go((S.STARTING,), ForceRemove, S.STOPPING, E.ABORT, E.POSTPONE),
    **_go((S.INITIALIZED, S.RUNNING), Stop, S.STOPPING, E.SIGNAL, E.ARM_GRACE),
    **_go((S.RUNNING,), Restart, S.STOPPING, E.SIGNAL, E.ARM_GRACE, E.POSTPONE),
    **_go((S.INITIALIZED, S.RUNNING), Kill, S.STOPPING, E.KILL),
    **_go((S.INITIALIZED, S.RUNNING), ForceRemove, S.STOPPING, E.KILL, E.POSTPONE),
    **_stay((S.INITIALIZED, *ALIVE, S.STOPPING), Signal, E.SIGNAL),
    **_stay((S.STOPPING,), Stop, E.SHORTEN_GRACE),
    # what does not end by that may be frozen still: its thaw has failed
    **_stay((S.STOPPING,), Kill, E.KILL, E.THAW),
    **_stay((S.STOPPING,), ForceRemove, E.KILL, E.THAW, E.POSTPONE),
    **_stay((S.STOPPING,), GraceExpired, E.KILL, E.THAW),

    # a frozen process hears no signal, so it is thawed to be stopped, however often that takes
    **_stay((S.STOPPING,), ThawFailed, E.THAW_AGAIN),
    **_go((S.PAUSING, S.PAUSED, S.RESUMING), Stop, S.STOPPING, E.SIGNAL, E.THAW, E.ARM_GRACE),
    **_go((S.PAUSING, S.PAUSED, S.RESUMING), Restart, S.STOPPING, E.SIGNAL, E.THAW, E.ARM_GRACE, E.POSTPONE),
    **_go((S.PAUSING, S.PAUSED, S.RESUMING), Kill, S.STOPPING, E.KILL, E.THAW),
    **_go((S.PAUSING, S.PAUSED, S.RESUMING), ForceRemove, S.STOPPING, E.KILL, E.THAW, E.POSTPONE),

    # freezing
    **_go((S.RUNNING,), Pause, S.PAUSING, E.FREEZE),
    **_go((S.PAUSING,), Frozen, S.PAUSED),
    **_go((S.PAUSING,), FreezeFailed, S.RUNNING),
    **_go((S.PAUSED,), Unpause, S.RESUMING, E.THAW),
    **_go((S.RESUMING,), Thawed, S.RUNNING),
    **_go((S.RESUMING,), ThawFailed, S.PAUSED),
    **_stay((S.PAUSING,), Unpause, E.POSTPONE),
    **_stay((S.RESUMING,), Pause, E.POSTPONE),
    **_stay((S.STOPPING,), Frozen, E.THAW),  # the stop came while it was being frozen

    # ending
    **_go((*ALIVE, S.STOPPING), Exited, S.STOPPED, E.CLEAN_UP),
    **_go((*ALIVE, S.STOPPING), Lost, S.UNKNOWN, E.CLEAN_UP),
    **_go((S.STOPPING,), LaunchFailed, S.STOPPED, E.CLEAN_UP),
    **_stay((S.STOPPING,), Initialized, E.KILL),  # too late to break the launch off
    **_stay((S.STOPPING,), Started),
    **_go(CLEARING, CleanedUp, S.EXITED, E.AUTO_REMOVE),

    # starting again by itself, unless somebody does not want that
    **_go(ALIVE, Relapsed, S.RELAPSED, E.CLEAN_UP),
    **_go((S.RELAPSED,), CleanedUp, S.RESTARTING, E.BACK_OFF),
    **_go((S.RESTARTING,), StartAgain, S.STARTING, E.LAUNCH),
    **_go((S.RESTARTING,), GivenUp, S.EXITED),
    **_go((S.EXITED,), Revive, S.STARTING, E.LAUNCH),
    **_go((S.RELAPSED,), Stop, S.STOPPED),
    **_go((S.RELAPSED,), Kill, S.STOPPED),
    **_go((S.RELAPSED,), Restart, S.STOPPED, E.POSTPONE),
    **_go((S.RELAPSED,), ForceRemove, S.STOPPED, E.POSTPONE),
    **_go((S.RESTARTING,), Stop, S.EXITED, E.END_BACK_OFF),
    **_go((S.RESTARTING,), Kill, S.EXITED, E.END_BACK_OFF),
    **_go((S.RESTARTING,), Restart, S.STARTING, E.END_BACK_OFF, E.LAUNCH),
    **_go((S.RESTARTING,), ForceRemove, S.REMOVING, E.END_BACK_OFF, E.CUT_OFF, E.DELETE),
    **_stay(BETWEEN_RUNS, Signal),  # there is no process; one that would end it is a `Kill` (`restarting`)

    # removing
    **_go((*AT_REST, S.DEAD), Remove, S.REMOVING, E.DELETE),
    **_go((*AT_REST, S.DEAD), ForceRemove, S.REMOVING, E.CUT_OFF, E.DELETE),
    **_stay((S.REMOVING,), ForceRemove, E.HURRY),
    **_stay(CLEARING, Remove, E.POSTPONE),
    **_stay(CLEARING, ForceRemove, E.POSTPONE),
    **_go((S.REMOVING,), Deleted, S.REMOVED),
    **_go((S.REMOVING,), DeleteFailed, S.DEAD),

    # what came too late to matter; once the run is over, nothing of it is reported any more
    **_stay((S.STOPPING,), FreezeFailed),
    **_stay((S.STOPPING,), Thawed),

    # how it is; a probe may have ended just before the container is frozen or told to end
    **_stay((*ALIVE, S.STOPPING), Probed),

    # what changes no state
    **_stay((*ALIVE, S.STOPPING), Resize, E.RESIZE),
    **_stay(PERMANENT, Rename, E.TELL_NAME),
    **_stay(UPDATABLE, Update, E.UPDATE),
    **_stay(UPDATABLE, Updated),
    **_stay(LAUNCHING, Update, E.POSTPONE),  # what is being launched has been read already
    **_stay(LAUNCHING, Updated, E.POSTPONE),
    **_stay(UPDATABLE, Connect, E.CHANGE_NETWORKS),
    **_stay(UPDATABLE, Disconnect, E.CHANGE_NETWORKS),
    **_stay(LAUNCHING, Connect, E.POSTPONE),
    **_stay(LAUNCHING, Disconnect, E.POSTPONE),
    **_stay(UPDATABLE, Connected),
    **_stay(UPDATABLE, Disconnected),
    **_stay(LAUNCHING, Connected, E.POSTPONE),
    **_stay(LAUNCHING, Disconnected, E.POSTPONE),
    **_stay((*UPDATABLE, *LAUNCHING), Updating),
    **_stay(PERMANENT, Attach, E.OPEN_SESSION),
    **_stay(VISITABLE, Visit, E.ADMIT),
    **_stay(VISITABLE, Export, E.ADMIT),
    **_stay(VISITABLE, Commit, E.ADMIT),
    **_stay(PERMANENT, Note),
    **_stay(PERMANENT, WriteAgain),
})
# fmt: on


def step(state: State, message: Command[Any] | Event) -> Step | None:
    """Return the next state and the effects of `message`, or None if it is refused."""
    return TABLE.get((state, type(message)))
