"""What can be said to a container that is between two runs, and what keeps it from the next."""

from __future__ import annotations

import signal
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Rename,
    Resize,
    Restart,
    Signal,
    Start,
    Stop,
    Unpause,
)
from daemon.actors.container.states import State
from daemon.actors.mailbox import Command
from daemon.errors import Conflict, EngineError, Failed, NotModified
from daemon.model import ExecConfig
from tests.unit.actors.fakes import TERM
from tests.unit.actors.restarts import (
    ALWAYS,
    BETWEEN,
    UNLESS_STOPPED,
    between_runs,
    cleared,
    starts,
    written,
)
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES

NOT_REMOVED: Final = "container is restarting: stop the container before removing or force remove"


@pytest.mark.parametrize("state", BETWEEN)
@pytest.mark.parametrize("command", [Stop(), Kill(), Signal(signal.SIGTERM)])
async def test_it_can_be_kept_from_starting_again(
    world: World, autojump_clock: MockClock, state: State, command: Command[None]
) -> None:
    container = await between_runs(world, state)
    await container.mailbox.ask(command)
    assert (written(world).stopped_by_hand, written(world).state) == (True, State.STOPPED)
    cleared(world)
    ended = await world.reaches(container, State.EXITED)
    await trio.sleep(1000)
    assert (ended.exit_code, len(starts(world)), world.host.asked("signal")) == (1, 1, [])
    assert world.actions == ["start", "die", *(["stop"] if isinstance(command, Stop) else [])]


@pytest.mark.parametrize("state", BETWEEN)
async def test_other_signals_do_not_keep_it_from_starting_again(
    world: World, autojump_clock: MockClock, state: State
) -> None:
    container = await between_runs(world, state)
    await container.mailbox.ask(Signal(signal.SIGHUP))
    cleared(world)
    await world.reaches(container, State.RUNNING)
    assert (world.host.asked("signal"), container.snapshot.stopped_by_hand) == ([], False)


@pytest.mark.parametrize("state", BETWEEN)
async def test_it_can_be_removed_by_force_alone(
    world: World, autojump_clock: MockClock, state: State
) -> None:
    container = await between_runs(world, state)
    with refused(Conflict, f'cannot remove container "web": {NOT_REMOVED}'):
        await container.mailbox.ask(Remove())
    removal = world.ask(container, ForceRemove())
    cleared(world)
    await removal.answer()
    await trio.sleep(1000)
    assert (world.actions, len(starts(world))) == (["start", "die", "destroy"], 1)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Pause(), "Container {id} is restarting, wait until the container is running"),
        (Remove(), f'cannot remove container "web": {NOT_REMOVED}'),
    ],
)
async def test_it_is_restarting_until_it_runs(
    world: World, autojump_clock: MockClock, command: Command[None], text: str
) -> None:
    container = await between_runs(world, State.RESTARTING)
    world.host.hold("create")
    await world.reaches(container, State.STARTING)
    with refused(Conflict, text.format(id=container.id)):
        await container.mailbox.ask(command)
    cleared(world)
    await world.reaches(container, State.RUNNING)


@pytest.mark.parametrize("state", BETWEEN)
async def test_a_restart_by_hand_does_not_wait(world: World, autojump_clock: MockClock, state: State) -> None:
    container = await between_runs(world, state)
    restart = world.ask(container, Restart(10, runtimes=RUNTIMES))
    cleared(world)
    await restart.answer()
    assert (world.now, container.snapshot.restart_count, container.snapshot.stopped_by_hand) == (0, 0, False)
    await trio.sleep(1000)
    assert world.actions == ["start", "die", "stop", "start", "restart"]


@pytest.mark.parametrize("state", BETWEEN)
@pytest.mark.parametrize(
    ("command", "error", "text"),
    [
        (Start(RUNTIMES), NotModified, "container web is already running"),
        (Pause(), Conflict, "Container {id} is restarting, wait until the container is running"),
        (Unpause(), Failed, "Container {id} is not paused"),
        (Resize(1, 1), Conflict, "container {id} is not running"),
    ],
)
async def test_what_needs_a_process_is_refused(
    world: World, state: State, command: Command[None], error: type[EngineError], text: str
) -> None:
    container = await between_runs(world, state)
    with refused(error, text.format(id=container.id)):
        await container.mailbox.ask(command)


