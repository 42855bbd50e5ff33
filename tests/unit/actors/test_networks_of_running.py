"""The networks of what runs, as they change, and that a change which fails has changed nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors.container.attachments import Attachments
from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import Conflict, Failed, NotFound
from daemon.model import EndpointConfig
from tests.unit.actors.wired import DIRECTORY, Wired, wired

PORT = {"80/tcp": "42020"}
CALLS = ["plug", "put", "unpublish", "publish"]


@pytest.fixture
async def home() -> AsyncIterator[Wired]:
    async with wired("web", "api") as found:
        await found.world.created("inside", Internal=True)
        yield found


def also(record: ContainerRecord, network: str) -> ContainerRecord:
    return attrs.evolve(record, networks={**record.networks, network: EndpointConfig()})


def without(record: ContainerRecord, network: str) -> ContainerRecord:
    return attrs.evolve(
        record, networks={key: wish for key, wish in record.networks.items() if key != network}
    )


def links(home: Wired, record: ContainerRecord) -> list[str]:
    return sorted(home.wires.links[DIRECTORY / record.id])


def subnets(home: Wired, attachments: Attachments) -> list[str]:
    """Return the networks that the published ports lead to."""
    at = {port.address for port in attachments.ports}
    assert home.wires.published == set(attachments.ports)
    return [
        found.lease.network_name
        for found in attachments.networks
        if at & {interface.ip for interface in found.lease.interfaces}
    ]


async def test_one_more(home: Wired) -> None:
    record = home.record("web")
    before = await home.up(record)
    after = await home.changes.join(also(record, "inside"), before, "inside")
    assert (links(home, record), home.places(record.id)) == (["eth0", "eth1"], ["web", "inside"])
    assert [place.network_name for place in home.wires.askers[record.id].memberships] == ["web", "inside"]
    assert after.networks[:1] == before.networks


async def test_one_less(home: Wired) -> None:
    record = home.record("web", "api")
    rest = await home.changes.quit(without(record, "web"), await home.up(record), "web")
    assert (links(home, record), home.places(record.id)) == (["eth1"], ["api"])
    assert [place.network_name for place in home.wires.askers[record.id].memberships] == ["api"]
    assert home.wires.ways_out == [str(rest.networks[0].lease.gateway4)]


async def test_who_has_left_its_last_network_can_be_brought_into_another(home: Wired) -> None:
    record = home.record("web", ports=PORT)
    rest = await home.changes.quit(without(record, "web"), await home.up(record), "web")
    assert (rest.networks, rest.ports, home.ports.of(record.id)) == ((), (), ())
    assert (home.wires.published, home.wires.askers) == (set(), {})
    after = await home.changes.join(also(without(record, "web"), "api"), rest, "api")
    assert (links(home, record), subnets(home, after)) == (["eth0"], ["api"])


async def test_who_runs_in_a_namespace_that_is_not_ours_cannot_be_connected(home: Wired) -> None:
    record = home.record("none")
    before = await home.up(record)
    with pytest.raises(Conflict, match="runs without any network"):
        await home.changes.join(also(record, "web"), before, "web")
    assert home.places(record.id) == ["none"]


async def test_ports_lead_to_where_the_container_leaves(home: Wired) -> None:
    record = home.record("web", ports=PORT)
    before = await home.up(record)
    record = also(record, "api")  # which comes first, by its name
    after = await home.changes.join(record, before, "api")
    assert (subnets(home, after), [port.host_port for port in after.ports]) == (["api"], [42020])
    rest = await home.changes.quit(without(record, "api"), after, "api")
    assert (subnets(home, rest), rest.ports) == (["web"], home.ports.of(record.id))


async def test_ports_are_published_by_the_first_network_that_leads_out(home: Wired) -> None:
    record = home.record("inside", ports=PORT)
    before = await home.up(record)
    assert before.ports == ()
    after = await home.changes.join(also(record, "web"), before, "web")
    assert subnets(home, after) == ["web"]


async def test_a_port_that_was_chosen_stays_the_same(home: Wired) -> None:
    record = home.record("web", ports={"80/tcp": "", "81/tcp": ""})
    before = await home.up(record)
    record = also(record, "api")
    after = await home.changes.join(record, before, "api")
    assert [port.host_port for port in after.ports] == [port.host_port for port in before.ports]


@pytest.mark.parametrize("call", CALLS)
async def test_who_cannot_be_brought_in_is_as_before(home: Wired, call: str) -> None:
    record = home.record("web", ports=PORT)
    before = await home.up(record)
    home.wires.faults[call] = Failed(call)
    with pytest.raises(Failed, match=call):
        await home.changes.join(also(record, "api"), before, "api")
    assert (links(home, record), home.places(record.id)) == (["eth0"], ["web"])
    home.wires.faults.clear()
    await home.runs.leave(record)
    assert (home.left_of(record.id), home.wires.published) == ([], set())


@pytest.mark.parametrize("call", CALLS)
async def test_who_is_not_brought_in_after_all_is_as_before(home: Wired, call: str) -> None:
    record = home.record("web", ports=PORT)
    before = await home.up(record)
    home.wires.hold(call)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(home.changes.join, also(record, "api"), before, "api")
        await wait_all_tasks_blocked()
        home.wires.gates.clear()
        nursery.cancel_scope.cancel()
    assert (links(home, record), home.places(record.id)) == (["eth0"], ["web"])
    assert subnets(home, before) == ["web"]


async def test_who_was_on_the_bridge_alone_asks_for_no_names_after_a_failure(home: Wired) -> None:
    record = home.record("bridge", ports=PORT)
    before = await home.up(record)
    home.wires.faults["publish"] = Failed("publish")
    with pytest.raises(Failed, match="publish"):
        await home.changes.join(also(record, "api"), before, "api")
    assert home.wires.askers == {}


async def test_a_network_that_is_not_there_changes_nothing(home: Wired) -> None:
    record = home.record("web")
    before = await home.up(record)
    with pytest.raises(NotFound, match="network gone not found"):
        await home.changes.join(also(record, "gone"), before, "gone")
    assert (links(home, record), home.places(record.id)) == (["eth0"], ["web"])


@pytest.mark.parametrize("call", ["unplug", "put", "unpublish", "publish"])
async def test_a_network_that_could_not_be_left_can_be_left_later(home: Wired, call: str) -> None:
    record = home.record("api", "web", ports=PORT)
    before = await home.up(record)
    home.wires.faults[call] = Failed(call)
    with pytest.raises(Failed, match=call):
        await home.changes.quit(without(record, "api"), before, "api")
    home.wires.faults.clear()
    rest = await home.changes.quit(without(record, "api"), before, "api")
    assert (links(home, record), home.places(record.id)) == (["eth1"], ["web"])
    await home.runs.leave(without(record, "api"))
    assert (home.left_of(record.id), home.wires.published) == ([], set())
    assert rest.named("api") is None


async def test_networks_and_resolver_learn_a_new_name(home: Wired) -> None:
    record = home.record("web")
    attachments = await home.up(record)
    await home.changes.rename(attrs.evolve(record, name="shop"), attachments)
    (endpoint,) = home.world.networks.resolve("web").snapshot.endpoints.values()
    (place,) = home.wires.askers[record.id].memberships
    assert (endpoint.container_name, place.names) == ("shop", ("shop", record.id[:12]))
