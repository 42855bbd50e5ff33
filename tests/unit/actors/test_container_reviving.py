"""Containers with a restart policy as an engine that starts finds them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.commands import Kill, Remove, Start
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.errors import Failed
from daemon.journal import Name, Transaction
from daemon.model import RestartPolicy
from daemon.runtimes.base import Run
from tests.unit.actors.restarts import ALWAYS, TWICE, UNLESS_STOPPED, crash, starts, written
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES, a_table

RUN = Run(4711, 1, 4710, 1)
NO = RestartPolicy("no")
ENDED = (State.STOPPED, State.UNKNOWN, State.EXITED)


async def found(world: World, policy: RestartPolicy, state: State, **values: Any) -> Container:
    """Have an engine start on the journal of one that left a container in `state`."""
    values = {"started_ns": 1, "exits": 1, **values}
    snapshot = ContainerSnapshot(a_record(restart_policy=policy), state, **values)
    name = Name("container", "web", snapshot.id)
    await world.ledger.commit(Transaction(put=(as_record(snapshot),), names=(name,)))
    world.containers.recover([written(world)])
    return world.containers.resolve("web")


async def settled(container: Container) -> State:
    """Return what has become of it long after."""
    await trio.sleep(1000)
    return container.snapshot.state


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize(
    ("policy", "by_hand", "code", "after"),
    [
        (NO, False, 1, State.EXITED),
        (ALWAYS, False, 0, State.RUNNING),
        (ALWAYS, True, 0, State.RUNNING),
        (UNLESS_STOPPED, False, 0, State.RUNNING),
        (UNLESS_STOPPED, True, 1, State.EXITED),
        (TWICE, False, 1, State.RUNNING),
        (TWICE, False, 0, State.EXITED),
        (TWICE, True, 143, State.EXITED),
    ],
)
async def test_what_had_ended_is_started_as_its_policy_says(
    world: World,
    autojump_clock: MockClock,
    state: State,
    policy: RestartPolicy,
    by_hand: bool,
    code: int,
    after: State,
) -> None:
    container = await found(world, policy, state, stopped_by_hand=by_hand, exit_code=code, restart_count=1)
    assert await settled(container) is after
    assert container.snapshot.restart_count == (0 if after is State.RUNNING else 1)
    assert world.actions == (["start"] if after is State.RUNNING else [])


@pytest.mark.parametrize("state", [State.RELAPSED, State.RESTARTING])
@pytest.mark.parametrize("policy", [ALWAYS, UNLESS_STOPPED, TWICE])
async def test_what_was_restarting_goes_on_with_it(
    world: World, autojump_clock: MockClock, state: State, policy: RestartPolicy
) -> None:
    values = {"exit_code": 1, "restart_count": 2, "backoff_ns": 200_000_000}
    container = await found(world, policy, state, run=RUN, **values)
    assert await settled(container) is State.RUNNING
    assert (container.snapshot.restart_count, starts(world)) == (2, [0.2])


@pytest.mark.parametrize(
    ("policy", "by_hand", "code", "after"),
    [
        (NO, False, 1, State.EXITED),
        (ALWAYS, False, 0, State.RUNNING),
        (ALWAYS, True, 0, State.RUNNING),
        (UNLESS_STOPPED, False, 0, State.RUNNING),
        (UNLESS_STOPPED, True, 0, State.EXITED),
        (TWICE, False, 1, State.RUNNING),
        (TWICE, False, 0, State.EXITED),
    ],
)
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPING, State.PAUSED])
async def test_what_ended_while_no_engine_ran_is_started_as_its_policy_says(
    world: World,
    autojump_clock: MockClock,
    state: State,
    policy: RestartPolicy,
    by_hand: bool,
    code: int,
    after: State,
) -> None:
    world.host.knows(RUN).end(code)
    container = await found(world, policy, state, run=RUN, exits=0, stopped_by_hand=by_hand)
    assert await settled(container) is after
    assert world.actions == (["die", "start"] if after is State.RUNNING else ["die"])


@pytest.mark.parametrize("policy", [ALWAYS, UNLESS_STOPPED, TWICE])
async def test_a_start_that_was_not_finished_is_tried_again(
    world: World, autojump_clock: MockClock, policy: RestartPolicy
) -> None:
    container = await found(world, policy, State.STARTING)
    assert await settled(container) is State.RUNNING


@pytest.mark.parametrize("state", [State.CONFIGURED, State.STARTING])
async def test_who_was_never_started_is_not_started_by_a_policy(
    world: World, autojump_clock: MockClock, state: State
) -> None:
    container = await found(world, ALWAYS, state, started_ns=0, exits=0)
    assert await settled(container) in {State.CONFIGURED, State.EXITED}
    assert starts(world) == []


@pytest.mark.parametrize("state", [State.REMOVING, State.DEAD])
async def test_what_is_being_removed_is_not_started(
    world: World, autojump_clock: MockClock, state: State
) -> None:
    await found(world, ALWAYS, state)
    await trio.sleep(1000)
    assert starts(world) == []


async def test_one_whose_runtime_has_gone_is_named_and_stays(world: World, autojump_clock: MockClock) -> None:
    world.runtimes = a_table("runc")
    container = await found(world, ALWAYS, State.EXITED)
    assert await settled(container) is State.EXITED
    (said,) = [entry for entry in world.logs if entry["event"] == "not started with the engine"]
    assert "crun" in said["reason"]
    world.runtimes = RUNTIMES
    await container.mailbox.ask(Remove())


@pytest.mark.parametrize("by_hand", [False, True], ids=["left alone", "stopped by hand meanwhile"])
async def test_a_full_disk_puts_its_start_off(world: World, autojump_clock: MockClock, by_hand: bool) -> None:
    container = await found(world, ALWAYS, State.EXITED)
    world.ledger.fails = Failed("no space left on device")
    await trio.sleep(90)
    world.ledger.fails = None
    assert (container.snapshot.state, container.snapshot.error) == (State.EXITED, "")
    if by_hand:
        await container.mailbox.ask(Start(RUNTIMES))
        await container.mailbox.ask(Kill())
    assert await settled(container) is (State.EXITED if by_hand else State.RUNNING)
    said = [entry for entry in world.logs if entry["event"] == "not started with the engine yet"]
    assert len(said) == 2


async def test_a_crash_of_the_actor_while_it_is_being_revived_does_not_keep_it_down(
    world: World, autojump_clock: MockClock
) -> None:
    clearing = world.host.hold("clean_up")
    container = await found(world, ALWAYS, State.EXITED)
    await crash(world, container)
    clearing.set()
    assert await settled(container) is State.RUNNING
