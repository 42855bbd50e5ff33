"""What the simulation has found (`tests/simulation`), each as a story of its own."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import ForceRemove, Kill, Rename, Start, Stop
from daemon.actors.container.freezing import LONGEST_PAUSE_SECONDS
from daemon.actors.container.snapshot import Stored
from daemon.actors.container.states import State
from daemon.actors.mailbox import Command
from daemon.errors import RuntimeFailed
from daemon.wire import parse_record
from tests.unit.actors.world import World
from tests.unit.runtimes.tables import RUNTIMES


def written(world: World) -> Stored:
    return parse_record(world.ledger.records("container")[-1].body, Stored)


async def test_a_stop_of_what_was_not_yet_let_go_is_written_as_a_launch_to_be_undone(world: World) -> None:
    """It came back as running, with a `die` and no `start`, if it ended at all."""
    container = await world.created()
    started = world.host.hold("start")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.INITIALIZED)
    world.host.process.obeys = frozenset()
    world.ask(container, Stop(-1, signal=10))
    await world.reaches(container, State.STOPPING)
    assert (written(world).state, written(world).run) == (State.STARTING, None)
    started.set()
    await wait_all_tasks_blocked()
    assert (written(world).state, written(world).run) == (State.RESUMING, container.snapshot.run)


async def test_what_was_being_written_when_the_actor_crashed_is_known_to_the_next(
    world: World, autojump_clock: MockClock
) -> None:
    """The journal had the new name, and the next incarnation went on with the old one."""
    container = await world.created("anna")
    creating = world.host.hold("create")
    world.host.faults["create"] = ZeroDivisionError()
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    world.ledger.gate = trio.Event()
    world.ask(container, Rename("bert"))
    await wait_all_tasks_blocked()
    creating.set()
    await wait_all_tasks_blocked()
    world.ledger.gate.set()
    await world.reaches(container, State.EXITED)
    assert container.snapshot.record.name == "bert"
    assert world.ledger.names("container") == {"bert": container.id}


async def test_what_could_not_be_thawed_to_be_killed_is_thawed_by_the_next_kill(world: World) -> None:
    """It stayed frozen, and so undead: no later kill and no forced removal thawed it."""
    container = await world.paused()
    world.host.faults["thaw"] = RuntimeFailed("resume", "not now")
    first = world.ask(container, Kill())
    await wait_all_tasks_blocked()
    assert first.pending
    world.host.faults.clear()
    await container.mailbox.ask(Kill())
    await first.answer()


@pytest.mark.parametrize("command", [Kill(), Stop(0), ForceRemove()], ids=lambda one: type(one).__name__)
async def test_a_thaw_that_failed_is_tried_again_until_what_was_killed_hears_it(
    world: World, autojump_clock: MockClock, command: Command[None]
) -> None:
    container = await world.paused()
    world.host.faults["thaw"] = RuntimeFailed("resume", "not now")
    asked = world.ask(container, command)
    await trio.sleep(100)
    assert asked.pending
    tries = [at for at, _ in world.host.asked("thaw")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses[:3] == [0.25, 0.5, 1.0]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE_SECONDS
    world.host.faults.clear()
    await asked.answer()
    count = len(world.host.asked("thaw"))
    await trio.sleep(100)
    assert len(world.host.asked("thaw")) == count