@pytest.mark.parametrize("state", BETWEEN)
async def test_no_session_can_be_begun_in_it(world: World, state: State) -> None:
    container = await between_runs(world, state)
    text = f"Container {container.id} is restarting, wait until the container is running"
    with refused(Conflict, text):
        await world.execs.create(container, ExecConfig(cmd=("true",)))


@pytest.mark.parametrize("state", BETWEEN)
async def test_it_can_be_given_another_name(world: World, autojump_clock: MockClock, state: State) -> None:
    container = await between_runs(world, state)
    await container.mailbox.ask(Rename("other"))
    cleared(world)
    assert (await world.reaches(container, State.RUNNING)).record.name == "other"


@pytest.mark.parametrize(("number", "by_hand"), [(signal.SIGTERM, True), (signal.SIGHUP, False)])
async def test_a_signal_that_asks_to_end_is_a_stop(
    world: World, autojump_clock: MockClock, number: int, by_hand: bool
) -> None:
    container = await world.running(restart_policy=ALWAYS)
    await container.mailbox.ask(Signal(number))
    assert written(world).stopped_by_hand is by_hand
    world.host.process.end(1)
    await container.cell.wait_for(lambda now: now.exits > 0)
    await trio.sleep(1000)
    assert container.snapshot.running is not by_hand


@pytest.mark.parametrize("command", [Stop(10), Kill(), Stop(0)])
async def test_a_stop_is_written_to_be_by_hand_before_it_is_answered(
    world: World, autojump_clock: MockClock, command: Command[None]
) -> None:
    container = await world.running(restart_policy=UNLESS_STOPPED)
    await container.mailbox.ask(command)
    assert written(world).stopped_by_hand
    await trio.sleep(1000)
    assert len(starts(world)) == 1


@pytest.mark.parametrize("command", [Stop(by_hand=False), Kill(by_hand=False)])
async def test_the_engine_stops_containers_without_meaning_them(
    world: World, autojump_clock: MockClock, command: Command[None]
) -> None:
    container = await world.running(restart_policy=UNLESS_STOPPED)
    await container.mailbox.ask(command)
    await trio.sleep(1000)
    assert (len(starts(world)), written(world).stopped_by_hand) == (1, False)


@pytest.mark.parametrize("turns", range(12))
async def test_a_stop_in_the_moment_of_the_next_start_holds(
    world: World, autojump_clock: MockClock, turns: int
) -> None:
    container = await between_runs(world, State.RESTARTING)
    await trio.sleep(0.1)
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    await container.mailbox.ask(Stop(10))
    await world.reaches(container, State.EXITED)
    await trio.sleep(1000)
    assert (container.snapshot.state, written(world).stopped_by_hand) == (State.EXITED, True)


@pytest.mark.parametrize("turns", range(8))
async def test_a_signal_in_the_moment_of_the_next_start_holds_if_it_is_heard(
    world: World, autojump_clock: MockClock, turns: int
) -> None:
    container = await between_runs(world, State.RESTARTING)
    await trio.sleep(0.1)
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    try:
        await container.mailbox.ask(Signal(TERM))
        heard = True
    except Conflict:  # it is starting, and not there to hear a signal
        heard = False
    await trio.sleep(1000)
    assert container.snapshot.state is (State.EXITED if heard else State.RUNNING)


async def test_a_restart_whose_asker_leaves_while_it_stops_is_completed(
    world: World, autojump_clock: MockClock
) -> None:
    world.host.obeys = frozenset()
    container = await world.running(restart_policy=ALWAYS)
    restart = world.ask(container, Restart(10, runtimes=RUNTIMES))
    await world.reaches(container, State.STOPPING)
    assert not written(world).stopped_by_hand  # whoever restarts a container does not want it stopped
    restart.scope.cancel()
    world.host.process.end(0)
    await world.reaches(container, State.RUNNING)
    assert world.actions == ["start", "kill(15)", "die", "stop", "start", "restart"]
