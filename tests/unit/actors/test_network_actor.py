"""One network: who joins and leaves it, in which state it is, and what a crash or a refusal leaves of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.mailbox import Command, Event
from daemon.actors.network.lifecycle import RESUME, TABLE, Effect, State, step
from daemon.actors.network.messages import (
    Join,
    Leave,
    Raised,
    RaiseFailed,
    Remove,
    Removed,
    RemoveFailed,
    Rename,
)
from daemon.actors.network.refusals import refusal
from daemon.actors.network.snapshot import NetworkSnapshot
from daemon.errors import Conflict, EngineError, Failed, Forbidden, NotFound, Unavailable
from daemon.networks.records import Endpoint, Lease, NetworkRecord
from tests.unit.actors.networks import NetworkWorld, a_join, ipam, network_world
from tests.unit.actors.world import refused

RECORD = NetworkRecord("a" * 64, "web", 1, "bridge", "br-a")
MESSAGES: list[Any] = [
    Join("c1", "c1"),
    Leave("c1"),
    Rename("c1", "c2"),
    Remove(),
    Raised(RECORD),
    RaiseFailed(Failed("x")),
    Removed(),
    RemoveFailed(Failed("x")),
]


@pytest.fixture
async def world() -> AsyncIterator[NetworkWorld]:
    async with network_world() as world:
        yield world


@pytest.mark.parametrize(("state", "message"), list(product(State, MESSAGES)))
def test_every_pair_is_in_the_table_or_refused(state: State, message: Any) -> None:
    found = step(state, message)
    assert (found is not None) is ((state, type(message)) in TABLE)
    if isinstance(message, Command):
        snapshot = NetworkSnapshot(RECORD, state)
        assert (refusal(snapshot, message) is None) is (found is not None)
    elif found is not None:
        assert state in {State.RAISING, State.REMOVING}  # only what is under way is reported


def test_whoever_waits_is_let_go_by_whatever_ends_the_waiting() -> None:
    for state, message in TABLE:
        if Effect.POSTPONE in TABLE[state, message][1]:
            waits_in = TABLE[state, message][0]
            ends = [
                target
                for (begun, report), (target, _) in TABLE.items()
                if begun is waits_in and issubclass(report, Event)
            ]
            assert ends
            assert waits_in not in ends


def test_what_is_under_way_is_begun_again_after_a_crash() -> None:
    under_way = {state for (state, message) in TABLE if issubclass(message, Event)}
    assert under_way == set(RESUME)


async def test_a_container_gets_addresses_of_its_own(world: NetworkWorld) -> None:
    network = await world.created(EnableIPv6=True, IPAM=ipam({"Subnet": "10.0.0.0/24"}))
    one, other = await world.joined(network, "c1"), await world.joined(network, "c2")
    assert (str(one.address4), str(one.gateway4)) == ("10.0.0.2/24", "10.0.0.1")
    assert (one.mac, other.mac) == ("02:42:0a:00:00:02", "02:42:0a:00:00:03")
    assert one.address6 is not None
    assert one.address6.network == network.record.pools[1].subnet
    assert one.gateway6 == network.record.pools[1].gateway
    assert (one.network_id, one.network_name, one.driver) == (network.id, "web", "bridge")
    assert len({one.endpoint_id, other.endpoint_id}) == 2
    assert len(one.endpoint_id) == 64
    assert network.snapshot.endpoints == {"c1": Endpoint("c1", one), "c2": Endpoint("c2", other)}


async def test_to_join_again_is_to_be_told_the_same(world: NetworkWorld) -> None:
    network = await world.created()
    lease = await world.joined(network, "c1")
    assert await world.joined(network, "c1") == lease
    assert len(network.snapshot.endpoints) == 1


async def test_joining_costs_no_commit(world: NetworkWorld) -> None:
    network = await world.created()
    before = len(world.ledger.history)
    await world.joined(network, "c1")
    await network.mailbox.ask(Leave("c1"))
    assert len(world.ledger.history) == before


async def test_whoever_leaves_gives_its_address_back(world: NetworkWorld) -> None:
    network = await world.created(IPAM=ipam({"Subnet": "10.0.0.0/30"}))
    lease = await world.joined(network, "c1")
    with pytest.raises(Failed, match=r"^no available IPv4 addresses on this network's address pools: web \("):
        await world.joined(network, "c2")
    assert await network.mailbox.ask(Leave("c1")) == lease
    assert await network.mailbox.ask(Leave("c1")) is None
    assert not network.snapshot.endpoints
    assert (await world.joined(network, "c2")).address4 == lease.address4


async def test_a_second_pool_is_used_when_the_first_is_empty(world: NetworkWorld) -> None:
    pools = ipam({"Subnet": "10.0.0.0/30"}, {"Subnet": "10.0.1.0/30"})
    network = await world.created(Driver="macvlan", Options={"parent": "eth0"}, IPAM=pools)
    leases = [await world.joined(network, name) for name in ("c1", "c2")]
    assert [str(lease.address4) for lease in leases] == ["10.0.0.2/30", "10.0.1.2/30"]
    assert [str(lease.gateway4) for lease in leases] == ["10.0.0.1", "10.0.1.1"]
    with pytest.raises(Failed, match="no available IPv4 addresses"):
        await world.joined(network, "c3")


async def test_what_fails_half_way_takes_nothing(world: NetworkWorld) -> None:
    pools = ipam({"Subnet": "10.0.0.0/29"}, {"Subnet": "fd00::/126"})
    network = await world.created(EnableIPv6=True, IPAM=pools)
    await world.joined(network, "c1", IPAMConfig={"IPv6Address": "fd00::2"})
    with pytest.raises(Forbidden, match=r"^Address already in use$"):
        await world.joined(network, "c2", IPAMConfig={"IPv4Address": "10.0.0.3", "IPv6Address": "fd00::2"})
    lease = await world.joined(network, "c2", IPAMConfig={"IPv4Address": "10.0.0.3"})
    assert str(lease.address4) == "10.0.0.3/29"
    assert str(lease.address6) == "fd00::3/126"


async def test_an_address_may_be_asked_for(world: NetworkWorld) -> None:
    network = await world.created(IPAM=ipam({"Subnet": "10.0.0.0/24", "IPRange": "10.0.0.128/25"}))
    lease = await world.joined(network, "c1", IPAMConfig={"IPv4Address": "10.0.0.7"})
    assert (str(lease.address4), lease.mac) == ("10.0.0.7/24", "02:42:0a:00:00:07")
    for spoken_for in ("10.0.0.7", "10.0.0.128", "10.0.0.0", "10.0.0.255"):
        with pytest.raises(Forbidden, match=r"^Address already in use$"):
            await world.joined(network, "c2", IPAMConfig={"IPv4Address": spoken_for})


async def test_a_hardware_address_may_be_asked_for(world: NetworkWorld) -> None:
    network = await world.created()
    assert (await world.joined(network, "c1", MacAddress="02-42-AC-00-00-01")).mac == "02:42:ac:00:00:01"


async def test_an_internal_network_leads_nowhere(world: NetworkWorld) -> None:
    lease = await world.joined(await world.created(Internal=True), "c1")
    assert lease.address4 is not None
    assert lease.gateways == ()
    assert world.host.rules[next(iter(world.host.bridges))].internal


async def test_another_router_may_be_the_way_out(world: NetworkWorld) -> None:
    pool = {"Subnet": "10.0.0.0/24", "AuxiliaryAddresses": {"DefaultGatewayIPv4": "10.0.0.254"}}
    network = await world.created(IPAM=ipam(pool))
    assert str((await world.joined(network, "c1")).gateway4) == "10.0.0.254"
    assert [str(one) for one in network.record.bridge_plan().interfaces] == ["10.0.0.1/24"]


@pytest.mark.parametrize("name", ["host", "none"])
async def test_a_network_without_links_gives_no_addresses(world: NetworkWorld, name: str) -> None:
    network = world.networks.resolve(name)
    lease = await world.joined(network, "c1")
    assert (lease.mac, lease.interfaces, lease.driver) == ("", (), network.record.driver)
    assert list(network.snapshot.endpoints) == ["c1"]
    assert world.host.is_clean


async def test_two_of_one_name_cannot_be_in_one_network(world: NetworkWorld) -> None:
    network = await world.created()
    await network.mailbox.ask(a_join("c1", "db"))
    with refused(Forbidden, "endpoint with name db already exists in network web"):
        await network.mailbox.ask(a_join("c2", "db"))


async def test_a_container_is_shown_under_its_new_name(world: NetworkWorld) -> None:
    network = await world.created()
    lease = await world.joined(network, "c1")
    await network.mailbox.ask(Rename("c1", "db"))
    await network.mailbox.ask(Rename("c2", "db"))
    assert network.snapshot.endpoints == {"c1": Endpoint("db", lease)}


async def test_a_snapshot_that_is_replaced_has_nothing_rendered(world: NetworkWorld) -> None:
    network = await world.created()
    before = network.snapshot
    before.renderings["x"] = b"x"
    await world.joined(network, "c1")
    assert network.snapshot.renderings == {}
    assert before.endpoints == {}


async def test_the_default_bridge_is_made_for_its_first_container(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    assert bridge.snapshot.state is State.DORMANT
    assert world.host.is_clean
    lease = await world.joined(bridge, "c1")
    assert str(lease.address4) == "172.17.0.2/16"
    assert list(world.host.bridges) == list(world.host.rules) == ["longshore0"]
    await world.joined(bridge, "c2")
    assert world.host.calls.count("ensure_bridge") == 1


async def test_all_who_come_while_it_is_raised_get_in(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    gate = world.host.hold("ensure_bridge")
    leases: list[Lease] = []

    async def join(name: str) -> None:
        leases.append(await world.joined(bridge, name))

    for name in ("c1", "c2"):
        world.nursery.start_soon(join, name)
    await wait_all_tasks_blocked()
    assert (bridge.snapshot.state, leases) == (State.RAISING, [])
    assert await bridge.mailbox.ask(Leave("c3")) is None
    gate.set()
    await world.reaches(bridge, lambda now: len(now.endpoints) == 2)
    await wait_all_tasks_blocked()
    assert world.host.calls.count("ensure_bridge") == 1
    assert len({lease.address4 for lease in leases}) == 2


@pytest.mark.parametrize("call", ["ensure_bridge", "install", "has_link", "taken_subnets"])
async def test_a_kernel_that_refuses_is_asked_again_for_the_next(world: NetworkWorld, call: str) -> None:
    bridge = world.networks.resolve("bridge")
    world.host.faults[call] = Failed("the kernel says no")
    with refused(Failed, "the kernel says no"):
        await world.joined(bridge, "c1")
    assert (bridge.snapshot.state, bridge.snapshot.endpoints) == (State.DORMANT, {})
    del world.host.faults[call]
    assert (await world.joined(bridge, "c1")).address4 is not None


async def test_whoever_has_left_while_it_was_raised_has_no_place(world: NetworkWorld) -> None:
    bridge = world.networks.resolve("bridge")
    gate = world.host.hold("ensure_bridge")
    with trio.CancelScope() as patience:
        world.nursery.start_soon(world.joined, bridge, "c2")
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as impatient:
            impatient.start_soon(world.joined, bridge, "c1")
            await wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
    assert not patience.cancelled_caught
    gate.set()
    await world.reaches(bridge, lambda now: now.endpoints)
    await wait_all_tasks_blocked()
    assert list(bridge.snapshot.endpoints) == ["c2"]


async def test_a_kernel_that_does_not_answer_is_not_waited_for(
    world: NetworkWorld, autojump_clock: MockClock
) -> None:
    world.host.hold("install")
    with refused(Failed, "network bridge: the kernel has not answered in 30 s"):
        await world.joined(world.networks.resolve("bridge"), "c1")


async def test_a_network_that_nobody_is_in_can_be_removed(world: NetworkWorld) -> None:
    network = await world.created()
    await world.joined(network, "c1")
    await network.mailbox.ask(Leave("c1"))
    await network.mailbox.ask(Remove())
    assert world.host.is_clean
    assert "web" not in [record.name for record in world.recorded]
    assert "web" not in world.ledger.names("network")
    last = world.ledger.events[-1]
    assert (last.type, last.action, last.actor_id) == ("network", "destroy", network.id)
    assert last.attributes == {"name": "web", "type": "bridge"}
    with refused(NotFound, "network web not found"):
        world.networks.resolve("web")
    with refused(NotFound, f"network {network.id} not found"):
        await world.joined(network, "c1")


async def test_a_network_with_somebody_in_it_stays(world: NetworkWorld) -> None:
    network = await world.created()
    await world.joined(network, "c1")
    text = f"error while removing network: network web id {network.id} has active endpoints"
    with refused(Forbidden, text):
        await network.mailbox.ask(Remove())
    assert network.snapshot.state is State.ACTIVE


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
async def test_a_predefined_network_stays(world: NetworkWorld, name: str) -> None:
    with refused(Forbidden, f"{name} is a pre-defined network and cannot be removed"):
        await world.networks.resolve(name).mailbox.ask(Remove())


async def test_nobody_joins_a_network_that_is_being_removed(world: NetworkWorld) -> None:
    network = await world.created()
    gate = world.host.hold("remove_link")
    outcomes: list[EngineError | None] = []

    async def remove() -> None:
        try:
            await network.mailbox.ask(Remove())
        except EngineError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    for _ in range(2):
        world.nursery.start_soon(remove)
    await wait_all_tasks_blocked()
    with refused(Conflict, "network web is being removed"):
        await world.joined(network, "c1")
    gate.set()
    await world.reaches(network, lambda now: now.removed)
    await wait_all_tasks_blocked()
    assert outcomes == [None, None]
    assert world.ledger.actions.count("destroy") == 1


@pytest.mark.parametrize("call", ["withdraw", "remove_link"])
async def test_a_network_that_the_kernel_keeps_stays_and_works(world: NetworkWorld, call: str) -> None:
    network = await world.created()
    world.host.faults[call] = Failed("the kernel says no")
    with refused(Failed, "the kernel says no"):
        await network.mailbox.ask(Remove())
    assert network.snapshot.state is State.DORMANT
    assert world.networks.resolve("web") is network
    del world.host.faults[call]
    await world.joined(network, "c1")
    assert network.record.link in world.host.rules


async def test_a_network_stays_as_long_as_its_record_does(world: NetworkWorld) -> None:
    network = await world.created()
    world.ledger.fails = Failed("disk full")
    with refused(Failed, "disk full"):
        await network.mailbox.ask(Remove())
    assert network.snapshot.state is State.DORMANT
    world.ledger.fails = None
    await network.mailbox.ask(Remove())
    assert world.host.is_clean


async def test_after_a_crash_everybody_is_still_there(world: NetworkWorld, autojump_clock: MockClock) -> None:
    network = await world.created()
    lease = await world.joined(network, "c1")
    with pytest.raises(Unavailable, match="the engine stopped looking after network"):
        await network.mailbox.ask(Join("c9", "c9", cast("Any", None)))  # as a bug might
    assert (await world.joined(network, "c1")) == lease
    assert (await world.joined(network, "c2")).address4 != lease.address4


async def test_what_was_under_way_when_it_crashed_is_done(
    world: NetworkWorld, autojump_clock: MockClock
) -> None:
    bridge = world.networks.resolve("bridge")
    world.host.faults["install"] = ZeroDivisionError("a bug")
    with pytest.raises(Unavailable):
        await world.joined(bridge, "c1")
    del world.host.faults["install"]
    await world.reaches(bridge, lambda now: now.state is State.ACTIVE)
    assert "longshore0" in world.host.rules
