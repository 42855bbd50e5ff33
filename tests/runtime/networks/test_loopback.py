"""What is published at the host's loopback, and what of it a bridge gets to see: nothing."""

from __future__ import annotations

import pytest
import trio

from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Ruleset
from daemon.networks.plans import PublishedPort
from tests.runtime.networks.topology import (
    ANY,
    BRIDGES,
    HOST,
    LOOPBACK,
    OUTSIDE,
    Topology,
    address,
    gateway,
    rules_of,
)
from tests.runtime.networks.traffic import ANSWER_SECONDS, Traffic

pytestmark = [pytest.mark.runtime, pytest.mark.parametrize("protocol", ["tcp", "udp"])]
ALL_BRIDGES = [rules_of(bridge) for bridge in BRIDGES]


def published(protocol: str, everywhere: bool = False) -> PublishedPort:
    front = ANY[4] if everywhere else LOOPBACK[4]
    return PublishedPort(protocol, front, 8080, address("red1", 4), 80)


def way_to_loopback(hosts: Topology, place: str) -> None:
    """Have packets for 127.0.0.0/8 leave by eth0, as somebody with ill will would."""
    hosts.run(place, "ip", "address", "flush", "dev", "lo")
    hosts.run(place, "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1")
    way = OUTSIDE if place == "outside" else {4: address(place, 4)}
    to = HOST[4] if place == "outside" else gateway(place.rstrip("12"), 4)
    hosts.run(place, "ip", "route", "replace", "127.0.0.0/8", "via", str(to), "src", str(way[4]))


@pytest.mark.parametrize("everywhere", [True, False])
async def test_a_port_is_reached_from_the_host_itself(
    kernel: KernelFilter, traffic: Traffic, protocol: str, everywhere: bool
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, everywhere)]))
    traffic.serve("red1", protocol, 4, 80)
    assert await traffic.ask("host", protocol, LOOPBACK[4], 8080) == str(gateway("red", 4))


async def test_a_port_published_there_is_for_the_host_alone(
    kernel: KernelFilter, traffic: Traffic, protocol: str
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol)]))
    traffic.serve("red1", protocol, 4, 80)
    places = ("outside", "red1", "red2", "blue1")
    assert await traffic.unheard(protocol, *((place, HOST[4], 8080) for place in places))


async def test_nobody_reaches_it_by_sending_packets_for_it_to_the_host(
    hosts: Topology, kernel: KernelFilter, traffic: Traffic, protocol: str
) -> None:
    hosts.run("host", "sysctl", "-qw", "net.ipv4.conf.uplink.route_localnet=1")
    places = ("outside", "red2", "blue1")
    for place in places:
        way_to_loopback(hosts, place)
    traffic.serve("red1", protocol, 4, 80)
    for everywhere in (False, True):
        await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, everywhere)]))
        assert await traffic.unheard(protocol, *((place, LOOPBACK[4], 8080) for place in places))


async def test_the_hosts_own_services_there_are_not_opened_to_bridges(
    hosts: Topology, kernel: KernelFilter, traffic: Traffic, protocol: str
) -> None:
    way_to_loopback(hosts, "red2")
    traffic.serve("host", protocol, 4, 7000, at=LOOPBACK[4])
    await kernel.replace(Ruleset())
    assert await traffic.ask("red2", protocol, LOOPBACK[4], 7000), "the test itself is broken"
    await kernel.replace(Ruleset.of(ALL_BRIDGES, []))
    assert await traffic.unheard(protocol, ("red2", LOOPBACK[4], 7000))


async def test_of_ipv6_is_refused_at_once_so_that_clients_try_the_other(
    kernel: KernelFilter, traffic: Traffic, protocol: str
) -> None:
    port = PublishedPort(protocol, ANY[6], 8080, address("red1", 6), 80)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [port]))
    traffic.serve("red1", protocol, 6, 80)
    began = trio.current_time()
    assert await traffic.ask("host", protocol, LOOPBACK[6], 8080) is None
    assert trio.current_time() - began < ANSWER_SECONDS / 2
