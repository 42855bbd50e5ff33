"""How a message changes a container's snapshot, apart from its state, which is the table's.

One function for each message that says something new; pure, so that a transition can be tried
before it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.container.lifecycle import AT_REST, LAUNCHING, State
from daemon.actors.container.messages import (
    CleanedUp,
    DeleteFailed,
    Exited,
    Initialized,
    LaunchFailed,
    Lost,
    Rename,
    Restart,
    Start,
    Started,
)
from daemon.actors.container.snapshot import ContainerSnapshot

EXIT_UNKNOWN: Final = 255  # what dockerd reports for an exit that nobody saw
UNKNOWN_TEXT: Final = "the exit code is not known: the container's monitor ended without leaving it"

TRANSIENT: Final = frozenset(
    {
        *LAUNCHING,
        State.PAUSING,
        State.RESUMING,
        State.STOPPING,
        State.STOPPED,
        State.UNKNOWN,
        State.REMOVING,
    }
)
"""States that are shown as an operation under way."""


def _start(now: ContainerSnapshot, message: Start | Restart) -> dict[str, Any]:
    # In any state, so that a container is not stopped for a restart that cannot come to anything.
    runtime = message.runtimes.lock(now.record.host_config.runtime)
    return {"record": attrs.evolve(now.record, runtime=runtime)} if now.state in AT_REST else {}


def _initialized(_: ContainerSnapshot, message: Initialized) -> dict[str, Any]:
    return {"run": message.run}


def _started(_: ContainerSnapshot, message: Started) -> dict[str, Any]:
    return {"started_ns": message.at_ns, "exit_code": 0, "error": "", "oom_killed": False}


def _launch_failed(_: ContainerSnapshot, message: LaunchFailed) -> dict[str, Any]:
    # The run is kept, for whoever clears away what is left of it.
    return {"run": message.run, "exit_code": message.exit_code, "error": str(message.error)}


def _exited(now: ContainerSnapshot, message: Exited) -> dict[str, Any]:
    return {
        "run": None,
        "exit_code": message.exit.code,
        "oom_killed": message.exit.oom_killed,
        "finished_ns": message.at_ns,
        "exits": now.exits + 1,
    }


def _lost(now: ContainerSnapshot, message: Lost) -> dict[str, Any]:
    # The run is kept: its process may still be there and must be ended.
    return {
        "exit_code": EXIT_UNKNOWN,
        "error": UNKNOWN_TEXT,
        "finished_ns": message.at_ns,
        "exits": now.exits + 1,
    }


def _cleaned_up(_: ContainerSnapshot, __: CleanedUp) -> dict[str, Any]:
    return {"run": None}


def _delete_failed(_: ContainerSnapshot, message: DeleteFailed) -> dict[str, Any]:
    return {"error": str(message.error)}


def _renamed(now: ContainerSnapshot, message: Rename) -> dict[str, Any]:
    return {"record": attrs.evolve(now.record, name=message.name)}


CHANGES: Final[Mapping[type, Callable[[ContainerSnapshot, Any], dict[str, Any]]]] = MappingProxyType(
    {
        Start: _start,
        Restart: _start,
        Initialized: _initialized,
        Started: _started,
        LaunchFailed: _launch_failed,
        Exited: _exited,
        Lost: _lost,
        CleanedUp: _cleaned_up,
        DeleteFailed: _delete_failed,
        Rename: _renamed,
    }
)


def changed(now: ContainerSnapshot, target: State, message: object, at_ns: int) -> ContainerSnapshot:
    """Return the snapshot after `message` has taken the container to `target` at `at_ns`.

    Raises:
        InvalidParameter: it was to be started, and its runtime is not configured any more.

    """
    change = CHANGES.get(type(message))
    changes = change(now, message) if change else {}
    if target is not now.state:
        under_way = target in TRANSIENT
        changes["operation"] = target.value if under_way else ""
        changes["operation_since_ns"] = at_ns if under_way else 0
    return now.replace(state=target, **changes)
