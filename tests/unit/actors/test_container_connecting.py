"""Connecting a container to networks and disconnecting it, in every phase of its life."""

from __future__ import annotations

from typing import Final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container
from daemon.actors.container.attachments import Attachments
from daemon.actors.container.commands import Connect, Disconnect, Kill, Rename, Start, Stop
from daemon.actors.container.memberships import LEAVE_SECONDS, REST_SECONDS
from daemon.actors.container.snapshot import ContainerSnapshot, Stored
from daemon.actors.container.states import State
from daemon.actors.mailbox import Promise
from daemon.errors import EngineError, Failed, Forbidden, InvalidParameter
from daemon.model import EndpointConfig
from daemon.wire import parse_record
from tests.unit.actors.fakes import an_attachment
from tests.unit.actors.world import World, a_record, refused
from tests.unit.runtimes.tables import RUNTIMES

WISH: Final = EndpointConfig(aliases=("www",))
HOME: Final = {"home": EndpointConfig()}
AT_HOME: Final = Attachments((an_attachment("home"),), sandbox="/netns/web")


@pytest.fixture
async def at_home(world: World) -> World:
    """An engine in which every container that starts is in its network `home`."""
    world.host.attachments = AT_HOME
    return world


async def begun(container: Container, network: str = "web") -> Promise[None]:
    return await container.mailbox.ask(Connect(network, WISH))


async def connect(container: Container, network: str = "web") -> None:
    await (await begun(container, network)).outcome()


async def disconnect(container: Container, network: str = "web") -> None:
    promise = await container.mailbox.ask(Disconnect(network, f"id-of-{network}", "bridge"))
    await promise.outcome()


def networks(container: Container) -> tuple[list[str], list[str]]:
    """Return what the record has, and what the run has."""
    now = container.snapshot
    return list(now.record.networks), [found.lease.network_name for found in now.attachments.networks]


def written(world: World, container: Container) -> Stored:
    return parse_record(world.ledger.books.records["container", container.id].body, Stored)


async def test_a_container_that_does_not_run_is_only_written_down(at_home: World) -> None:
    container = await at_home.created(networks=HOME)
    await connect(container)
    assert networks(container) == (["home", "web"], [])
    assert written(at_home, container).record.networks == {**HOME, "web": WISH}
    assert "join" not in at_home.host.stages
    await disconnect(container)
    assert networks(container) == (["home"], [])


