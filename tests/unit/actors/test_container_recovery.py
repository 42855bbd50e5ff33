"""A new engine on an old journal: each container goes on from where it was written to be."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.commands import ForceRemove, Remove, Start, Stop, Unpause
from daemon.actors.container.snapshot import ContainerSnapshot, Stored, restored
from daemon.actors.container.states import State
from daemon.journal import Name, Transaction
from daemon.runtimes.base import Run
from daemon.wire import parse_record
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES

RUN = Run(4711, 1, 4710, 1)


def written(world: World) -> list[Stored]:
    return [parse_record(found.body, Stored) for found in world.ledger.records("container")]


async def recovered(world: World, state: State, run: Run | None = None, **changes: Any) -> Container:
    """Return a container that the journal knows from an earlier engine."""
    snapshot = ContainerSnapshot(a_record(**changes), state, run, started_ns=1)
    name = Name("container", "web", snapshot.id)
    await world.ledger.commit(Transaction(put=(as_record(snapshot),), names=(name,)))
    world.containers.recover(written(world))
    return world.containers.resolve("web")


@pytest.mark.parametrize("state", [State.CONFIGURED, State.DEAD])
async def test_what_is_at_rest_is_left_alone(world: World, autojump_clock: MockClock, state: State) -> None:
    container = await recovered(world, state)
    await wait_all_tasks_blocked()
    assert (container.snapshot.state, world.host.calls) == (state, [])


@pytest.mark.parametrize(
    "state", [State.RUNNING, State.PAUSING, State.PAUSED, State.RESUMING, State.STOPPING]
)
async def test_what_ran_is_watched_on(world: World, state: State) -> None:
    process = world.host.knows(RUN)
    container = await recovered(world, state, RUN)
    assert (container.snapshot.running, container.snapshot.pid) == (True, 4711)
    process.end(9)
    assert (await world.reaches(container, State.EXITED)).exit_code == 9


@pytest.mark.parametrize("state", [State.PAUSING, State.RESUMING, State.STOPPING])
async def test_what_may_be_half_frozen_is_thawed_so_that_it_can_be_killed(world: World, state: State) -> None:
    process = world.host.knows(RUN)
    process.frozen = True
    container = await recovered(world, state, RUN)
    await world.reaches(container, State.RUNNING)
    assert world.actions == []  # nobody had been told that it was paused
    await container.mailbox.ask(ForceRemove())
    assert container.snapshot.removed


async def test_what_ended_without_a_trace_meanwhile_is_not_a_success_and_late_news(world: World) -> None:
    world.host.knows(RUN).lose()
    container = await recovered(world, State.RUNNING, RUN)
    assert (await world.reaches(container, State.EXITED)).exit_code == 255
    [died] = world.ledger.events
    assert (died.action, died.attributes["observedAtRecovery"]) == ("die", "true")


async def test_what_loses_its_monitor_under_the_next_engine_is_no_late_news(world: World) -> None:
    process = world.host.knows(RUN)
    container = await recovered(world, State.RUNNING, RUN)
    await wait_all_tasks_blocked()
    process.lose()
    await world.reaches(container, State.EXITED)
    [died] = world.ledger.events
    assert (died.action, died.attributes.get("observedAtRecovery")) == ("die", None)


@pytest.mark.parametrize("run", [None, RUN])
@pytest.mark.parametrize("state", [State.STARTING, State.INITIALIZED])
async def test_a_start_that_was_not_finished_is_undone(world: World, state: State, run: Run | None) -> None:
    container = await recovered(world, state, run)
    now = await world.reaches(container, State.EXITED)
    assert (now.exit_code, now.error) == (128, "the engine ended while the container was being started")
    assert [(call.stage, call.detail) for call in world.host.calls] == [("clean_up", None)]
    await container.mailbox.ask(Start(RUNTIMES))


async def test_a_stop_before_there_was_a_process_is_a_start_that_was_not_finished(world: World) -> None:
    container = await recovered(world, State.STOPPING)
    assert "being started" in (await world.reaches(container, State.EXITED)).error


@pytest.mark.parametrize("state", [State.STOPPED, State.UNKNOWN, State.EXITED])
async def test_what_had_ended_is_cleared_away(world: World, state: State) -> None:
    container = await recovered(world, state)
    await world.reaches(container, State.EXITED)
    assert world.host.stages == ["clean_up"]


async def test_what_was_to_be_removed_by_itself_is(world: World) -> None:
    container = await recovered(world, State.STOPPED, auto_remove=True)
    await world.reaches(container, State.REMOVED)
    assert world.ledger.records("container") == []


async def test_a_removal_that_was_not_finished_is(world: World) -> None:
    container = await recovered(world, State.REMOVING)
    await world.reaches(container, State.REMOVED)
    assert (world.actions, world.ledger.records("container")) == (["destroy"], [])


async def test_a_paused_container_can_be_thawed_and_stopped(world: World) -> None:
    container = await world.paused()
    again = restored(parse_record(world.ledger.records("container")[0].body, Stored))
    assert (again.state, again.run) == (State.PAUSED, container.snapshot.run)
    await container.mailbox.ask(Unpause())
    await container.mailbox.ask(Stop(10))
    await container.mailbox.ask(Remove())


async def test_recovered_containers_are_shown_oldest_first(world: World) -> None:
    for created_ns, name in [(3, "new"), (1, "old"), (2, "middle")]:
        snapshot = ContainerSnapshot(a_record(name, created_ns=created_ns))
        await world.ledger.commit(Transaction(put=(as_record(snapshot),)))
    world.containers.recover(written(world))
    assert [found.snapshot.record.name for found in world.containers] == ["old", "middle", "new"]


@pytest.mark.parametrize("state", State)
def test_what_is_written_of_a_snapshot_can_be_read_again(state: State) -> None:
    snapshot = ContainerSnapshot(a_record(labels={"a": "b"}), state, RUN, 1, 2, 3, "why", True, 4)
    written = snapshot.stored()
    assert parse_record(as_record(snapshot).body, Stored) == written
    assert restored(written).stored() == written
