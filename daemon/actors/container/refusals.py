"""What a client reads when the state table refuses its command.

The texts are those that clients of dockerd match (api-contract sections 3.4 and 3.6).  In them
`{id}` is the full id and `{name}` the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.container.commands import (
    Commit,
    Connect,
    Disconnect,
    Export,
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Resize,
    Restart,
    Signal,
    Start,
    Stop,
    Unpause,
    Update,
    Visit,
)
from daemon.actors.container.reports import Connected, Disconnected, Updated, Updating
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.mailbox import Command
from daemon.errors import Conflict, EngineError, Failed, NotModified

Refusal = tuple[type[EngineError], str]

MARKED: Final = (Conflict, "container is marked for removal and cannot be started")
NOT_RUNNING: Final = (Conflict, "container {id} is not running")
CANNOT_KILL: Final = (Conflict, "cannot kill container: {name}: container {id} is not running")
UNDER_REMOVAL: Final = (Conflict, "removal of container {name} is already in progress")
STILL_RUNNING: Final = (
    Conflict,
    'cannot remove container "{name}": '
    "container is running: stop the container before removing or force remove",
)

STILL_RESTARTING: Final = (
    Conflict,
    'cannot remove container "{name}": '
    "container is restarting: stop the container before removing or force remove",
)
CANNOT_CHANGE_NETWORKS: Final = (
    Conflict,
    "container {id} is marked for removal and cannot be connected or disconnected to the network",
)
CANNOT_UPDATE: Final = (
    Conflict,
    'Cannot update container {id}: container is marked for removal and cannot be "update"',
)
CANNOT_BE_VISITED: Final = (
    Conflict,
    "container {id} is marked for removal: its files cannot be used any more",
)
RESTARTING: Final = (Conflict, "Container {id} is restarting, wait until the container is running")

BY_STATE: Final[Mapping[tuple[type[Command[Any]], State], Refusal]] = MappingProxyType(
    {
        (Start, State.PAUSED): (Conflict, "cannot start a paused container, try unpause instead"),
        (Start, State.REMOVING): MARKED,
        (Start, State.DEAD): MARKED,
        (Restart, State.REMOVING): MARKED,
        (Restart, State.DEAD): MARKED,
        (Pause, State.PAUSED): (Conflict, "container {id} is already paused"),
        (Pause, State.PAUSING): (Conflict, "container {id} is already paused"),
        (Remove, State.PAUSED): (
            Conflict,
            'cannot remove container "{name}": container is paused and must be unpaused first',
        ),
        (Remove, State.REMOVING): UNDER_REMOVAL,
        (Export, State.REMOVING): (Conflict, "You cannot export container {id} which is being removed"),
        (Commit, State.REMOVING): (Conflict, "You cannot commit container {id} which is being removed"),
        (Commit, State.DEAD): (Conflict, "You cannot commit container {id} which is Dead"),
        (Export, State.DEAD): (Conflict, "You cannot export container {id} which is Dead"),
    }
)

WHILE_RESTARTING: Final[Mapping[type[Command[Any]], Refusal]] = MappingProxyType(
    {Pause: RESTARTING, Remove: STILL_RESTARTING}
)

BY_COMMAND: Final[Mapping[type[Command[Any]], Refusal]] = MappingProxyType(
    {
        Start: (NotModified, "container {name} is already running"),
        Stop: (NotModified, "container {name} is not running"),
        Kill: CANNOT_KILL,
        Signal: CANNOT_KILL,
        Pause: NOT_RUNNING,
        Unpause: (Failed, "Container {id} is not paused"),
        Resize: NOT_RUNNING,
        Remove: STILL_RUNNING,
        ForceRemove: UNDER_REMOVAL,
        Visit: CANNOT_BE_VISITED,
        Update: CANNOT_UPDATE,
        Updating: CANNOT_UPDATE,
        Updated: CANNOT_UPDATE,
        Connect: CANNOT_CHANGE_NETWORKS,
        Connected: CANNOT_CHANGE_NETWORKS,
        Disconnect: CANNOT_CHANGE_NETWORKS,
        Disconnected: CANNOT_CHANGE_NETWORKS,
    }
)


def refusal(snapshot: ContainerSnapshot, command: Command[Any]) -> EngineError:
    """Return the error with which `command` is refused.

    A container is restarting until it runs, as inspect shows it: between two runs, and while it is started.
    """
    kind = type(command)
    found = WHILE_RESTARTING.get(kind) if snapshot.restarting else BY_STATE.get((kind, snapshot.state))
    error, text = found or BY_COMMAND.get(kind) or NOT_RUNNING
    return error(text.format(id=snapshot.id, name=snapshot.record.name))
