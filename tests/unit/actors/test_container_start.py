"""Starting a container, and everything that may come between."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import Kill, Restart, Start, Stop
from daemon.actors.container.states import State
from daemon.errors import Conflict, Failed, InvalidParameter, NotModified, RuntimeFailed
from tests.unit.actors.fakes import KILL, TERM
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES


async def test_a_started_container_shows_its_process(world: World) -> None:
    container = await world.running()
    now = container.snapshot
    assert (now.state, now.running, now.pid) == (State.RUNNING, True, 1000)
    assert now.started_ns > 0
    await wait_all_tasks_blocked()
    assert world.host.stages == ["create", "start", "wait"]


async def test_the_stages_of_a_start_can_be_seen_while_they_last(world: World) -> None:
    container = await world.created()
    creating, starting = world.host.hold("create"), world.host.hold("start")
    asked = world.ask(container, Start(RUNTIMES))
    now = await world.reaches(container, State.STARTING)
    assert (now.operation, now.running, now.pid) == ("starting", False, 0)
    creating.set()
    now = await world.reaches(container, State.INITIALIZED)
    assert (now.operation, asked.pending) == ("starting", True)
    starting.set()
    await asked.answer()
    assert container.snapshot.operation == ""


async def test_starting_what_runs_changes_nothing(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    with refused(NotModified, "container web is already running"):
        await container.mailbox.ask(Start(RUNTIMES))
    assert world.host.asked("create") == [(0, container.id)]


async def test_a_second_start_joins_the_first(world: World) -> None:
    container = await world.created()
    gate = world.host.hold("create")
    first = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    second = world.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    gate.set()
    await first.answer()
    with refused(NotModified, "container web is already running"):
        await second.answer()
    assert world.host.stages.count("create") == 1


async def test_starting_what_is_paused_is_refused(world: World) -> None:
    container = await world.paused()
    with refused(Conflict, "cannot start a paused container, try unpause instead"):
        await container.mailbox.ask(Start(RUNTIMES))


async def test_an_ended_container_starts_afresh(world: World) -> None:
    container = await world.running()
    world.host.process.end(3)
    await world.reaches(container, State.EXITED)
    await container.mailbox.ask(Start(RUNTIMES))
    now = container.snapshot
    assert (now.running, now.exit_code, now.exits, now.pid) == (True, 0, 1, 1001)


async def test_a_start_while_the_last_run_is_cleared_away_waits_for_that(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.host.process.end(0)
    await world.reaches(container, State.STOPPED)
    asked = world.ask(container, Start(RUNTIMES))
    await trio.sleep(5)
    assert asked.pending
    clearing.set()
    await asked.answer()
    await wait_all_tasks_blocked()
    assert world.host.stages == ["create", "start", "wait", "clean_up", "create", "start", "wait"]


@pytest.mark.parametrize("stage", ["create", "start"])
@pytest.mark.parametrize(
    ("said", "error", "code"),
    [
        ("executable file `x` not found in $PATH: No such file or directory", InvalidParameter, 127),
        ("exec: permission denied", InvalidParameter, 126),
        ("cgroup trouble", RuntimeFailed, 128),
    ],
)
async def test_a_failed_start_is_told_and_kept(
    world: World, stage: str, said: str, error: type[Exception], code: int
) -> None:
    container = await world.created()
    world.host.faults[stage] = RuntimeFailed("crun create", said)
    with pytest.raises(error) as raised:
        await container.mailbox.ask(Start(RUNTIMES))
    now = await world.reaches(container, State.EXITED)
    assert (now.exit_code, now.error, now.exits) == (code, str(raised.value), 0)
    assert (now.run, now.finished_ns) == (None, 0)
    assert "die" not in world.actions


async def test_what_a_failed_start_has_left_is_cleared_away(world: World, autojump_clock: MockClock) -> None:
    container = await world.created()
    world.host.faults["start"] = Failed("no")
    with pytest.raises(Failed):
        await container.mailbox.ask(Start(RUNTIMES))
    await world.reaches(container, State.EXITED)
    assert [detail for _, detail in world.host.asked("clean_up")] == [1000]


async def test_the_error_of_a_failed_start_is_forgotten_by_the_next(world: World) -> None:
    container = await world.created()
    world.host.faults["create"] = Failed("no")
    with pytest.raises(Failed):
        await container.mailbox.ask(Start(RUNTIMES))
    del world.host.faults["create"]
    await container.mailbox.ask(Start(RUNTIMES))
    assert (container.snapshot.error, container.snapshot.exit_code) == ("", 0)


@pytest.mark.parametrize("command", [Kill(), Stop(10)])
async def test_a_start_that_hangs_can_be_broken_off(
    world: World, autojump_clock: MockClock, command: Kill | Stop
) -> None:
    container = await world.created()
    world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    await trio.sleep(7)
    await container.mailbox.ask(command)
    with refused(Conflict, f"container {container.id} was stopped before it had started"):
        await start.answer()
    now = await world.reaches(container, State.EXITED)
    assert (world.now, now.exit_code, world.host.processes) == (7, 128, {})


async def test_a_process_that_came_too_late_to_be_broken_off_is_killed(
    world: World, autojump_clock: MockClock
) -> None:
    world.host.stubborn = True
    container = await world.created()
    creating = world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    stop = world.ask(container, Stop(10))
    await world.reaches(container, State.STOPPING)
    creating.set()
    await stop.answer()
    await start.answer()
    assert world.host.asked("signal") == [(0, KILL)]
    assert (await world.reaches(container, State.EXITED)).exit_code == 137


async def test_a_launch_that_cannot_be_broken_off_yet_has_nothing_to_kill(world: World) -> None:
    world.host.stubborn = True
    container = await world.created()
    creating = world.host.hold("create")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    kills = [world.ask(container, Kill()) for _ in range(2)]
    await wait_all_tasks_blocked()
    assert "signal" not in world.host.stages
    creating.set()
    for kill in kills:
        await kill.answer()
    assert world.host.stages.count("signal") == 1


async def test_a_stop_between_create_and_start_reaches_the_process(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.created()
    starting = world.host.hold("start")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.INITIALIZED)
    stop = world.ask(container, Stop(10))
    await world.reaches(container, State.STOPPING)
    starting.set()
    await stop.answer()
    await start.answer()
    assert world.host.asked("signal") == [(0, TERM)]


async def test_whoever_asked_may_leave_and_the_start_goes_on(world: World) -> None:
    container = await world.created()
    gate = world.host.hold("create")
    asked = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    asked.scope.cancel()
    gate.set()
    assert (await world.reaches(container, State.RUNNING)).running


async def test_a_postponed_start_is_not_carried_out_for_somebody_who_has_left(world: World) -> None:
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.host.process.end(0)
    await world.reaches(container, State.STOPPED)
    asked = world.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    asked.scope.cancel()
    await wait_all_tasks_blocked()
    clearing.set()
    await world.reaches(container, State.EXITED)
    await wait_all_tasks_blocked()
    assert world.host.stages.count("create") == 1


async def test_a_run_that_cannot_be_cleared_away_has_ended_all_the_same(
    world: World,
) -> None:
    container = await world.running()
    world.host.faults["clean_up"] = Failed("busy")
    world.host.process.end(4)
    assert (await world.reaches(container, State.EXITED)).exit_code == 4


@pytest.mark.parametrize("code", [0, 1, 255])
async def test_the_exit_code_is_the_processs_own(world: World, code: int) -> None:
    container = await world.running()
    world.host.process.end(code)
    now = await world.reaches(container, State.EXITED)
    assert (now.exit_code, now.error, now.oom_killed, now.pid, now.run) == (code, "", False, 0, None)
    assert now.finished_ns >= now.started_ns


async def test_a_lost_monitor_is_never_reported_as_success(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    clearing = world.host.hold("clean_up")
    world.host.process.lose()
    now = await world.reaches(container, State.UNKNOWN)
    assert (now.exit_code, now.running, now.exits) == (255, False, 1)
    assert "the exit code is not known" in now.error
    clearing.set()
    now = await world.reaches(container, State.EXITED)
    assert (now.exit_code, now.run) == (255, None)
    assert world.host.asked("clean_up") == [(0, 1000)]  # whose process may still be there


async def test_a_restart_stops_and_starts(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))
    assert world.host.asked("signal") == [(0, TERM)]
    assert (container.snapshot.running, container.snapshot.pid, container.snapshot.exits) == (True, 1001, 1)


async def test_a_restart_kills_what_outlives_its_grace(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    await container.mailbox.ask(Restart(3, runtimes=RUNTIMES))
    assert world.host.asked("signal") == [(0, TERM), (3, KILL)]


async def test_a_restart_starts_what_does_not_run(world: World, autojump_clock: MockClock) -> None:
    container = await world.created()
    await container.mailbox.ask(Restart(runtimes=RUNTIMES))
    assert container.snapshot.running
    assert world.host.asked("signal") == []


async def test_a_restart_that_cannot_start_again_says_why(world: World) -> None:
    container = await world.running()
    world.host.faults["create"] = Failed("no")
    with refused(Failed, "no"):
        await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))
