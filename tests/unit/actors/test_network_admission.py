"""What becomes of a wish for a network, or why not; what is refused leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from daemon.errors import (
    Conflict,
    EngineError,
    Failed,
    Forbidden,
    InvalidParameter,
    NotFound,
    NotImplementedHere,
)
from daemon.networks.addresses import Pool
from daemon.networks.plans import BridgePlan
from daemon.settings import AddressPool, Settings
from tests.unit.actors.networks import NetworkWorld, ipam, network_world
from tests.unit.actors.world import refused

SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect '
    "this node to swarm and try again."
)
BRIDGE = "com.docker.network.bridge."


@pytest.fixture
async def world() -> AsyncIterator[NetworkWorld]:
    async with network_world() as world:
        yield world


def options(**given: str) -> dict[str, Any]:
    return {"Options": {f"{BRIDGE}{name}": value for name, value in given.items()}}


REFUSED: list[tuple[dict[str, Any], type[EngineError], str]] = [
    ({"Name": ""}, InvalidParameter, 'invalid network name "": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'),
    (
        {"Name": "a/b"},
        InvalidParameter,
        'invalid network name "a/b": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
    ),
    *(
        ({"Name": name}, Forbidden, f"operation is not permitted on predefined {name} network")
        for name in ("bridge", "host", "none", "default")
    ),
    ({"Driver": "zoo"}, NotFound, 'plugin "zoo" not found'),
    ({"Driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
    ({"Driver": "null"}, Forbidden, 'only one instance of "null" network is allowed'),
    ({"Driver": "overlay"}, Forbidden, SWARM),
    ({"Ingress": True}, Forbidden, SWARM),
    ({"Scope": "swarm"}, Forbidden, SWARM),
    (
        {"ConfigOnly": True},
        NotImplementedHere,
        "configuration-only networks (ConfigOnly, ConfigFrom) are not supported",
    ),
    (
        {"ConfigFrom": {"Network": "x"}},
        NotImplementedHere,
        "configuration-only networks (ConfigOnly, ConfigFrom) are not supported",
    ),
    ({"EnableIPv4": False}, InvalidParameter, "IPv4 or IPv6 must be enabled"),
    ({"IPAM": ipam(Driver="zoo")}, NotFound, 'plugin "zoo" not found'),
    ({"IPAM": ipam(Driver="null")}, InvalidParameter, "ipv4 pool is empty"),
    (
        {"IPAM": ipam({"Subnet": "10.0.0.0/24"}, {"Subnet": "10.0.1.0/24"})},
        InvalidParameter,
        "bridge driver doesn't support multiple subnets",
    ),
    (
        {"IPAM": ipam({"Subnet": "172.16.0.0/12"})},
        Forbidden,
        "Pool overlaps with other one on this address space",
    ),
    (
        {"IPAM": ipam({"Subnet": "172.17.3.0/24"})},
        Forbidden,
        "Pool overlaps with other one on this address space",
    ),
    (
        {"IPAM": ipam({"Subnet": "fd00::/64"})},
        InvalidParameter,
        "invalid network config:\ninvalid subnet fd00::/64: IPv6 is not enabled in this network",
    ),
    (
        options(enable_icc="maybe"),
        InvalidParameter,
        f"invalid value for option {BRIDGE}enable_icc: 'maybe' is neither true nor false",
    ),
    (
        options(host_binding_ipv4="::1"),
        InvalidParameter,
        f"invalid value for option {BRIDGE}host_binding_ipv4: '::1' is no IPv4 address",
    ),
    (
        options(gateway_mode_ipv4="routed"),
        InvalidParameter,
        f"invalid value for option {BRIDGE}gateway_mode_ipv4: 'routed' is not supported, only nat is",
    ),
    (
        options(name="a/b"),
        InvalidParameter,
        f"invalid value for option {BRIDGE}name: 'a/b' is no link's name",
    ),
    (
        {"Options": {"com.docker.network.driver.mtu": "big"}},
        InvalidParameter,
        "invalid value for option com.docker.network.driver.mtu: 'big' is no size in bytes",
    ),
    (
        {"Options": {"com.docker.network.container_iface_prefix": "0/"}},
        InvalidParameter,
        "invalid value for option com.docker.network.container_iface_prefix: "
        "'0/' is no beginning of a link's name",
    ),
    (
        {"Options": {"com.docker.network.enable_ipv6": "x"}},
        InvalidParameter,
        "invalid value for option com.docker.network.enable_ipv6: 'x' is neither true nor false",
    ),
    (
        {"Driver": "macvlan"},
        InvalidParameter,
        "a macvlan network needs a link of the host: the option parent",
    ),
    (
        {"Driver": "macvlan", "Options": {"parent": "eth7"}},
        InvalidParameter,
        "parent interface eth7 was not found on the host",
    ),
    (
        {"Driver": "macvlan", "Options": {"parent": "a b"}},
        InvalidParameter,
        "invalid value for option parent: 'a b' is no link's name",
    ),
    (
        {"Driver": "macvlan", "Options": {"parent": "eth0", "macvlan_mode": "l2"}},
        InvalidParameter,
        "requested macvlan mode 'l2' is not valid, 'bridge' mode is the macvlan driver default",
    ),
    (
        {"Driver": "ipvlan", "Options": {"parent": "eth0", "ipvlan_mode": "l4"}},
        InvalidParameter,
        "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default",
    ),
    (
        {"Driver": "ipvlan", "Options": {"parent": "eth0", "ipvlan_flag": "vepa"}},
        InvalidParameter,
        "invalid value for option ipvlan_flag: 'vepa' is not supported, only bridge is",
    ),
    (
        {"Driver": "macvlan", "Internal": True, "Options": {"parent": "eth0"}},
        InvalidParameter,
        "internal macvlan networks are not supported: use the bridge driver",
    ),
    (
        {
            "Driver": "macvlan",
            "Options": {"parent": "eth0"},
            "IPAM": ipam({"Subnet": "10.0.0.0/24"}, {"Subnet": "10.0.0.128/25"}),
        },
        Forbidden,
        "Pool overlaps with other one on this address space",
    ),
    (
        {
            "Driver": "macvlan",
            "Options": {"parent": "eth0"},
            "IPAM": ipam({"Subnet": "10.0.0.0/24"}, Driver="null"),
        },
        InvalidParameter,
        "the IPAM driver null has no subnets",
    ),
]


@pytest.mark.parametrize(("document", "error", "text"), REFUSED)
async def test_what_cannot_be_is_refused_and_leaves_nothing(
    world: NetworkWorld, document: dict[str, Any], error: type[EngineError], text: str
) -> None:
    before = len(world.ledger.history)
    with refused(error, text):
        await world.created(**{"name": document.get("Name", "web"), **document})
    assert world.host.is_clean
    assert len(world.networks) == 3
    assert len(world.ledger.history) == before


async def test_a_network_without_wishes_gets_the_first_free_subnet(world: NetworkWorld) -> None:
    world.host.take("172.18.0.0/16", "172.19.5.0/24")
    record = (await world.created(Labels={"a": "b"}, Attachable=True)).record
    assert [str(pool.subnet) for pool in record.pools] == ["172.20.0.0/16"]
    assert (record.driver, record.link, record.owner) == (
        "bridge",
        f"br-{record.id[:12]}",
        "longshore:an-engine",
    )
    assert (record.labels, record.attachable, record.internal) == ({"a": "b"}, True, False)
    assert world.host.bridges[record.link] == record.bridge_plan()
    assert world.host.rules[record.link] == record.bridge_rules()
    assert record in world.recorded
    created = world.ledger.events[-1]
    assert (created.type, created.action, created.actor_id) == ("network", "create", record.id)


async def test_a_subnet_that_was_asked_for_may_be_the_hosts_as_well(world: NetworkWorld) -> None:
    world.host.take("10.0.0.0/24")
    network = await world.created(IPAM=ipam({"Subnet": "10.0.0.0/24"}))
    assert network.record.pools[0].configured
    assert "taken_subnets" not in world.host.calls[-2:]


async def test_ipv6_comes_with_a_subnet_of_its_own(world: NetworkWorld) -> None:
    first, second = [await world.created(name, EnableIPv6=True) for name in ("a", "b")]
    for network in (first, second):
        assert [pool.version for pool in network.record.pools] == [4, 6]
    assert first.record.pools[1].subnet != second.record.pools[1].subnet


async def test_a_network_may_have_ipv6_alone(world: NetworkWorld) -> None:
    network = await world.created(EnableIPv4=False, EnableIPv6=True)
    assert [pool.version for pool in network.record.pools] == [6]
    lease = await world.joined(network, "c1")
    assert (lease.address4, lease.mac[:6]) == (None, "02:42:")


async def test_the_versions_of_ip_may_be_said_in_options(world: NetworkWorld) -> None:
    switched = {
        "com.docker.network.enable_ipv4": "false",
        "com.docker.network.enable_ipv6": "true",
    }
    assert (await world.created("a", Options=switched)).record.enable_ipv6
    assert not (await world.created("b", Options=switched, EnableIPv6=True)).record.enable_ipv4


async def test_default_options_are_for_whoever_says_nothing(world: NetworkWorld) -> None:
    defaults = {"bridge": {"com.docker.network.driver.mtu": "1400", f"{BRIDGE}enable_icc": "false"}}
    world.settings = Settings(default_network_opts=defaults)
    record = (await world.created(**options(enable_icc="true"))).record
    assert record.options == {"com.docker.network.driver.mtu": "1400", f"{BRIDGE}enable_icc": "true"}
    assert world.host.bridges[record.link].mtu == 1400


async def test_subnets_come_from_the_pools_that_are_configured(world: NetworkWorld) -> None:
    world.settings = Settings(default_address_pools=(AddressPool("10.9.0.0/23", 24),))
    subnets = [str((await world.created(name)).record.pools[0].subnet) for name in ("a", "b")]
    assert subnets == ["10.9.0.0/24", "10.9.1.0/24"]
    text = (
        "could not find an available, non-overlapping IPv4 address pool among the defaults "
        "to assign to the network"
    )
    with refused(InvalidParameter, text):
        await world.created("c")


async def test_a_name_is_taken_only_once(world: NetworkWorld) -> None:
    await world.created()
    for check in (True, False):
        with refused(Conflict, "network with name web already exists"):
            await world.created(CheckDuplicate=check)
    assert len(world.host.bridges) == 1


async def test_two_at_once_do_not_get_the_same(world: NetworkWorld) -> None:
    outcomes: list[object] = []

    async def create(name: str) -> None:
        try:
            outcomes.append((await world.created(name)).record.pools[0].subnet)
        except EngineError as error:
            outcomes.append(str(error))

    async with trio.open_nursery() as creators:
        for name in ("a", "a", "b"):
            creators.start_soon(create, name)
    assert outcomes.count("network with name a already exists") == 1
    assert len({str(one) for one in outcomes}) == 3


async def test_a_bridge_has_one_network(world: NetworkWorld) -> None:
    one = await world.created("a", **options(name="mine"))
    assert one.record.link == "mine"
    with pytest.raises(Forbidden, match=r"\(mine\): networks have same bridge name$"):
        await world.created("b", **options(name="mine"))
    with pytest.raises(Forbidden, match=r"\(longshore0\): networks have same bridge name$"):
        await world.created("b", **options(name="longshore0"))
    assert list(world.host.bridges) == ["mine"]


async def test_somebody_elses_bridge_is_not_removed_with_the_network(world: NetworkWorld) -> None:
    world.host.links["docker0"] = ""
    world.host.faults["install"] = Failed("the kernel says no")
    with refused(Failed, "the kernel says no"):
        await world.created(**options(name="docker0"))
    assert "docker0" in world.host.links


@pytest.mark.parametrize("call", ["ensure_bridge", "install"])
async def test_what_the_kernel_refuses_leaves_nothing(world: NetworkWorld, call: str) -> None:
    world.host.faults[call] = Failed("the kernel says no")
    with refused(Failed, "the kernel says no"):
        await world.created()
    assert world.host.is_clean
    del world.host.faults[call]
    await world.created()


async def test_what_cannot_be_written_leaves_nothing(world: NetworkWorld) -> None:
    world.ledger.fails = Failed("disk full")
    with refused(Failed, "disk full"):
        await world.created()
    assert world.host.is_clean
    world.ledger.fails = None
    await world.created()


async def test_whoever_leaves_while_it_is_made_finds_it_made(world: NetworkWorld) -> None:
    gate = world.host.hold("ensure_bridge")
    async with trio.open_nursery() as impatient:
        impatient.start_soon(world.created)
        await trio.testing.wait_all_tasks_blocked()
        assert world.networks.named("web") is None
        impatient.cancel_scope.cancel()
    gate.set()
    await trio.testing.wait_all_tasks_blocked()
    assert world.networks.named("web") is not None


async def test_a_shared_link_needs_no_bridge(world: NetworkWorld) -> None:
    network = await world.created(Driver="macvlan", Options={"parent": "eth0", "mine": "kept"})
    assert (network.record.link, network.record.options["mine"]) == ("eth0", "kept")
    assert world.host.is_clean
    lease = await world.joined(network, "c1")
    assert lease.mac == "02:42:ac:12:00:02"


async def test_a_link_with_its_parents_hardware_address_has_none_of_its_own(world: NetworkWorld) -> None:
    network = await world.created(Driver="ipvlan", Options={"parent": "eth0"})
    assert (await world.joined(network, "c1")).mac == ""


async def test_a_network_may_leave_addresses_to_others(world: NetworkWorld) -> None:
    network = await world.created(Driver="macvlan", Options={"parent": "eth0"}, IPAM=ipam(Driver="null"))
    lease = await world.joined(network, "c1")
    assert (network.record.pools, lease.interfaces) == ((), ())
    assert lease.mac.startswith("02:42:")


async def test_the_host_may_leave_its_ipv4_address_off_the_bridge(world: NetworkWorld) -> None:
    network = await world.created(**options(inhibit_ipv4="true"))
    assert world.host.bridges[network.record.link] == BridgePlan(
        network.record.link, (), 0, "longshore:an-engine"
    )
    assert isinstance(network.record.pools[0], Pool)
