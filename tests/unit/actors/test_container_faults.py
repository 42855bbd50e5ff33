"""A disk that refuses, an actor that crashes: what is told, what is kept, who else notices."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Note,
    Pause,
    Remove,
    Rename,
    Signal,
    Start,
    Stop,
)
from daemon.actors.container.reports import Thawed
from daemon.actors.container.snapshot import Stored
from daemon.actors.container.states import State
from daemon.errors import Failed, Unavailable
from daemon.wire import parse_record
from tests.unit.actors.fakes import TERM
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES

FULL = Failed("no space left on device")


def stored(world: World) -> Stored:
    [record] = world.ledger.records("container")
    return parse_record(record.body, Stored)


@pytest.mark.parametrize("command", [Start(RUNTIMES), Rename("shop"), Note("top"), Remove()])
async def test_a_command_that_cannot_be_written_is_refused_and_changes_nothing(
    world: World, autojump_clock: MockClock, command: Start | Rename | Note | Remove
) -> None:
    container = await world.created()
    await wait_all_tasks_blocked()
    before = container.snapshot
    world.ledger.fails = FULL
    with refused(Failed, "no space left on device"):
        await container.mailbox.ask(command)
    assert container.snapshot is before
    assert world.host.calls == []
    world.ledger.fails = None
    await container.mailbox.ask(Start(RUNTIMES))


async def test_a_fact_that_cannot_be_written_stays_a_fact_and_is_written_later(world: World) -> None:
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.ledger.fails = FULL
    world.host.process.end(7)
    now = await world.reaches(container, State.STOPPED)
    assert (now.exit_code, world.actions, stored(world).state) == (7, ["start"], State.RUNNING)
    await wait_all_tasks_blocked()
    world.ledger.fails = None
    clearing.set()
    await world.reaches(container, State.EXITED)
    assert (world.actions, stored(world).state) == (["start", "die"], State.STOPPED)
    assert stored(world).exit_code == 7


@pytest.mark.parametrize("command", [Kill(), Stop(10), Signal(TERM), ForceRemove()])
async def test_a_full_disk_keeps_nobody_from_ending_a_process(
    world: World, command: Kill | Stop | Signal | ForceRemove
) -> None:
    container = await world.running()
    world.ledger.fails = FULL
    ending = world.ask(container, command)
    await world.reaches(container, State.EXITED)
    assert world.host.stages.count("signal") == 1
    world.ledger.fails = None
    if isinstance(command, ForceRemove):
        with refused(Failed, "no space left on device"):
            await ending.answer()
    else:
        await ending.answer()
    await container.mailbox.ask(Note("top"))
    assert world.actions[1].startswith("kill")
    assert world.actions[2] == "die"


async def test_a_fact_without_events_is_written_later_too(world: World) -> None:
    container = await world.created()
    creating, clearing = world.host.hold("create"), world.host.hold("clean_up")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    world.host.faults["create"] = Failed("no")
    world.ledger.fails = FULL
    creating.set()
    with refused(Failed, "no"):
        await start.answer()
    world.ledger.fails = None
    clearing.set()
    await world.reaches(container, State.EXITED)
    assert (stored(world).state, stored(world).error) == (State.STOPPED, "no")


async def test_a_process_whose_creation_cannot_be_written_is_cleared_away(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.created()
    creating = world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    world.ledger.fails = FULL
    creating.set()
    with refused(Failed, "no space left on device"):
        await start.answer()
    await world.reaches(container, State.EXITED)
    assert world.host.stages == ["create", "start", "leave all", "clean_up"]
    assert world.host.calls[-1].detail == 1000


async def test_a_removal_that_cannot_be_written_has_failed(world: World) -> None:
    """Otherwise the container would be back after a restart, and its name would be taken until then."""
    container = await world.created()
    deleting = world.host.hold("delete")
    removal = world.ask(container, Remove())
    await world.reaches(container, State.REMOVING)
    world.ledger.fails = FULL
    deleting.set()
    with refused(Failed, "no space left on device"):
        await removal.answer()
    assert (container.snapshot.state, container.snapshot.error) == (State.DEAD, "no space left on device")
    assert list(world.containers) == [container]
    world.ledger.fails = None
    await container.mailbox.ask(Remove())
    assert world.ledger.names("container") == {}


async def test_a_crash_refuses_who_waits_and_nobody_else(world: World, autojump_clock: MockClock) -> None:
    container, other = await world.running("web"), await world.running("shop")
    world.host.hold("freeze")
    pause = world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    waiting = world.ask(other, Stop(-1, 1))
    await world.reaches(other, State.STOPPING)
    await container.mailbox.tell(Thawed())  # which nobody has asked for: a bug
    with refused(Unavailable, f"the engine stopped looking after container {container.id}"):
        await pause.answer()
    assert waiting.pending
    assert other.snapshot.state is State.STOPPING


async def test_after_a_crash_it_goes_on_from_its_record(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.tell(Thawed())
    await container.mailbox.ask(Stop(10))
    assert world.host.asked("signal") == [(0.1, TERM)]  # once the supervisor has started it anew
    assert (await world.reaches(container, State.EXITED)).exit_code == 143
    assert world.actions == ["start", "kill(15)", "die", "stop"]


async def test_a_command_that_meets_a_bug_is_answered(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    world.ledger.fails = ZeroDivisionError("a bug of ours")
    with pytest.raises(Unavailable, match="stopped looking after container"):
        await container.mailbox.ask(Note("top"))
    world.ledger.fails = None
    await container.mailbox.ask(Note("top"))
    assert world.actions == ["start", "top"]


async def test_a_bug_in_the_host_is_one_containers_trouble(world: World, autojump_clock: MockClock) -> None:
    container, other = await world.created("web"), await world.running("shop")
    world.host.faults["create"] = ZeroDivisionError("a bug of ours")
    with pytest.raises(Unavailable):
        await container.mailbox.ask(Start(RUNTIMES))
    now = await world.reaches(container, State.EXITED)
    assert (now.exit_code, now.error) == (128, "the engine ended while the container was being started")
    assert other.snapshot.running


async def test_a_crash_while_commands_wait_for_their_turn_refuses_them(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    world.host.hold("clean_up")
    world.host.process.end(0)
    await world.reaches(container, State.STOPPED)
    start = world.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    await container.mailbox.tell(Thawed())
    with pytest.raises(Unavailable):
        await start.answer()


async def test_the_end_of_the_engine_answers_whoever_waits(world: World) -> None:
    async with trio.open_nursery() as engine:
        doomed = World(engine)
        doomed.host.obeys = frozenset()
        container = await doomed.running()
        stop = world.ask(container, Stop(-1))
        await doomed.reaches(container, State.STOPPING)
        engine.cancel_scope.cancel()
    with pytest.raises(Unavailable):
        await stop.answer()


async def test_what_could_not_be_written_is_written_when_there_is_space_again(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    world.ledger.fails = FULL
    world.host.process.end(7)
    await world.reaches(container, State.EXITED)
    await trio.sleep(60)
    assert "die" not in world.actions
    world.ledger.fails = None
    await trio.sleep(60)
    assert (stored(world).exit_code, world.actions) == (7, ["start", "die"])
