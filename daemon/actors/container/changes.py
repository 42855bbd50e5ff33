"""How a message changes a container's snapshot, apart from its state, which is the table's.

One function for each message that says something new; pure, so that a transition can be tried
before it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.container.attachments import NOWHERE
from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Pause,
    Rename,
    Restart,
    Revive,
    Signal,
    Start,
    StartAgain,
    Stop,
)
from daemon.actors.container.health import at_end, at_start, check_of, judged
from daemon.actors.container.reports import (
    CleanedUp,
    Connected,
    DeleteFailed,
    Disconnected,
    Exited,
    Frozen,
    GivenUp,
    Initialized,
    LaunchFailed,
    Lost,
    Probed,
    Relapsed,
    Started,
    Thawed,
    Updated,
    Updating,
)
from daemon.actors.container.restarting import EXIT_UNKNOWN, asks_to_end, next_backoff_ns
from daemon.actors.container.snapshot import OPERATIONS, ContainerSnapshot
from daemon.actors.container.states import AT_REST, State

UNKNOWN_TEXT: Final = "the exit code is not known: the container's monitor ended without leaving it"


def _start(now: ContainerSnapshot, message: Start | Restart | Revive) -> dict[str, Any]:
    # In any state, so that a container is not stopped for a restart that cannot come to anything.
    begun = _start_again(now, message)
    if now.state not in {*AT_REST, State.RESTARTING}:
        return {}
    return {**begun, "restart_count": 0, "backoff_ns": 0, "stopped_by_hand": False}


def _start_again(now: ContainerSnapshot, message: Start | Restart | Revive | StartAgain) -> dict[str, Any]:
    runtime = message.runtimes.lock(now.record.host_config.runtime)
    return {"record": attrs.evolve(now.record, runtime=runtime), "let_go": False, "may_obey": None}


def _stop(now: ContainerSnapshot, message: Stop | Kill) -> dict[str, Any]:
    return {"stopped_by_hand": now.stopped_by_hand or message.by_hand}


def _signal(now: ContainerSnapshot, message: Signal) -> dict[str, Any]:
    by_hand = asks_to_end(message, now.record.config)
    return {"stopped_by_hand": now.stopped_by_hand or by_hand}


def _initialized(_: ContainerSnapshot, message: Initialized) -> dict[str, Any]:
    return {"run": message.run, "attachments": message.attachments}


def _started(now: ContainerSnapshot, message: Started) -> dict[str, Any]:
    health = at_start(now.record.config)
    cleared = {"exit_code": 0, "error": "", "oom_killed": False}
    return {"started_ns": message.at_ns, "let_go": True, "told_paused": False, "health": health, **cleared}


def _probed(now: ContainerSnapshot, message: Probed) -> dict[str, Any]:
    check = check_of(now.record.config)
    assert check is not None  # or else it would not have been probed
    if now.health is None or now.state is not State.RUNNING:  # what is being ended may well fail its probe
        return {}
    return {"health": judged(now.health, message.result, check, now.started_ns)}


def _paused(_: ContainerSnapshot, message: Pause) -> dict[str, Any]:
    return {"paused_briefly": message.briefly}


def _frozen(now: ContainerSnapshot, _: Frozen) -> dict[str, Any]:
    return {"told_paused": now.state is State.PAUSING}  # one that is stopped meanwhile is thawed untold


def _thawed(now: ContainerSnapshot, _: Thawed) -> dict[str, Any]:
    return {"told_paused": now.told_paused and now.state is State.STOPPING}  # its end tells


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
        "health": at_end(now.health),
    }


def _lost(now: ContainerSnapshot, message: Lost) -> dict[str, Any]:
    # The run is kept: its process may still be there and must be ended.
    return {
        "exit_code": EXIT_UNKNOWN,
        "error": UNKNOWN_TEXT,
        "finished_ns": message.at_ns,
        "exits": now.exits + 1,
        "health": at_end(now.health),
    }


def _relapsed(now: ContainerSnapshot, message: Relapsed) -> dict[str, Any]:
    end = message.end
    ended = _exited(now, end) if isinstance(end, Exited) else _lost(now, end)
    backoff_ns = next_backoff_ns(now.backoff_ns, end.at_ns - now.started_ns)
    return {**ended, "restart_count": now.restart_count + 1, "backoff_ns": backoff_ns}


def _cleaned_up(_: ContainerSnapshot, __: CleanedUp) -> dict[str, Any]:
    return {"run": None, "attachments": NOWHERE}


def _failed(_: ContainerSnapshot, message: DeleteFailed | GivenUp) -> dict[str, Any]:
    return {"error": str(message.error)}


def _renamed(now: ContainerSnapshot, message: Rename) -> dict[str, Any]:
    return {"record": attrs.evolve(now.record, name=message.name)}


def _connected(now: ContainerSnapshot, message: Connected) -> dict[str, Any]:
    networks = {**now.record.networks, message.network: message.endpoint}
    return {"record": attrs.evolve(now.record, networks=networks), **_attached(now, message)}


def _disconnected(now: ContainerSnapshot, message: Disconnected) -> dict[str, Any]:
    networks = {name: wish for name, wish in now.record.networks.items() if name != message.network}
    return {"record": attrs.evolve(now.record, networks=networks), **_attached(now, message)}


def _attached(now: ContainerSnapshot, message: Connected | Disconnected) -> dict[str, Any]:
    if message.attachments is None or message.run != now.run:  # that run is over
        return {}
    return {"attachments": message.attachments}


def _updating(_: ContainerSnapshot, message: Updating) -> dict[str, Any]:
    return {"may_obey": message.limits}


def _updated(now: ContainerSnapshot, message: Updated) -> dict[str, Any]:
    # What was started meanwhile was started with what was written then.
    may_obey = None if now.run == message.run else now.record.host_config
    return {"record": attrs.evolve(now.record, host_config=message.host_config), "may_obey": may_obey}


CHANGES: Final[Mapping[type, Callable[[ContainerSnapshot, Any], dict[str, Any]]]] = MappingProxyType(
    {
        Start: _start,
        Restart: _start,
        Revive: _start,
        StartAgain: _start_again,
        Stop: _stop,
        Kill: _stop,
        ForceRemove: lambda *_: {"stopped_by_hand": True},
        Signal: _signal,
        Initialized: _initialized,
        Started: _started,
        Probed: _probed,
        Pause: _paused,
        Frozen: _frozen,
        Thawed: _thawed,
        LaunchFailed: _launch_failed,
        Exited: _exited,
        Lost: _lost,
        Relapsed: _relapsed,
        GivenUp: _failed,
        CleanedUp: _cleaned_up,
        DeleteFailed: _failed,
        Rename: _renamed,
        Updating: _updating,
        Updated: _updated,
        Connected: _connected,
        Disconnected: _disconnected,
    }
)


def changed(now: ContainerSnapshot, target: State, message: object, at_ns: int) -> ContainerSnapshot:
    """Return the snapshot after `message` has taken the container to `target` at `at_ns`.

    Raises:
        InvalidParameter: it was to be started, and its runtime is not configured any more.

    """
    change = CHANGES.get(type(message))
    changes = change(now, message) if change else {}
    if OPERATIONS.get(target) != OPERATIONS.get(now.state):
        changes["operation_since_ns"] = at_ns
    return now.replace(state=target, **changes)
