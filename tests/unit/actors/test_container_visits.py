"""Visitors of a root filesystem: who lets them in, and what a removal does about them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import (
    Export,
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Start,
    Unpause,
    Visit,
)
from daemon.actors.container.states import State
from daemon.actors.container.visits import Visitor
from daemon.errors import Conflict, Failed
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES


async def test_a_removal_waits_for_the_last_visitor(world: World) -> None:
    container = await world.created()
    first, second = Visitor(), Visitor()
    await container.mailbox.ask(Visit(first))
    await container.mailbox.ask(Visit(second))
    removal = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    container.visits.leave(first)
    await wait_all_tasks_blocked()
    assert (removal.pending, world.host.asked("delete")) == (True, [])
    container.visits.leave(second)
    await removal.answer()
    assert container.snapshot.removed


async def test_a_removal_by_force_cuts_visitors_off(world: World) -> None:
    container = await world.running()
    visitor = Visitor()
    await container.mailbox.ask(Visit(visitor))
    visitor.can_be_cut_off(lambda: container.visits.leave(visitor))
    await container.mailbox.ask(ForceRemove())
    assert container.snapshot.removed


async def test_force_hurries_a_removal_that_waits_for_visitors(world: World) -> None:
    container = await world.created()
    visitor = Visitor()
    await container.mailbox.ask(Visit(visitor))
    removal = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    visitor.can_be_cut_off(lambda: container.visits.leave(visitor))
    await container.mailbox.ask(ForceRemove())
    await removal.answer()


async def test_a_hurried_removal_that_fails_fails_for_both(world: World) -> None:
    container = await world.created()
    visitor = Visitor()
    await container.mailbox.ask(Visit(visitor))
    world.host.faults["delete"] = Failed("busy")
    removal = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    visitor.can_be_cut_off(lambda: container.visits.leave(visitor))
    with refused(Failed, "busy"):
        await container.mailbox.ask(ForceRemove())
    with pytest.raises(Failed, match="busy"):
        await removal.answer()


async def test_who_is_cut_off_before_it_can_be_told_is_told_then(world: World) -> None:
    container = await world.created()
    visitor, told = Visitor(), trio.Event()
    await container.mailbox.ask(Visit(visitor))
    removal = world.ask(container, ForceRemove())
    await world.reaches(container, State.REMOVING)
    visitor.can_be_cut_off(told.set)
    assert told.is_set()
    container.visits.leave(visitor)
    await removal.answer()


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Visit, "container {id} is marked for removal: its files cannot be used any more"),
        (Export, "You cannot export container {id} which is being removed"),
    ],
)
async def test_what_is_being_removed_lets_nobody_in(world: World, command: type[Visit], text: str) -> None:
    container = await world.created()
    gate = world.host.hold("delete")
    removal = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    with refused(Conflict, text.format(id=container.id)):
        await container.mailbox.ask(command(Visitor()))
    gate.set()
    await removal.answer()


async def test_a_container_starts_and_ends_whoever_visits_it(world: World, autojump_clock: MockClock) -> None:
    container = await world.created()
    visitor = Visitor()
    await container.mailbox.ask(Visit(visitor))
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Kill())
    await world.reaches(container, State.EXITED)
    assert container.visits
    container.visits.leave(visitor)
    assert not container.visits


async def test_auto_remove_waits_for_visitors(world: World) -> None:
    container = await world.running(auto_remove=True)
    visitor = Visitor()
    await container.mailbox.ask(Visit(visitor))
    world.host.process.end(0)
    await world.reaches(container, State.REMOVING)
    await wait_all_tasks_blocked()
    assert not world.host.asked("delete")
    container.visits.leave(visitor)
    await world.reaches(container, State.REMOVED)


@pytest.mark.parametrize(("briefly", "stored"), [(True, State.RESUMING), (False, State.PAUSED)])
async def test_a_brief_pause_does_not_outlive_the_engine(world: World, briefly: bool, stored: State) -> None:
    container = await world.running()
    await container.mailbox.ask(Pause(briefly=briefly))
    assert container.snapshot.state is State.PAUSED
    assert container.snapshot.stored().state is stored
    await container.mailbox.ask(Unpause())
    await container.mailbox.ask(Pause())
    assert container.snapshot.stored().state is State.PAUSED