async def test_what_runs_is_brought_into_the_network_before_that_is_written(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    gate = at_home.host.hold("join")
    promise = await begun(container)
    await wait_all_tasks_blocked()
    assert networks(container) == (["home"], ["home"])
    gate.set()
    await promise.outcome()
    assert networks(container) == (["home", "web"], ["home", "web"])
    assert written(at_home, container).attachments == container.snapshot.attachments


async def test_what_runs_leaves_a_network(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    await connect(container)
    await disconnect(container, "home")
    assert networks(container) == (["web"], ["web"])
    assert [detail for _, detail in at_home.host.asked("leave")] == ["home"]


async def test_events_tell_who_came_and_who_left(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    await connect(container)
    await disconnect(container)
    await container.mailbox.ask(Stop())
    found = [
        (event.action, event.actor_id, event.attributes)
        for event in at_home.ledger.events
        if event.type == "network"
    ]
    attributes = {"container": container.id, "type": "bridge"}
    assert found == [
        ("connect", "id-of-home", {**attributes, "name": "home"}),
        ("connect", "id-of-web", {**attributes, "name": "web"}),
        ("disconnect", "id-of-web", {**attributes, "name": "web"}),
        ("disconnect", "id-of-home", {**attributes, "name": "home"}),
    ]
    assert at_home.actions.index("disconnect", at_home.actions.index("kill(15)")) < at_home.actions.index(
        "die"
    )


async def test_a_refusal_of_the_host_changes_nothing(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    at_home.host.faults["join"] = Failed("no address left")
    with pytest.raises(Failed, match="no address left"):
        await connect(container)
    assert networks(container) == (["home"], ["home"])


async def test_a_full_disk_takes_back_what_was_joined(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    at_home.ledger.fails = Failed("the disk is full")
    with pytest.raises(Failed, match="the disk is full"):
        await connect(container)
    assert (at_home.host.stages[-1], networks(container)) == ("leave", (["home"], ["home"]))


async def test_what_a_run_left_is_cleared_away_after_a_change_under_way(
    at_home: World, autojump_clock: MockClock
) -> None:
    container = await at_home.running(networks=HOME)
    gate = at_home.host.hold("join")
    promise = await begun(container)
    await container.mailbox.ask(Kill())
    await wait_all_tasks_blocked()
    assert "clean_up" not in at_home.host.stages
    gate.set()
    await promise.outcome()
    await at_home.reaches(container, State.EXITED)
    assert at_home.host.stages[-1] == "clean_up"
    assert networks(container) == (["home", "web"], [])


async def test_a_change_that_hangs_does_not_keep_a_run_from_being_cleared_away(
    at_home: World, autojump_clock: MockClock
) -> None:
    container = await at_home.running(networks=HOME)
    at_home.host.hold("join")
    await begun(container)
    await container.mailbox.ask(Kill())
    await at_home.reaches(container, State.EXITED)
    assert at_home.host.asked("clean_up")[0][0] == LEAVE_SECONDS + REST_SECONDS


@pytest.mark.parametrize("command", [Kill(), Stop()])
async def test_whoever_is_told_of_an_end_finds_the_networks_left(
    at_home: World, autojump_clock: MockClock, command: Kill | Stop
) -> None:
    container = await at_home.running(networks=HOME)
    leaving, clearing = at_home.host.hold("leave all"), at_home.host.hold("clean_up")
    ended = at_home.ask(container, command)
    await trio.sleep(1)
    assert ended.pending
    assert container.snapshot.running
    leaving.set()
    await ended.answer()
    assert container.snapshot.state is State.STOPPED
    clearing.set()


async def test_a_start_that_fails_is_told_when_the_networks_are_left(
    at_home: World, autojump_clock: MockClock
) -> None:
    at_home.host.faults["create"] = Failed("no such program")
    leaving = at_home.host.hold("leave all")
    container = await at_home.created(networks=HOME)
    started = at_home.ask(container, Start(RUNTIMES))
    await trio.sleep(1)
    assert started.pending
    leaving.set()
    with refused(Failed, "no such program"):
        await started.answer()


async def test_an_end_is_told_even_if_the_networks_cannot_be_left(
    at_home: World, autojump_clock: MockClock
) -> None:
    at_home.host.faults["leave all"] = Failed("the kernel refuses")
    container = await at_home.running(networks=HOME)
    await container.mailbox.ask(Kill())
    del at_home.host.faults["leave all"]
    await container.mailbox.ask(Start(RUNTIMES))
    at_home.host.hold("leave all")
    await container.mailbox.ask(Kill())
    assert at_home.now == LEAVE_SECONDS


async def test_who_has_left_its_networks_is_connected_in_its_record_alone(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    leaving = at_home.host.hold("leave all")
    killed = at_home.ask(container, Kill())
    await wait_all_tasks_blocked()
    promise = await begun(container)
    leaving.set()
    await promise.outcome()
    await killed.answer()
    await at_home.reaches(container, State.EXITED)
    assert at_home.host.asked("join") == []
    assert networks(container) == (["home", "web"], [])


async def test_who_is_being_started_is_connected_once_it_runs(at_home: World) -> None:
    container = await at_home.created(networks=HOME)
    gate = at_home.host.hold("create")
    started = at_home.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    promises: list[Promise[None]] = []

    async def ask() -> None:
        promises.append(await begun(container))

    at_home.nursery.start_soon(ask)
    await wait_all_tasks_blocked()
    assert not promises
    gate.set()
    await started.answer()
    await wait_all_tasks_blocked()
    await promises[0].outcome()
    assert networks(container) == (["home", "web"], ["home", "web"])


async def test_two_changes_come_one_after_the_other(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    gate = at_home.host.hold("join")
    first, second = await begun(container, "web"), await begun(container, "api")
    await wait_all_tasks_blocked()
    assert len(at_home.host.asked("join")) == 1
    gate.set()
    await first.outcome()
    await second.outcome()
    assert networks(container)[1] == ["home", "web", "api"]


@pytest.mark.parametrize(
    ("mode", "has", "wanted", "error", "text"),
    [
        ("home", HOME, "home", Forbidden, "endpoint with name web already exists in network home"),
        ("container:x", {}, "web", InvalidParameter, "cannot be connected to any other network"),
        ("host", {"host": EndpointConfig()}, "web", InvalidParameter, "disconnected from host network"),
        ("home", HOME, "host", InvalidParameter, "disconnected from host network"),
        ("none", {"none": EndpointConfig()}, "web", InvalidParameter, "private .none. mode"),
        ("home", HOME, "none", InvalidParameter, "private .none. mode"),
    ],
)
async def test_what_cannot_be_is_refused(
    at_home: World,
    mode: str,
    has: dict[str, EndpointConfig],
    wanted: str,
    error: type[EngineError],
    text: str,
) -> None:
    container = await at_home.created(networks=has, network_mode=mode)
    with pytest.raises(error, match=text):
        await connect(container, wanted)


async def test_who_is_not_there_cannot_leave(at_home: World) -> None:
    container = await at_home.created(networks=HOME)
    with pytest.raises(Failed, match=f"container {container.id} is not connected to network web"):
        await disconnect(container)


async def test_a_network_that_is_gone_can_be_left_silently(at_home: World) -> None:
    container = await at_home.created(networks=HOME)
    await (await container.mailbox.ask(Disconnect("home"))).outcome()
    assert networks(container) == ([], [])
    assert not [event for event in at_home.ledger.events if event.type == "network"]


async def test_networks_are_told_a_new_name(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    await container.mailbox.ask(Rename("shop"))
    await wait_all_tasks_blocked()
    assert [detail for _, detail in at_home.host.asked("rename")] == ["shop"]


async def test_a_name_that_the_networks_cannot_be_told_is_the_name_all_the_same(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    at_home.host.faults["rename"] = Failed("the resolver does not listen")
    await container.mailbox.ask(Rename("shop"))
    await wait_all_tasks_blocked()
    assert at_home.logs[-1]["event"] == "networks know the former name"
    await connect(container)
    assert networks(container) == (["home", "web"], ["home", "web"])


async def test_a_name_given_during_the_start_is_told_once_it_runs(at_home: World) -> None:
    container = await at_home.created(networks=HOME)
    gate = at_home.host.hold("create")
    started = at_home.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    await container.mailbox.ask(Rename("shop"))
    await wait_all_tasks_blocked()
    assert "rename" not in at_home.host.stages
    gate.set()
    await started.answer()
    await wait_all_tasks_blocked()
    assert [detail for _, detail in at_home.host.asked("rename")] == ["shop"]


async def test_networks_hear_nothing_of_who_has_ended(at_home: World) -> None:
    container = await at_home.running(networks=HOME)
    gate = at_home.host.hold("clean_up")
    await container.mailbox.ask(Kill())
    await container.mailbox.ask(Rename("shop"))
    await wait_all_tasks_blocked()
    gate.set()
    await at_home.reaches(container, State.EXITED)
    assert "rename" not in at_home.host.stages


async def test_what_ended_has_no_place_in_its_record(at_home: World, autojump_clock: MockClock) -> None:
    container = await at_home.running(networks=HOME)
    assert written(at_home, container).attachments == AT_HOME
    await container.mailbox.ask(Stop())
    await at_home.reaches(container, State.EXITED)
    assert networks(container) == (["home"], [])
    assert written(at_home, container).attachments == Attachments()


async def test_a_launch_that_was_cut_off_is_found_by_its_id() -> None:
    launched = ContainerSnapshot(a_record(), State.INITIALIZED, attachments=AT_HOME)
    assert launched.stored().attachments == Attachments()
