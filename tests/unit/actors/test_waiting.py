"""The three conditions of a wait."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import ForceRemove, Remove, Restart, Start
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.container.waiting import waiting_for
from daemon.errors import Failed, InvalidParameter
from tests.unit.actors.world import World, a_record, refused
from tests.unit.runtimes.tables import RUNTIMES


class Waiter:
    """Somebody who waits, from the moment it is made."""

    def __init__(self, world: World, container: Container, condition: str) -> None:
        self.waiting = waiting_for(container.snapshot, condition)
        self.code: int | None = None
        world.nursery.start_soon(self._wait, container)

    async def _wait(self, container: Container) -> None:
        now = await container.cell.wait_for(self.waiting.is_over)
        self.code = self.waiting.exit_code(now)


@pytest.mark.parametrize("condition", ["", "not-running"])
async def test_what_does_not_run_need_not_be_waited_for(world: World, condition: str) -> None:
    container = await world.created()
    assert waiting_for(container.snapshot, condition).is_over(container.snapshot)


@pytest.mark.parametrize("condition", ["", "not-running", "next-exit"])
async def test_an_exit_wakes_who_waits_for_it(world: World, condition: str) -> None:
    container = await world.running()
    waiter = Waiter(world, container, condition)
    world.host.process.end(5)
    await world.reaches(container, State.EXITED)
    await wait_all_tasks_blocked()
    assert waiter.code == 5


async def test_the_next_exit_is_not_the_last_one(world: World) -> None:
    container = await world.running()
    world.host.process.end(1)
    await world.reaches(container, State.EXITED)
    waiter = Waiter(world, container, "next-exit")
    await container.mailbox.ask(Start(RUNTIMES))
    await wait_all_tasks_blocked()
    assert waiter.code is None
    world.host.process.end(2)
    await world.reaches(container, State.EXITED)
    await wait_all_tasks_blocked()
    assert waiter.code == 2


async def test_an_exit_wakes_who_waits_even_if_a_restart_follows(world: World) -> None:
    container = await world.running()
    waiter = Waiter(world, container, "not-running")
    await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))
    await wait_all_tasks_blocked()
    assert waiter.code == 143


async def test_a_container_on_its_way_to_run_is_waited_for(world: World) -> None:
    container = await world.created()
    creating = world.host.hold("create")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    waiter = Waiter(world, container, "not-running")
    creating.set()
    await world.reaches(container, State.RUNNING)
    await wait_all_tasks_blocked()
    assert waiter.code is None


async def test_a_start_that_fails_ends_the_wait_for_not_running(world: World) -> None:
    container = await world.created()
    creating = world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    waiter = Waiter(world, container, "not-running")
    world.host.faults["create"] = Failed("no")
    creating.set()
    with pytest.raises(Failed):
        await start.answer()
    await world.reaches(container, State.EXITED)
    await wait_all_tasks_blocked()
    assert waiter.code == 128


async def test_removed_is_not_over_before_nothing_is_left(world: World) -> None:
    container = await world.running()
    waiter = Waiter(world, container, "removed")
    deleting = world.host.hold("delete")
    world.ask(container, ForceRemove())
    await world.reaches(container, State.REMOVING)
    await wait_all_tasks_blocked()
    assert waiter.code is None
    deleting.set()
    await world.reaches(container, State.REMOVED)
    await wait_all_tasks_blocked()
    assert waiter.code == 137


@pytest.mark.parametrize("condition", ["not-running", "next-exit", "removed"])
async def test_a_removal_ends_every_wait(world: World, condition: str) -> None:
    container = await world.created()
    waiter = Waiter(world, container, condition)
    await container.mailbox.ask(Remove())
    await world.reaches(container, State.REMOVED)
    await wait_all_tasks_blocked()
    assert waiter.code == 0


def test_other_conditions_do_not_exist() -> None:
    with refused(InvalidParameter, 'invalid condition: "healthy"'):
        waiting_for(ContainerSnapshot(a_record()), "healthy")
