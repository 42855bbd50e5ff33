"""Stopping and killing, at exact times of the virtual clock."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import Kill, Pause, Signal, Start, Stop, Unpause
from daemon.actors.container.states import State
from daemon.errors import Conflict, Failed, NotModified
from tests.unit.actors.fakes import KILL, TERM
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES


async def test_a_process_that_obeys_is_not_killed(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.ask(Stop(10))
    assert world.host.asked("signal") == [(0, TERM)]
    assert container.snapshot.exit_code == 143
    await trio.sleep(60)
    assert world.host.asked("signal") == [(0, TERM)]


async def test_a_process_that_outlives_its_grace_is_killed(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    await trio.sleep(1)
    await container.mailbox.ask(Stop(10))
    assert world.host.asked("signal") == [(1, TERM), (11, KILL)]
    assert (world.now, container.snapshot.exit_code) == (11, 137)


@pytest.mark.parametrize(("configured", "kills_at"), [(None, 10), (3, 3), (0, 0)])
async def test_a_stop_without_a_grace_takes_the_containers_own(
    world: World, autojump_clock: MockClock, configured: int | None, kills_at: int
) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running(stop_timeout=configured)
    await container.mailbox.ask(Stop())
    assert world.host.asked("signal")[-1] == (kills_at, KILL)


@pytest.mark.parametrize(
    ("configured", "asked", "sent"), [("SIGINT", None, 2), ("2", 3, 3), ("", None, TERM)]
)
async def test_a_stop_sends_the_signal_asked_for_or_the_containers_own(
    world: World, autojump_clock: MockClock, configured: str, asked: int | None, sent: int
) -> None:
    world.host.obeys = frozenset({sent})
    container = await world.running(stop_signal=configured)
    await container.mailbox.ask(Stop(10, asked))
    assert world.host.asked("signal") == [(0, sent)]


async def test_no_grace_is_a_kill_at_once(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.ask(Stop(0))
    assert world.host.asked("signal") == [(0, KILL)]
    assert world.actions == ["start", "kill(9)", "die", "stop"]


async def test_a_negative_grace_waits_for_ever(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    stop = world.ask(container, Stop(-1))
    await trio.sleep(80_000)
    assert stop.pending
    world.host.process.end(0)
    await stop.answer()
    assert world.host.asked("signal") == [(0, TERM)]


@pytest.mark.parametrize(("later", "killed_at"), [(1, 3), (0, 2), (60, 10), (-1, 10)])
async def test_a_later_stop_may_only_shorten_the_grace(
    world: World, autojump_clock: MockClock, later: int, killed_at: int
) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    first = world.ask(container, Stop(10))
    await trio.sleep(2)
    await container.mailbox.ask(Stop(later))
    await first.answer()
    assert world.host.asked("signal") == [(0, TERM), (killed_at, KILL)]


async def test_a_stop_for_ever_can_be_hastened(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    patient = world.ask(container, Stop(-1))
    await trio.sleep(2)
    await container.mailbox.ask(Stop(0))
    await patient.answer()
    assert world.host.asked("signal") == [(0, TERM), (2, KILL)]


async def test_a_kill_does_not_wait_for_the_grace_of_a_stop(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    stop = world.ask(container, Stop(10))
    await trio.sleep(2)
    await container.mailbox.ask(Kill())
    await stop.answer()
    assert world.host.asked("signal") == [(0, TERM), (2, KILL)]


async def test_the_grace_of_one_run_does_not_kill_the_next(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.ask(Stop(10))
    await container.mailbox.ask(Start(RUNTIMES))
    await trio.sleep(60)
    assert container.snapshot.running
    assert world.host.asked("signal") == [(0, TERM)]


async def test_a_kill_is_answered_once_the_process_has_ended(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset()
    container = await world.running()
    kill = world.ask(container, Kill())
    await trio.sleep(1)
    assert kill.pending
    world.host.process.end(137)
    await kill.answer()
    assert not container.snapshot.running


async def test_other_signals_are_answered_when_they_are_sent(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.ask(Signal(1))
    assert world.host.asked("signal") == [(0, 1)]
    assert (container.snapshot.running, world.actions) == (True, ["start", "kill(1)"])


@pytest.mark.parametrize("command", [Kill(), Signal(1)])
async def test_what_does_not_run_cannot_be_killed(world: World, command: Kill | Signal) -> None:
    container = await world.created()
    with refused(Conflict, f"cannot kill container: web: container {container.id} is not running"):
        await container.mailbox.ask(command)


async def test_what_does_not_run_is_not_stopped(world: World) -> None:
    container = await world.created()
    with refused(NotModified, "container web is not running"):
        await container.mailbox.ask(Stop())


async def test_a_frozen_process_is_thawed_to_be_stopped(world: World) -> None:
    container = await world.paused()
    await container.mailbox.ask(Stop(10))
    assert world.host.stages[3:6] == ["freeze", "signal", "thaw"]
    assert container.snapshot.exit_code == 143


async def test_a_frozen_process_is_thawed_to_be_killed(world: World, autojump_clock: MockClock) -> None:
    container = await world.paused()
    await container.mailbox.ask(Kill())
    assert (world.host.asked("signal"), container.snapshot.exit_code) == ([(0, KILL)], 137)


async def test_a_stop_while_freezing_thaws_what_the_freezer_got(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    freezing = world.host.hold("freeze")
    pause = world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    stop = world.ask(container, Stop(10))
    with refused(Conflict, f"container {container.id} is not running"):
        await pause.answer()
    freezing.set()
    await stop.answer()
    assert (world.now, container.snapshot.exit_code) == (0, 143)


async def test_a_freezer_that_hangs_does_not_outlive_the_run(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    freezing = world.host.hold("freeze")
    pause = world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    await container.mailbox.ask(Kill())
    with pytest.raises(Conflict):
        await pause.answer()
    await container.mailbox.ask(Start(RUNTIMES))
    freezing.set()
    await trio.sleep(1)
    assert container.snapshot.state is State.RUNNING


async def test_pause_freezes_and_unpause_thaws(world: World) -> None:
    container = await world.paused()
    assert (container.snapshot.paused, container.snapshot.running) == (True, True)
    await container.mailbox.ask(Unpause())
    assert (container.snapshot.paused, container.snapshot.running) == (False, True)
    assert world.actions == ["start", "pause", "unpause"]


@pytest.mark.parametrize(("stage", "command"), [("freeze", Pause()), ("thaw", Unpause())])
async def test_what_the_freezer_refuses_is_told_and_changes_nothing(
    world: World, stage: str, command: Pause | Unpause
) -> None:
    container = await (world.running() if stage == "freeze" else world.paused())
    before = container.snapshot.state
    world.host.faults[stage] = Failed("freezer")
    with refused(Failed, "freezer"):
        await container.mailbox.ask(command)
    assert container.snapshot.state is before


async def test_unpausing_what_is_not_frozen_fails(world: World) -> None:
    container = await world.running()
    with refused(Failed, f"Container {container.id} is not paused"):
        await container.mailbox.ask(Unpause())


async def test_pausing_twice_is_refused(world: World) -> None:
    container = await world.paused()
    with refused(Conflict, f"container {container.id} is already paused"):
        await container.mailbox.ask(Pause())


async def test_pausing_what_does_not_run_is_refused(world: World) -> None:
    container = await world.created()
    with refused(Conflict, f"container {container.id} is not running"):
        await container.mailbox.ask(Pause())


async def test_an_unpause_waits_for_the_freeze_under_way(world: World) -> None:
    container = await world.running()
    freezing = world.host.hold("freeze")
    pause = world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    unpause = world.ask(container, Unpause())
    await wait_all_tasks_blocked()
    freezing.set()
    await pause.answer()
    await unpause.answer()
    assert container.snapshot.state is State.RUNNING


async def test_an_exit_ends_a_pause_that_will_never_come(world: World) -> None:
    container = await world.running()
    world.host.hold("freeze")
    pause = world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    world.host.process.end(0)
    with refused(Conflict, f"container {container.id} is not running"):
        await pause.answer()


async def test_a_signal_while_freezing_is_sent(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    world.host.hold("freeze")
    world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    await container.mailbox.ask(Signal(1))
    assert world.host.asked("signal") == [(0, 1)]
