"""Removing: when it is refused, what it waits for, and what is left if it fails."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import ForceRemove, Kill, Pause, Remove, Restart, Start
from daemon.actors.container.states import State
from daemon.errors import Conflict, EngineError, Failed, NotFound
from tests.unit.actors.fakes import KILL
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES


async def test_a_removed_container_is_gone_everywhere(world: World, autojump_clock: MockClock) -> None:
    container = await world.created()
    await container.mailbox.ask(Remove())
    assert world.host.asked("delete") == [(0, container.id)]
    assert (world.ledger.records("container"), world.ledger.names("container")) == ([], {})
    assert world.ledger.books.holds == set()
    assert (container.snapshot.removed, len(world.containers), list(world.containers)) == (True, 0, [])
    with refused(NotFound, "No such container: web"):
        world.containers.resolve("web")
    with refused(NotFound, f"No such container: {container.id}"):
        await container.mailbox.ask(Start(RUNTIMES))


async def test_its_name_may_be_had_by_another_one(world: World) -> None:
    await (await world.created()).mailbox.ask(Remove())
    successor = await world.created()
    assert world.containers.resolve("web") is successor


async def test_what_runs_is_not_removed(world: World) -> None:
    container = await world.running()
    why = "container is running: stop the container before removing or force remove"
    with refused(Conflict, f'cannot remove container "web": {why}'):
        await container.mailbox.ask(Remove())


async def test_what_is_paused_is_not_removed(world: World) -> None:
    container = await world.paused()
    with refused(Conflict, 'cannot remove container "web": container is paused and must be unpaused first'):
        await container.mailbox.ask(Remove())


@pytest.mark.parametrize("state", ["running", "paused"])
async def test_force_kills_once_and_removes(world: World, autojump_clock: MockClock, state: str) -> None:
    container = await (world.running() if state == "running" else world.paused())
    await container.mailbox.ask(ForceRemove())
    assert world.host.asked("signal") == [(0, KILL)]
    assert [action for action in world.actions if action != "pause"] == ["start", "kill(9)", "die", "destroy"]


async def test_force_breaks_a_start_off(world: World) -> None:
    container = await world.created()
    world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    await container.mailbox.ask(ForceRemove())
    with pytest.raises(Conflict, match="was stopped before it had started"):
        await start.answer()
    assert world.actions == ["destroy"]


async def test_force_ends_a_stop_that_waits(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    restart = world.ask(container, Restart(-1, runtimes=RUNTIMES))
    await world.reaches(container, State.STOPPING)
    await trio.sleep(5)
    restart.scope.cancel()
    await container.mailbox.ask(ForceRemove())
    assert world.host.asked("signal")[-1] == (5, KILL)


@pytest.mark.parametrize("command", [Remove(), ForceRemove()])
async def test_a_removal_waits_until_the_run_is_cleared_away(
    world: World, autojump_clock: MockClock, command: Remove | ForceRemove
) -> None:
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.host.process.end(0)
    await world.reaches(container, State.STOPPED)
    removal = world.ask(container, command)
    await trio.sleep(1)
    assert (removal.pending, world.host.asked("delete")) == (True, [])
    clearing.set()
    await removal.answer()


@pytest.mark.parametrize("command", [Remove(), ForceRemove()])
async def test_a_second_removal_is_refused(world: World, command: Remove | ForceRemove) -> None:
    container = await world.created()
    gate = world.host.hold("delete")
    first = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    with refused(Conflict, "removal of container web is already in progress"):
        await container.mailbox.ask(command)
    with refused(Conflict, "container is marked for removal and cannot be started"):
        await container.mailbox.ask(Start(RUNTIMES))
    gate.set()
    await first.answer()


async def test_a_removal_that_fails_leaves_a_container_that_can_only_be_removed(world: World) -> None:
    container = await world.created()
    world.host.faults["delete"] = Failed("busy")
    with refused(Failed, "busy"):
        await container.mailbox.ask(Remove())
    assert (container.snapshot.state, container.snapshot.error) == (State.DEAD, "busy")
    with refused(Conflict, "container is marked for removal and cannot be started"):
        await container.mailbox.ask(Start(RUNTIMES))
    del world.host.faults["delete"]
    await container.mailbox.ask(Remove())
    assert container.snapshot.removed


@pytest.mark.parametrize("code", [0, 1])
async def test_auto_remove_follows_the_exit(world: World, code: int) -> None:
    container = await world.running(auto_remove=True)
    world.host.process.end(code)
    await world.reaches(container, State.REMOVED)
    assert world.actions == ["start", "die", "destroy"]
    assert container.snapshot.exit_code == code


async def test_auto_remove_follows_a_failed_start(world: World) -> None:
    container = await world.created(auto_remove=True)
    world.host.faults["create"] = Failed("no")
    with refused(Failed, "no"):
        await container.mailbox.ask(Start(RUNTIMES))
    await world.reaches(container, State.REMOVED)


async def test_auto_remove_does_not_come_between_a_restarts_halves(world: World) -> None:
    container = await world.running(auto_remove=True)
    await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))
    assert container.snapshot.running
    await container.mailbox.ask(Kill())
    await world.reaches(container, State.REMOVED)


async def test_auto_remove_that_fails_leaves_the_container_dead(world: World) -> None:
    container = await world.running(auto_remove=True)
    world.host.faults["delete"] = Failed("busy")
    world.host.process.end(0)
    assert (await world.reaches(container, State.DEAD)).exit_code == 0


async def test_whoever_waits_for_a_container_that_is_removed_is_told(world: World) -> None:
    """A start that has been put off finds nothing to start."""
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.host.process.end(0)
    await world.reaches(container, State.STOPPED)
    removal = world.ask(container, ForceRemove())
    await wait_all_tasks_blocked()
    start = world.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    clearing.set()
    await removal.answer()
    with pytest.raises(EngineError):
        await start.answer()


async def test_a_task_that_hangs_does_not_keep_a_removed_container_in_sight(world: World) -> None:
    container = await world.running()
    world.host.hold("freeze")
    world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    await container.mailbox.ask(ForceRemove())
    assert list(world.containers) == []
