"""Containers that are started again by themselves: when, how often, and until when."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.container.commands import Restart, Start, Stop
from daemon.actors.container.states import State
from daemon.actors.container.waiting import waiting_for
from daemon.errors import Failed
from daemon.model import RestartPolicy
from tests.unit.actors.restarts import (
    ALWAYS,
    BETWEEN,
    TWICE,
    between_runs,
    cleared,
    crash,
    runs_again,
    starts,
    written,
)
from tests.unit.actors.world import World
from tests.unit.runtimes.tables import RUNTIMES, a_table


async def test_the_wait_doubles_up_to_a_minute(world: World, autojump_clock: MockClock) -> None:
    container = await world.running(restart_policy=ALWAYS)
    for _ in range(12):
        await runs_again(world, container)
    waits = [round(later - at, 3) for at, later in itertools.pairwise(starts(world))]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60]


async def test_failures_are_followed_by_as_many_starts_as_were_asked_for(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running(restart_policy=TWICE)
    for _ in range(2):
        await runs_again(world, container)
    world.host.process.end(7)
    ended = await world.reaches(container, State.EXITED)
    await trio.sleep(1000)
    assert (ended.exit_code, ended.restart_count, len(starts(world))) == (7, 2, 3)
    assert world.actions == ["start", "die", "start", "die", "start", "die"]


@pytest.mark.parametrize(("policy", "code"), [("on-failure", 0), ("no", 1), ("", 1)])
async def test_whoever_needs_no_other_start_gets_none(
    world: World, autojump_clock: MockClock, policy: str, code: int
) -> None:
    container = await world.running(restart_policy=RestartPolicy(policy))
    world.host.process.end(code)
    await world.reaches(container, State.EXITED)
    await trio.sleep(1000)
    assert (len(starts(world)), container.snapshot.restart_count) == (1, 0)


@pytest.mark.parametrize("again", [Start(RUNTIMES), Restart(10, runtimes=RUNTIMES)])
async def test_a_start_by_hand_counts_anew(
    world: World, autojump_clock: MockClock, again: Start | Restart
) -> None:
    container = await world.running(restart_policy=TWICE)
    for _ in range(2):
        await runs_again(world, container)
    world.host.process.end(1)
    await world.reaches(container, State.EXITED)
    await container.mailbox.ask(again)
    assert (container.snapshot.restart_count, container.snapshot.backoff_ns) == (0, 0)
    await runs_again(world, container)
    assert container.snapshot.restart_count == 1


async def test_it_is_shown_as_restarting_until_it_runs(world: World, autojump_clock: MockClock) -> None:
    container = await between_runs(world, State.RELAPSED)
    creating = world.host.hold("create")
    shown = [container.snapshot]
    world.host.gates["clean_up"].set()
    shown += [await world.reaches(container, state) for state in (State.RESTARTING, State.STARTING)]
    assert all(now.restarting and now.up and not (now.idle or now.running or now.pid) for now in shown)
    creating.set()
    now = await world.reaches(container, State.RUNNING)
    assert (now.restarting, now.restart_count) == (False, 1)


async def test_a_runtime_that_is_not_configured_any_more_ends_it(
    world: World, autojump_clock: MockClock
) -> None:
    container = await between_runs(world, State.RESTARTING)
    world.runtimes = a_table("runc")
    ended = await world.reaches(container, State.EXITED)
    assert "crun" in ended.error
    assert (ended.exit_code, ended.stopped_by_hand, written(world).error) == (1, False, ended.error)
    world.runtimes = RUNTIMES
    await container.mailbox.ask(Start(RUNTIMES))


async def test_a_full_disk_puts_the_next_start_off(world: World, autojump_clock: MockClock) -> None:
    container = await between_runs(world, State.RESTARTING)
    world.ledger.fails = Failed("no space left on device")
    await trio.sleep(30)
    assert container.snapshot.state is State.RESTARTING
    world.ledger.fails = None
    await world.reaches(container, State.RUNNING)
    assert starts(world) == [0, 60.1]


@pytest.mark.parametrize("stage", ["create", "start"])
async def test_a_start_that_fails_is_the_last_one(
    world: World, autojump_clock: MockClock, stage: str
) -> None:
    container = await between_runs(world, State.RESTARTING)
    world.host.faults[stage] = Failed("no such device")
    await container.cell.wait_for(lambda now: bool(now.error))
    ended = await world.reaches(container, State.EXITED)
    del world.host.faults[stage]
    await trio.sleep(1000)
    assert (ended.error, ended.exit_code, len(world.host.asked("create"))) == ("no such device", 128, 2)


@pytest.mark.parametrize("condition", ["not-running", "next-exit"])
async def test_each_end_is_one_that_was_waited_for(
    world: World, autojump_clock: MockClock, condition: str
) -> None:
    container = await between_runs(world, State.RESTARTING)
    waiting = waiting_for(container.snapshot, condition)
    assert not waiting.is_over(container.snapshot)
    await world.reaches(container, State.RUNNING)
    world.host.process.end(9)
    assert waiting.exit_code(await container.cell.wait_for(waiting.is_over)) == 9


async def test_the_end_of_the_restarting_ends_a_wait_for_not_running(
    world: World, autojump_clock: MockClock
) -> None:
    container = await between_runs(world, State.RESTARTING)
    stopped, removed = (waiting_for(container.snapshot, condition) for condition in ("", "removed"))
    await container.mailbox.ask(Stop())
    assert stopped.is_over(container.snapshot)
    assert not removed.is_over(container.snapshot)


@pytest.mark.parametrize("state", BETWEEN)
async def test_an_actor_that_crashes_goes_on_with_it(
    world: World, autojump_clock: MockClock, state: State
) -> None:
    container = await between_runs(world, state)
    await crash(world, container)
    cleared(world)
    await world.reaches(container, State.RUNNING)
    assert (len(starts(world)), container.snapshot.restart_count) == (2, 1)


async def test_an_actor_that_crashes_revives_nobody(world: World, autojump_clock: MockClock) -> None:
    container = await world.running(restart_policy=ALWAYS)
    await container.mailbox.ask(Stop())
    await crash(world, container)
    await trio.sleep(1000)
    assert (container.snapshot.state, len(starts(world))) == (State.EXITED, 1)
