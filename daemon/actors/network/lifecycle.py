"""A network's state machine: one table, no I/O.

A network that is to be made is not here yet: it has an actor from when it is in the kernel and in the
journal (`daemon.actors.networks`).  What is in the kernel does not survive a boot, so a network that was
found in the journal begins by being raised; the predefined bridge waits for its first container, so that
several engines can start on a host.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.mailbox import Command, Event
from daemon.actors.network.messages import (
    Join,
    Leave,
    Raised,
    RaiseFailed,
    Remove,
    Removed,
    RemoveFailed,
    Rename,
)


class State(enum.Enum):
    """Where a network is in its life."""

    DORMANT = "dormant"  # defined, but not in the kernel, or nobody knows
    RAISING = "raising"
    ACTIVE = "active"
    REMOVING = "removing"
    REMOVED = "removed"


class Effect(enum.Enum):
    """What the actor does on behalf of a transition."""

    RAISE = enum.auto()  # have the kernel have it
    SETTLE = enum.auto()  # be what is in the kernel now
    DISMANTLE = enum.auto()  # take it from the kernel, then from the journal
    POSTPONE = enum.auto()  # deliver the message again after the next change of state
    REFUSE_JOINS = enum.auto()  # those postponed, with the error that the message brings
    REFUSE_REMOVALS = enum.auto()  # the same
    GIVE = enum.auto()
    TAKE_BACK = enum.auto()
    RENAME = enum.auto()
    FORGET = enum.auto()


Step = tuple[State, tuple[Effect, ...]]

# fmt: off
TABLE: Final[Mapping[tuple[State, type[Command[Any]] | type[Event]], Step]] = MappingProxyType({
    (State.DORMANT, Join):          (State.RAISING, (Effect.POSTPONE, Effect.RAISE)),
    (State.DORMANT, Leave):         (State.DORMANT, (Effect.TAKE_BACK,)),
    (State.DORMANT, Rename):        (State.DORMANT, (Effect.RENAME,)),
    (State.DORMANT, Remove):        (State.REMOVING, (Effect.POSTPONE, Effect.DISMANTLE)),

    (State.RAISING, Join):          (State.RAISING, (Effect.POSTPONE,)),
    (State.RAISING, Leave):         (State.RAISING, (Effect.TAKE_BACK,)),
    (State.RAISING, Rename):        (State.RAISING, (Effect.RENAME,)),
    (State.RAISING, Remove):        (State.RAISING, (Effect.POSTPONE,)),
    (State.RAISING, Raised):        (State.ACTIVE, (Effect.SETTLE,)),
    (State.RAISING, RaiseFailed):   (State.DORMANT, (Effect.REFUSE_JOINS,)),

    (State.ACTIVE, Join):           (State.ACTIVE, (Effect.GIVE,)),
    (State.ACTIVE, Leave):          (State.ACTIVE, (Effect.TAKE_BACK,)),
    (State.ACTIVE, Rename):         (State.ACTIVE, (Effect.RENAME,)),
    (State.ACTIVE, Remove):         (State.REMOVING, (Effect.POSTPONE, Effect.DISMANTLE)),

    (State.REMOVING, Leave):        (State.REMOVING, (Effect.TAKE_BACK,)),
    (State.REMOVING, Rename):       (State.REMOVING, (Effect.RENAME,)),
    (State.REMOVING, Remove):       (State.REMOVING, (Effect.POSTPONE,)),
    (State.REMOVING, Removed):      (State.REMOVED, (Effect.FORGET,)),
    (State.REMOVING, RemoveFailed): (State.DORMANT, (Effect.REFUSE_REMOVALS,)),
})
# fmt: on

RESUME: Final[Mapping[State, Effect]] = MappingProxyType(
    {State.RAISING: Effect.RAISE, State.REMOVING: Effect.DISMANTLE}
)
"""What a new incarnation of the actor has to begin again."""


def step(state: State, message: Command[Any] | Event) -> Step | None:
    """Return the next state and the effects of `message`, or None if it is refused."""
    return TABLE.get((state, type(message)))
