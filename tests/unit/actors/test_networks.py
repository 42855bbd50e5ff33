"""All networks of an engine: finding them, the predefined ones, and what a restart makes of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors.network.lifecycle import State
from daemon.actors.network.messages import Leave, Remove
from daemon.errors import Failed, Forbidden, InvalidParameter, NotFound
from daemon.networks import options
from daemon.settings import Settings
from tests.unit.actors.networks import NetworkWorld, ipam, network_world
from tests.unit.actors.world import refused


@pytest.fixture
async def world() -> AsyncIterator[NetworkWorld]:
    async with network_world() as world:
        yield world


async def restarted(world: NetworkWorld, places: Any = None, **changes: Any) -> NetworkWorld:
    later = world.again(**changes)
    await later.networks.recover(later.recorded, places or {})
    return later


async def test_a_network_is_found_by_id_name_or_beginning(world: NetworkWorld) -> None:
    network = await world.created()
    for reference in (network.id, "web", network.id[:7]):
        assert world.networks.resolve(reference) is network
    assert world.networks.named("web") is network
    for reference in ("", "we", "x"):
        with refused(NotFound, f"network {reference} not found"):
            world.networks.resolve(reference)


async def test_names_are_expected_once_a_network_has_been_made_and_not_before(world: NetworkWorld) -> None:
    assert world.expectations == []
    await world.created()
    assert world.expectations == ["names"]


async def test_an_id_counts_more_than_a_name_and_a_name_more_than_a_beginning(world: NetworkWorld) -> None:
    first = await world.created("first")
    named_as_it = await world.created(first.id[:9])
    assert world.networks.resolve(first.id[:9]) is named_as_it
    impostor = await world.created(first.id)
    assert world.networks.resolve(first.id) is first
    assert world.networks.named(first.id) is impostor


async def test_a_beginning_of_several_ids_is_no_reference(world: NetworkWorld) -> None:
    ids: list[str] = [network.id for network in world.networks]
    while len({one[0] for one in ids}) == len(ids):
        ids.append((await world.created(f"n{len(ids)}")).id)
    beginnings = Counter(one[0] for one in ids)
    (first, number), *_ = beginnings.most_common(1)  # of the three that are always there, all may begin alike
    with pytest.raises(InvalidParameter) as raised:
        world.networks.resolve(first)
    assert str(raised.value) == f"network {first} is ambiguous ({number} matches found based on ID prefix)"


async def test_three_networks_are_always_there(world: NetworkWorld) -> None:
    shown = {network.record.name: network.record.driver for network in world.networks}
    assert shown == {"bridge": "bridge", "host": "host", "none": "null"}
    assert all(network.record.predefined for network in world.networks)
    assert world.ledger.events == []
    bridge = world.networks.resolve("bridge").record
    assert [str(pool.subnet) for pool in bridge.pools] == ["172.17.0.0/16"]
    assert bridge.options == {
        options.DEFAULT_BRIDGE: "true",
        options.ICC: "true",
        options.MASQUERADE: "true",
        options.HOST_BINDING: "0.0.0.0",
        options.BRIDGE_NAME: "longshore0",
    }


async def test_their_ids_stay_the_same(world: NetworkWorld) -> None:
    written = len(world.ledger.history)
    later = await restarted(world)
    assert [one.id for one in later.networks] == [one.id for one in world.networks]
    assert len(world.ledger.history) == written


async def test_without_a_bridge_there_are_two(world: NetworkWorld) -> None:
    later = await restarted(world, bridge="none")
    assert [network.record.name for network in later.networks] == ["host", "none"]
    again = await restarted(later, bridge="longshore0")
    assert again.networks.resolve("bridge").id == world.networks.resolve("bridge").id


async def test_the_bridge_follows_the_settings(world: NetworkWorld) -> None:
    settings = {
        "bridge": "br0",
        "bip": "10.1.0.1/24",
        "fixed_cidr": "10.1.0.128/25",
        "default_gateway": "10.1.0.2",
        "ipv6": True,
        "fixed_cidr_v6": "fd01::/64",
        "default_gateway_v6": "fd01::fe",
        "icc": False,
        "ip_masq": False,
        "ip": "127.0.0.1",
        "mtu": 1400,
    }
    later = await restarted(world, **settings)
    bridge = later.networks.resolve("bridge")
    lease = await later.joined(bridge, "c1")
    assert (str(lease.address4), str(lease.gateway4)) == ("10.1.0.128/24", "10.1.0.2")
    assert (str(lease.address6), str(lease.gateway6)) == ("fd01::2/64", "fd01::fe")
    plan, rules = later.host.bridges["br0"], later.host.rules["br0"]
    assert [str(interface) for interface in plan.interfaces] == ["10.1.0.1/24", "fd01::1/64"]
    assert (plan.mtu, rules.between_containers, rules.masquerade) == (1400, False, False)
    assert str(bridge.record.host_binding) == "127.0.0.1"
    assert bridge.record in later.recorded
    plain = (await restarted(world)).networks.resolve("bridge").record
    assert [str(pool.subnet) for pool in plain.pools] == ["172.17.0.0/16"]


async def test_settings_that_give_the_bridge_what_another_network_has_are_refused(
    world: NetworkWorld,
) -> None:
    name = {"com.docker.network.bridge.name": "mine"}
    await world.created(IPAM=ipam({"Subnet": "10.1.0.0/16"}), Options=name)
    reason = "Pool overlaps with other one on this address space"
    with refused(Forbidden, f"the settings of network bridge cannot be met: {reason}"):
        await restarted(world, bip="10.1.2.1/24")
    with pytest.raises(Forbidden, match="networks have same bridge name"):
        await restarted(world, bridge="mine")


async def test_a_part_of_a_subnet_may_be_all_that_is_said(world: NetworkWorld) -> None:
    later = await restarted(world, fixed_cidr="10.1.0.0/24")
    (pool,) = later.networks.resolve("bridge").record.pools
    assert (str(pool.subnet), str(pool.gateway)) == ("10.1.0.0/24", "10.1.0.1")


async def test_ipv6_without_a_subnet_gets_one_that_stays(world: NetworkWorld) -> None:
    first = (await restarted(world, ipv6=True)).networks.resolve("bridge").record
    second = (await restarted(world, ipv6=True)).networks.resolve("bridge").record
    assert [pool.version for pool in first.pools] == [4, 6]
    assert first == second


async def test_a_subnet_that_came_into_use_is_given_up(world: NetworkWorld) -> None:
    world.host.take("172.17.0.0/24")
    later = await restarted(world)
    (pool,) = later.networks.resolve("bridge").record.pools
    assert str(pool.subnet) == "172.18.0.0/16"


async def test_a_subnet_that_came_into_use_before_the_first_container_is_given_up(
    world: NetworkWorld,
) -> None:
    bridge = world.networks.resolve("bridge")
    world.host.take("172.17.0.0/24")
    lease = await world.joined(bridge, "c1")
    assert str(lease.address4) == "172.18.0.2/16"
    assert bridge.record in world.recorded
    assert str((await world.created()).record.pools[0].subnet) == "172.19.0.0/16"


async def test_nobody_else_gets_the_subnet_that_the_bridge_is_raised_with(world: NetworkWorld) -> None:
    world.host.take("172.17.0.0/24")
    gate = world.host.hold("install")
    world.nursery.start_soon(world.joined, world.networks.resolve("bridge"), "c1")
    await wait_all_tasks_blocked()
    world.host.bridges.clear()  # so that only the engine itself knows
    world.nursery.start_soon(world.created)
    await wait_all_tasks_blocked()
    gate.set()
    await wait_all_tasks_blocked()
    subnets = [network.record.pools[0].subnet for network in world.networks if network.record.is_bridge]
    assert [str(subnet) for subnet in subnets] == ["172.18.0.0/16", "172.19.0.0/16"]


async def test_a_bridge_that_is_there_keeps_what_it_carries(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    await world.joined(bridge, "c1")
    later = await restarted(world)
    assert later.networks.resolve("bridge").record == bridge.record
    assert str((await later.joined(later.networks.resolve("bridge"), "c2")).address4) == "172.17.0.2/16"


async def test_two_engines_on_a_host_get_subnets_of_their_own(world: NetworkWorld) -> None:
    other = NetworkWorld(
        world.nursery, world.host, settings=Settings(bridge="other0"), engine_id="another-engine"
    )
    await other.networks.recover(())
    leases = [await one.joined(one.networks.resolve("bridge"), "c1") for one in (world, other)]
    assert [str(lease.address4) for lease in leases] == ["172.17.0.2/16", "172.18.0.2/16"]
    assert world.host.links == {
        "eth0": "",
        "longshore0": "longshore:an-engine",
        "other0": "longshore:another-engine",
    }


async def test_networks_are_found_again_and_raised(world: NetworkWorld) -> None:
    record = (await world.created(Labels={"a": "b"})).record
    world.host.links.clear()
    world.host.bridges.clear()
    world.host.rules.clear()
    later = await restarted(world)
    network = later.networks.resolve("web")
    await later.reaches(network, lambda now: now.state is State.ACTIVE)
    assert network.record == record
    assert later.host.bridges == {record.link: record.bridge_plan()}
    assert later.host.rules == {record.link: record.bridge_rules()}


async def test_a_network_that_cannot_be_raised_keeps_nobody_from_starting(world: NetworkWorld) -> None:
    await world.created()
    world.host.faults["install"] = Failed("the kernel says no")
    later = await restarted(world)
    network = later.networks.resolve("web")
    await later.reaches(network, lambda now: now.state is State.DORMANT)
    del world.host.faults["install"]
    await later.joined(network, "c1")


async def test_containers_have_their_places_again(world: NetworkWorld) -> None:
    network = await world.created(IPAM=ipam({"Subnet": "10.0.0.0/29"}))
    await world.joined(network, "gone")
    await world.joined(network, "c1")
    places = {network.id: {"c1": network.snapshot.endpoints["c1"]}}
    later = await restarted(world, places)
    found = later.networks.resolve("web")
    assert found.snapshot.endpoints == places[network.id]
    assert await later.joined(found, "c1") == places[network.id]["c1"].lease
    addresses = [str((await later.joined(found, name)).address4) for name in ("c2", "c3", "c4", "c5")]
    assert addresses == ["10.0.0.4/29", "10.0.0.5/29", "10.0.0.6/29", "10.0.0.2/29"]


async def test_a_bridge_with_containers_is_raised_again_as_it_was(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    await world.joined(bridge, "c1")
    world.host.take("172.17.0.0/24")
    world.host.links.pop("longshore0")
    world.host.rules.clear()
    later = await restarted(world, {bridge.id: bridge.snapshot.endpoints})
    found = later.networks.resolve("bridge")
    await later.reaches(found, lambda now: now.state is State.ACTIVE)
    assert found.record == bridge.record
    assert "longshore0" in later.host.rules


async def test_a_place_outside_the_subnet_is_kept_and_given_back(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    await world.joined(bridge, "c1")
    later = await restarted(world, {bridge.id: bridge.snapshot.endpoints}, bip="10.1.0.1/24")
    found = later.networks.resolve("bridge")
    assert await found.mailbox.ask(Leave("c1")) == bridge.snapshot.endpoints["c1"].lease
    assert str((await later.joined(found, "c1")).address4) == "10.1.0.2/24"


async def test_a_subnet_is_free_once_its_network_is_gone(world: NetworkWorld) -> None:
    only = ipam({"Subnet": "10.0.0.0/24"})
    network = await world.created(IPAM=only)
    await network.mailbox.ask(Remove())
    assert (await world.created(IPAM=only)).id != network.id


async def test_networks_come_oldest_first(world: NetworkWorld) -> None:
    for name in ("b", "a"):
        await world.created(name)
    assert [one.record.name for one in world.networks][3:] == ["b", "a"]
    later = await restarted(world)
    assert [one.record.name for one in later.networks] == ["bridge", "host", "none", "b", "a"]
    assert len(later.networks) == 5


async def test_an_engine_that_ends_meanwhile_says_so(nursery: trio.Nursery) -> None:
    world = NetworkWorld(nursery)
    await world.networks.recover(())
    world.host.hold("ensure_bridge")
    outcomes: list[str] = []

    async def create() -> None:
        with trio.CancelScope(shield=True):
            try:
                await world.created()
            except Exception as error:
                outcomes.append(str(error))

    nursery.start_soon(create)
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()
    with trio.CancelScope(shield=True):
        await wait_all_tasks_blocked()
    assert outcomes == ["the engine ended before the network was made"]
