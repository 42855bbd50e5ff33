"""The networks of one run: what a start takes, and that an end leaves nothing, wherever it broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.attachments import NOWHERE
from daemon.errors import Conflict, EngineError, Failed, NotFound
from daemon.networks.hostports import InUse
from tests.unit.actors.wired import DIRECTORY, Wired, wired

PORT = {"80/tcp": "42010"}


@pytest.fixture
async def home() -> AsyncIterator[Wired]:
    async with wired("web", "api") as found:
        yield found


async def test_a_start_takes_a_place_in_every_network(home: Wired) -> None:
    record = home.record("web", "api", ports=PORT)
    attachments = await home.up(record)
    assert [(found.lease.network_name, found.link) for found in attachments.networks] == [
        ("web", "eth0"),
        ("api", "eth1"),
    ]
    assert attachments.sandbox == str(DIRECTORY / record.id)
    (port,) = attachments.ports
    assert (port.host_port, port.port, home.wires.published) == (42010, 80, {port})
    assert [place.network_name for place in home.wires.askers[record.id].memberships] == ["web", "api"]


async def test_the_predefined_networks_have_no_names(home: Wired) -> None:
    record = home.record("bridge")
    await home.up(record)
    assert (home.places(record.id), home.wires.askers) == (["bridge"], {})


@pytest.mark.parametrize("network", ["host", "none"])
async def test_no_namespace_is_made_where_there_is_no_link(home: Wired, network: str) -> None:
    record = home.record(network, ports=PORT)
    attachments = await home.up(record)
    assert (home.places(record.id), home.wires.links) == ([network], {})
    assert (attachments.sandbox, attachments.ports, home.ports.of(record.id)) == ("", (), ())


async def test_who_shares_anothers_network_has_none(home: Wired) -> None:
    record = attrs.evolve(home.record("web"), networks={})
    assert await home.up(record) == NOWHERE


async def test_an_end_leaves_nothing(home: Wired) -> None:
    record = home.record("web", "api", ports=PORT)
    await home.up(record)
    await home.runs.leave(record)
    assert (home.left_of(record.id), home.wires.published) == ([], set())
    await home.runs.leave(record)  # and need not be known to have been there


@pytest.mark.parametrize("call", ["make", "publish", "put"])
async def test_a_start_that_fails_leaves_nothing(home: Wired, call: str) -> None:
    record = home.record("web", "api", ports=PORT)
    home.wires.faults[call] = Failed(call)
    with pytest.raises(Failed, match=call):
        await home.up(record)
    await home.runs.leave(record)
    assert (home.left_of(record.id), home.wires.published) == ([], set())


@pytest.mark.parametrize("call", ["make", "publish", "put"])
async def test_a_start_that_is_broken_off_leaves_nothing(home: Wired, call: str) -> None:
    record = home.record("web", "api", ports=PORT)
    home.wires.hold(call)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(home.up, record)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await home.runs.leave(record)
    assert (home.left_of(record.id), home.wires.published) == ([], set())


async def test_a_start_that_is_broken_off_while_its_network_is_made_leaves_nothing(home: Wired) -> None:
    record = home.record("bridge")
    gate = home.world.host.hold("ensure_bridge")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(home.up, record)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await home.runs.leave(record)
    gate.set()
    await wait_all_tasks_blocked()
    assert home.left_of(record.id) == []


async def test_a_network_that_is_not_there_gives_no_place_in_the_others_either(home: Wired) -> None:
    record = home.record("web", "gone")
    with pytest.raises(NotFound, match="network gone not found"):
        await home.up(record)
    await home.runs.leave(record)
    assert home.left_of(record.id) == []


@pytest.mark.parametrize("call", ["drop", "unpublish", "remove"])
async def test_what_cannot_be_undone_keeps_nothing_else(home: Wired, call: str) -> None:
    record = home.record("web", ports=PORT)
    await home.up(record)
    home.wires.faults[call] = Failed(call)
    with pytest.raises(Failed, match=call):
        await home.runs.leave(record)
    assert (home.ports.of(record.id), home.places(record.id)) == ((), [])
    home.wires.faults.clear()
    await home.runs.leave(record)
    assert (home.left_of(record.id), home.wires.published) == ([], set())


async def test_the_names_of_a_network_that_was_left_while_the_run_ended_are_forgotten(home: Wired) -> None:
    record = home.record("web")
    await home.up(record)
    await home.runs.leave(attrs.evolve(record, networks={}))
    assert home.left_of(record.id) == []


async def test_a_port_of_a_container_that_runs_is_refused(home: Wired) -> None:
    await home.up(home.record("web", ports=PORT, name="first"))
    second = home.record("web", ports=PORT, name="second")
    with pytest.raises(InUse, match="port is already allocated"):
        await home.up(second)
    await home.runs.leave(second)
    assert home.left_of(second.id) == []


async def test_a_port_whose_holder_is_being_cleared_away_is_waited_for(home: Wired) -> None:
    first, second = (home.record("web", ports=PORT, name=name) for name in ("first", "second"))
    await home.up(first)
    home.wires.clearing[first.id] = first
    attachments = await home.up(second)
    assert [port.host_port for port in attachments.ports] == [42010]
    assert home.left_of(first.id) == []


async def test_two_starts_for_one_port_leave_one_of_them(home: Wired) -> None:
    records = [home.record("web", ports=PORT, name=name) for name in ("first", "second")]
    refused: list[EngineError] = []

    async def start(place: int) -> None:
        try:
            await home.up(records[place])
        except InUse as error:
            refused.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start, 0)
        nursery.start_soon(start, 1)
    assert len(refused) == 1
    assert len(home.wires.published) == 1


async def test_files_name_the_container_and_those_it_is_linked_to(home: Wired) -> None:
    home.wires.linked["db"] = ("172.17.0.9", "0123456789ab", "db")
    record = home.record("bridge", links=("db:database",))
    attachments = await home.up(record)
    facts = home.runs.descriptions.facts(record, attachments, home.runs.descriptions.links(record))
    (bridge,) = attachments.networks
    assert facts.addresses == (str(bridge.lease.interfaces[0].ip),)
    assert facts.gateways == (str(bridge.lease.gateway4),)
    assert facts.links == (("172.17.0.9", "database 0123456789ab db"),)
    assert not facts.asks_resolver


async def test_whoever_is_linked_to_has_to_run_at_the_start_alone(home: Wired) -> None:
    home.wires.linked["db"] = ("172.17.0.9", "0123456789ab", "db")
    record = home.record("bridge", links=("db", "cache"))
    with pytest.raises(Conflict, match="Cannot link to a non running container: /cache"):
        home.runs.descriptions.links(record)
    assert [address for address, _ in home.runs.descriptions.links_left(record)] == ["172.17.0.9"]


async def test_the_resolver_asks_nobody_for_a_container_without_a_way_out(home: Wired) -> None:
    await home.world.created("inside", Internal=True)
    record = home.record("inside", dns=("192.0.2.53",))
    await home.up(record)
    assert home.wires.askers[record.id].servers == ()
    other = home.record("web", dns=("192.0.2.53",), name="other")
    await home.up(other)
    assert home.wires.askers[other.id].servers == ("192.0.2.53",)


async def test_addresses_are_of_the_networks_subnets(home: Wired) -> None:
    record = home.record("web")
    attachments = await home.up(record)
    network = home.world.networks.resolve("web").record
    assert ip_address(str(attachments.addresses[0])) in network.pools[0].subnet
