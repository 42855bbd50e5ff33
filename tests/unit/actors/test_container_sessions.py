"""Attaching, resizing, renaming and noting: what changes no state."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import (
    Attach,
    ForceRemove,
    Note,
    Pause,
    Remove,
    Rename,
    Resize,
    Start,
    Stop,
)
from daemon.actors.container.states import State
from daemon.actors.seeing_out import PATIENCE_SECONDS, PERIOD_SECONDS
from daemon.errors import Conflict, Failed, InvalidParameter
from daemon.journal import Name
from daemon.runtimes.attach import AttachSocket, Packet
from tests.unit.actors.fakes import fill
from tests.unit.actors.world import World, refused
from tests.unit.runtimes.tables import RUNTIMES


async def test_a_session_taken_before_the_start_is_connected_before_the_process_runs(world: World) -> None:
    container = await world.created()
    session = await container.mailbox.ask(Attach())
    assert session.connection is None
    await container.mailbox.ask(Start(RUNTIMES))
    assert session.connection is not None
    assert world.host.stages[:3] == ["create", "connect", "start"]


async def test_a_session_taken_between_create_and_start_is_connected_at_once(world: World) -> None:
    container = await world.created()
    world.host.hold("start")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.INITIALIZED)
    session = await container.mailbox.ask(Attach())
    assert session.connection is not None


@pytest.mark.parametrize("state", ["running", "paused"])
async def test_a_session_of_a_live_process_is_connected_at_once(world: World, state: str) -> None:
    container = await (world.running() if state == "running" else world.paused())
    first, second = [await container.mailbox.ask(Attach()) for _ in range(2)]
    assert first.connection is not second.connection is not None


@pytest.mark.parametrize("stage", ["create", "start"])
async def test_sessions_are_told_when_the_start_fails(world: World, stage: str) -> None:
    container = await world.created()
    session = await container.mailbox.ask(Attach())
    world.host.faults[stage] = Failed("no")
    with pytest.raises(Failed):
        await container.mailbox.ask(Start(RUNTIMES))
    await session.connected()  # to what ends at once, or to nothing; but it does not wait for ever
    assert (session.connection is None) == (stage == "create")


async def test_sessions_are_told_when_the_container_is_removed(world: World) -> None:
    container = await world.created()
    session = await container.mailbox.ask(Attach())
    await container.mailbox.ask(Remove())
    assert await session.connected() is None


async def test_a_monitor_that_does_not_listen_costs_the_session_only(world: World) -> None:
    container = await world.created()
    session = await container.mailbox.ask(Attach())
    world.host.faults["connect"] = Failed("no")
    await container.mailbox.ask(Start(RUNTIMES))
    assert await session.connected() is None
    assert container.snapshot.running


async def test_a_session_of_one_run_is_not_connected_to_the_next(world: World) -> None:
    container = await world.running()
    session = await container.mailbox.ask(Attach())
    await container.mailbox.ask(Stop(10))
    await container.mailbox.ask(Start(RUNTIMES))
    assert world.host.stages.count("connect") == 1
    assert session.connection is not None


@pytest.mark.parametrize("state", ["running", "paused"])
async def test_the_terminal_is_told_its_size(world: World, autojump_clock: MockClock, state: str) -> None:
    container = await (world.running() if state == "running" else world.paused())
    await container.mailbox.ask(Resize(24, 80))
    assert [detail for _, detail in world.host.asked("resize")] == [(24, 80)]
    assert world.ledger.events[-1].attributes.items() >= {"height": "24", "width": "80"}.items()


async def test_a_terminal_can_be_resized_while_it_is_being_frozen(world: World) -> None:
    container = await world.running()
    world.host.hold("freeze")
    world.ask(container, Pause())
    await world.reaches(container, State.PAUSING)
    await container.mailbox.ask(Resize(24, 80))
    assert world.host.stages[-1] == "resize"


async def test_a_terminal_that_cannot_be_resized_costs_the_asker_only(world: World) -> None:
    container = await world.running()
    world.host.faults["resize"] = Failed("no")
    with refused(Failed, "no"):
        await container.mailbox.ask(Resize(24, 80))
    assert container.snapshot.running


async def test_what_does_not_run_has_no_terminal(world: World) -> None:
    container = await world.created()
    with refused(Conflict, f"container {container.id} is not running"):
        await container.mailbox.ask(Resize(24, 80))


async def test_a_renamed_container_is_found_by_its_new_name_only(world: World) -> None:
    container = await world.created()
    await world.containers.rename(container, "/shop")
    assert world.containers.resolve("shop") is container
    assert world.ledger.names("container") == {"shop": container.id}
    event = world.ledger.events[-1]
    assert (event.action, event.attributes["name"], event.attributes["oldName"]) == ("rename", "shop", "/web")
    await world.created("web")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Neither old nor new names may be empty"),
        ("/", "Neither old nor new names may be empty"),
        ("web", "Renaming a container with the same name as its current name"),
        ("a/b", "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        ("x", "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        ("-web", "Invalid container name (-web), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        ("web\n", "Invalid container name (web\n), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
    ],
)
async def test_a_bad_new_name_is_refused(world: World, name: str, why: str) -> None:
    container = await world.created()
    with refused(InvalidParameter, why):
        await world.containers.rename(container, name)


async def test_a_taken_name_is_refused_and_nothing_changes(world: World) -> None:
    container, other = await world.created("web"), await world.created("shop")
    text = (
        f'Conflict. The container name "/shop" is already in use by container "{other.id}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    with refused(Conflict, text):
        await world.containers.rename(container, "shop")
    assert world.ledger.names("container") == {"web": container.id, "shop": other.id}
    assert container.snapshot.record.name == "web"


async def test_a_running_container_keeps_its_process_when_it_is_renamed(world: World) -> None:
    container = await world.running()
    await container.mailbox.ask(Rename("shop"))
    assert (container.snapshot.pid, container.snapshot.record.name) == (1000, "shop")
    assert Name("container", "shop", container.id) in world.ledger.history[-1].names


async def test_a_note_is_an_event_with_the_containers_own_attributes(world: World) -> None:
    container = await world.created(labels={"a": "b"})
    await container.mailbox.ask(Note("detach", {"c": "d"}))
    event = world.ledger.events[-1]
    assert (event.type, event.action, event.actor_id) == ("container", "detach", container.id)
    assert event.attributes == {"a": "b", "c": "d", "image": "busybox", "name": "web"}


async def test_sessions_of_a_start_that_is_broken_off_are_told(world: World) -> None:
    container = await world.created()
    session = await container.mailbox.ask(Attach())
    world.host.hold("create")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    await container.mailbox.ask(ForceRemove())
    assert await session.connected() is None


async def test_output_that_nobody_takes_does_not_keep_a_container_from_ending(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    session = await container.mailbox.ask(Attach())
    (_, monitor) = world.host.sockets[-1]
    fill(monitor)
    world.host.process.died.set()  # and its monitor cannot write what is left
    await trio.sleep(PATIENCE_SECONDS + PERIOD_SECONDS)
    monitor.send(b"\x02the end")
    monitor.close()
    world.host.process.end(0)
    await world.reaches(container, State.EXITED)
    assert session.connection is not None
    packets = [packet async for packet in everything(session.connection)]
    assert packets[-1].payload == b"the end"


async def test_a_client_that_left_while_it_was_being_attached_is_not_connected(world: World) -> None:
    container = await world.running()
    world.ledger.gate = trio.Event()
    client = world.ask(container, Attach())
    await wait_all_tasks_blocked()
    client.scope.cancel()
    await wait_all_tasks_blocked()
    world.ledger.gate.set()
    await wait_all_tasks_blocked()
    ((_, monitor),) = world.host.sockets
    assert monitor.recv(1) == b""


async def everything(connection: AttachSocket) -> AsyncGenerator[Packet, None]:
    while packets := await connection.receive_batch():
        for packet in packets:
            yield packet
