"""What a published port opens, and what it does not, with real traffic."""

from __future__ import annotations

import pytest

from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import Address, PublishedPort
from tests.runtime.networks.topology import (
    ANY,
    BRIDGES,
    HOST,
    LOOPBACK,
    OUTSIDE,
    SECOND,
    address,
    gateway,
    rules_of,
)
from tests.runtime.networks.traffic import Traffic

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.parametrize("version", [4, 6]),
    pytest.mark.parametrize("protocol", ["tcp", "udp"]),
]
ALL_BRIDGES = [rules_of(bridge) for bridge in BRIDGES]


def published(
    protocol: str, host_address: Address, container: str, host_port: int = 8080, port: int = 80
) -> PublishedPort:
    target = address(container, host_address.version)
    return PublishedPort(protocol, host_address, host_port, target, port)


async def test_is_reached_from_another_host_whose_address_is_kept(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "red1")]))
    traffic.serve("red1", protocol, version, 80)
    assert await traffic.ask("outside", protocol, HOST[version], 8080) == str(OUTSIDE[version])
    assert await traffic.ask("outside", protocol, SECOND[version], 8080) == str(OUTSIDE[version])


async def test_is_reached_from_the_host_itself(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "red1")]))
    traffic.serve("red1", protocol, version, 80)
    assert await traffic.ask("host", protocol, HOST[version], 8080)
    assert await traffic.ask("host", protocol, gateway("red", version), 8080)
    assert await traffic.ask("host", protocol, address("red1", version), 80)


async def test_is_reached_from_a_container_on_the_same_bridge_and_from_the_container_itself(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "red1")]))
    traffic.serve("red1", protocol, version, 80)
    for container in ("red1", "red2"):
        for front in (HOST[version], gateway("red", version), gateway("blue", version)):
            assert await traffic.ask(container, protocol, front, 8080) == str(gateway("red", version))


async def test_is_reached_on_a_bridge_whose_containers_may_not_talk(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "quiet1")]))
    traffic.serve("quiet1", protocol, version, 80)
    assert await traffic.ask("quiet2", protocol, HOST[version], 8080)


async def test_is_reached_from_a_container_on_another_bridge(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "red1")]))
    traffic.serve("red1", protocol, version, 80)
    assert await traffic.ask("blue1", protocol, HOST[version], 8080)
    assert await traffic.ask("blue1", protocol, gateway("blue", version), 8080)


async def test_opens_only_itself(kernel: KernelFilter, traffic: Traffic, protocol: str, version: int) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "red1")]))
    for container in ("red1", "red2"):
        for port in (80, 81, 8080, 8081):
            traffic.serve(container, protocol, version, port)
    direct = [
        (place, address(container, version), port)
        for place in ("outside", "blue1")
        for container in ("red1", "red2")
        for port in (80, 81, 8080)
    ]
    at_host = [("outside", HOST[version], port) for port in (80, 81, 8081)]
    assert await traffic.unheard(protocol, *direct, *at_host)


async def test_at_one_address_of_the_host_is_not_at_another(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, SECOND[version], "red1")]))
    traffic.serve("red1", protocol, version, 80)
    for place in ("outside", "host", "red1", "blue1"):
        assert await traffic.ask(place, protocol, SECOND[version], 8080)
    assert await traffic.unheard(protocol, ("outside", HOST[version], 8080))
    assert await traffic.unheard(protocol, ("host", LOOPBACK[version], 8080))


async def test_at_an_address_goes_before_the_same_port_everywhere(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    ports = [published(protocol, ANY[version], "red1"), published(protocol, SECOND[version], "red2")]
    await kernel.replace(Ruleset.of(ALL_BRIDGES, ports))
    traffic.serve("red1", protocol, version, 80, says=" red1")
    traffic.serve("red2", protocol, version, 80, says=" red2")
    assert await traffic.ask("outside", protocol, HOST[version], 8080) == f"{OUTSIDE[version]} red1"
    assert await traffic.ask("outside", protocol, SECOND[version], 8080) == f"{OUTSIDE[version]} red2"


async def test_of_an_internal_bridge_is_not_reached(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [published(protocol, ANY[version], "inner1")]))
    traffic.serve("inner1", protocol, version, 80)
    places = ("outside", "red1")
    assert await traffic.unheard(protocol, *((place, HOST[version], 8080) for place in places))
    assert await traffic.ask("host", protocol, address("inner1", version), 80)


async def test_no_longer_published_is_closed(
    kernel: KernelFilter, traffic: Traffic, protocol: str, version: int
) -> None:
    port = published(protocol, ANY[version], "red1")
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [port]))
    traffic.serve("red1", protocol, version, 80)
    assert await traffic.ask("outside", protocol, HOST[version], 8080)
    await kernel.change(Change(ports_gone=(port,)))
    assert await traffic.unheard(protocol, ("outside", HOST[version], 8080))
