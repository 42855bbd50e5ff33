"""Containers with a restart policy, brought to where it matters."""

from __future__ import annotations

from typing import Any, Final

from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.actor import Container
from daemon.actors.container.snapshot import Stored
from daemon.actors.container.states import State
from daemon.actors.mailbox import Event
from daemon.model import RestartPolicy
from daemon.wire import parse_record
from tests.unit.actors.world import World

ALWAYS: Final = RestartPolicy("always")
UNLESS_STOPPED: Final = RestartPolicy("unless-stopped")
TWICE: Final = RestartPolicy("on-failure", 2)
BETWEEN: Final = (State.RELAPSED, State.RESTARTING)


async def between_runs(
    world: World, state: State, policy: RestartPolicy = ALWAYS, **changes: Any
) -> Container:
    """Return a container that has ended with code 1 and will be started again."""
    container = await world.running(**{**changes, "restart_policy": policy})
    if state is State.RELAPSED:
        world.host.hold("clean_up")
    world.host.process.end(1)
    await world.reaches(container, state)
    return container


def cleared(world: World) -> None:
    """Let go on whatever `between_runs` holds."""
    for gate in world.host.gates.values():
        gate.set()


async def runs_again(world: World, container: Container) -> None:
    """Let the process end and wait for the next one."""
    exits = container.snapshot.exits
    world.host.process.end(1)
    await container.cell.wait_for(lambda now: now.exits > exits and now.running)


async def crash(world: World, container: Container) -> None:
    """Have the actor end by a bug: by a report that cannot come."""
    await container.mailbox.tell(Event())
    await wait_all_tasks_blocked()
    assert "actor crashed" in [entry["event"] for entry in world.logs]


def written(world: World) -> Stored:
    """Return what the journal knows of the only container."""
    (found,) = world.ledger.records("container")
    return parse_record(found.body, Stored)


def starts(world: World) -> list[float]:
    """Return when processes were started, in seconds since the test began."""
    return [at for at, _ in world.host.asked("start")]
