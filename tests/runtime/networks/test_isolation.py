"""Who reaches whom without a published port, with real traffic."""

from __future__ import annotations

import socket

import attrs
import pytest
import trio

from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Ruleset
from daemon.networks.plans import Address, PublishedPort
from tests.runtime.networks.topology import (
    ANY,
    BRIDGES,
    HOST,
    OUTSIDE,
    Topology,
    address,
    gateway,
    rules_of,
)
from tests.runtime.networks.traffic import SILENCE_SECONDS, Traffic

pytestmark = pytest.mark.runtime
ALL_BRIDGES = [rules_of(bridge) for bridge in BRIDGES]
versions = pytest.mark.parametrize("version", [4, 6])
protocols = pytest.mark.parametrize("protocol", ["tcp", "udp"])


@pytest.fixture
async def traffic(traffic: Traffic, kernel: KernelFilter) -> Traffic:
    """Talk between the hosts, on a host with rules for all its bridges."""
    await kernel.replace(Ruleset.of(ALL_BRIDGES, []))
    return traffic


@versions
@protocols
async def test_containers_of_one_bridge_reach_each_other(
    traffic: Traffic, protocol: str, version: int
) -> None:
    for container, other in (("red1", "red2"), ("inner1", "inner2")):
        traffic.serve(container, protocol, version, 80)
        answer = await traffic.ask(other, protocol, address(container, version), 80)
        assert answer == str(address(other, version))


@versions
@protocols
async def test_bridges_do_not_reach_each_other(traffic: Traffic, protocol: str, version: int) -> None:
    containers = ("red1", "blue1", "inner1", "quiet1")
    for container in containers:
        traffic.serve(container, protocol, version, 80)
    questions = [
        (one, address(other, version), 80) for one in containers for other in containers if one != other
    ]
    assert await traffic.unheard(protocol, *questions)


@versions
@protocols
async def test_another_host_does_not_reach_a_container_by_its_address(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    containers = ("red1", "quiet1", "inner1")
    for container in containers:
        traffic.serve(container, protocol, version, 80)
    questions = [("outside", address(container, version), 80) for container in containers]
    assert await traffic.unheard(protocol, *questions)
    await kernel.replace(Ruleset())
    answer = await traffic.ask("outside", protocol, address("red1", version), 80)
    assert answer, "the test itself is broken"


@versions
@protocols
async def test_the_host_reaches_its_containers(traffic: Traffic, protocol: str, version: int) -> None:
    for container in ("red1", "quiet1", "inner1"):
        traffic.serve(container, protocol, version, 80)
        assert await traffic.ask("host", protocol, address(container, version), 80)


@versions
@protocols
async def test_a_container_reaches_another_host_behind_the_address_of_its_own(
    traffic: Traffic, protocol: str, version: int
) -> None:
    traffic.serve("outside", protocol, version, 80)
    for container in ("red1", "quiet1"):
        assert await traffic.ask(container, protocol, OUTSIDE[version], 80) in _host_addresses(version)


@versions
@protocols
async def test_without_masquerading_it_is_seen_as_itself(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of([attrs.evolve(rules_of("red"), masquerade=False)], []))
    traffic.serve("outside", protocol, version, 80)
    assert await traffic.ask("red1", protocol, OUTSIDE[version], 80) == str(address("red1", version))


@versions
@protocols
async def test_an_internal_bridge_has_no_way_out_even_for_answers(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    traffic.serve("outside", protocol, version, 80)
    assert await traffic.unheard(protocol, ("inner1", OUTSIDE[version], 80))
    await kernel.replace(Ruleset.of([attrs.evolve(rules_of("inner"), internal=False)], []))
    assert await traffic.ask("inner1", protocol, OUTSIDE[version], 80), "the test itself is broken"


@versions
@protocols
async def test_containers_that_may_not_talk_do_not_reach_each_other_by_the_gateway(
    hosts: Topology, kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    for one, other in (("quiet1", "quiet2"), ("quiet2", "quiet1")):
        length = "/32" if version == 4 else "/128"
        to, way = f"{address(other, version)}{length}", str(gateway("quiet", version))
        hosts.run(one, "ip", f"-{version}", "route", "replace", to, "via", way, "onlink", "dev", "eth0")
    traffic.serve("quiet1", protocol, version, 80)
    assert await traffic.unheard(protocol, ("quiet2", address("quiet1", version), 80))
    await kernel.replace(Ruleset.of([attrs.evolve(rules_of("quiet"), between_containers=True)], []))
    assert await traffic.ask("quiet2", protocol, address("quiet1", version), 80), "the test itself is broken"


@versions
@protocols
async def test_traffic_of_others_passes_as_if_there_were_no_table(
    hosts: Topology, kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of([rules_of("red")], []))
    traffic.serve("blue1", protocol, version, 80)
    assert await traffic.ask("outside", protocol, address("blue1", version), 80) == str(OUTSIDE[version])
    answer = await traffic.ask("quiet1", protocol, address("blue1", version), 80)
    assert answer == str(address("quiet1", version))


@versions
async def test_not_even_one_datagram_leaves_or_enters_an_internal_bridge(
    hosts: Topology, kernel: KernelFilter, version: int
) -> None:
    port = PublishedPort("udp", ANY[version], 8080, address("inner1", version), 80)
    ways = (
        ("inner1", "outside", OUTSIDE[version], 80),
        ("outside", "inner1", HOST[version], 8080),
        ("red1", "inner1", HOST[version], 8080),
    )
    for internal in (False, True):
        await kernel.replace(Ruleset.of([attrs.evolve(rules_of("inner"), internal=internal)], [port]))
        for way in ways:
            assert await _arrives(hosts, *way) is not internal


async def test_a_container_cannot_pass_for_the_host(hosts: Topology, kernel: KernelFilter) -> None:
    hosts.run("host", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.red.rp_filter=0")
    hosts.run("red2", "ip", "address", "flush", "dev", "lo")
    hosts.run("red2", "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1")
    hosts.run("red2", "ip", "address", "replace", "127.0.0.9/32", "dev", "eth0")
    for rules, arrives in ((Ruleset(), True), (Ruleset.of(ALL_BRIDGES, []), False)):
        await kernel.replace(rules)
        assert await _arrives(hosts, "red2", "host", HOST[4], 80, source="127.0.0.9") is arrives


async def _arrives(
    hosts: Topology, sender: str, receiver: str, to: Address, port: int, source: str = ""
) -> bool:
    """Whether one datagram gets from place to place, to port 80 there."""
    service = hosts.socket(receiver, to.version, socket.SOCK_DGRAM)
    client = hosts.socket(sender, to.version, socket.SOCK_DGRAM)
    with trio.socket.from_stdlib_socket(service) as hears, client:
        await hears.bind((str(ANY[to.version]), 80))
        client.bind((source or str(ANY[to.version]), 0))
        client.sendto(b"it is me", (str(to), port))
        with trio.move_on_after(SILENCE_SECONDS):
            return await hears.recv(100) == b"it is me"
    return False


def _host_addresses(version: int) -> set[str]:
    return {str(HOST[version]), *({"2001:db8::10"} if version == 6 else ())}
