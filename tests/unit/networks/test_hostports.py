"""Host ports, held by sockets; each process takes a loopback address of its own, so that none collide."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

import pytest

from daemon.errors import Failed
from daemon.networks.hostports import HostPorts, InUse
from daemon.networks.plans import PublishedPort
from daemon.networks.ports import ContainerPort, PortWish

OWN = ip_address("172.17.0.2")
OWN6 = ip_address("fd00::2")
PORTS = range(21000, 21004)


@pytest.fixture
def loopback() -> IPv4Address:
    """An address of the host that nobody else uses: one of 127/8 for each process."""
    return IPv4Address((127 << 24) + (1 << 22) + os.getpid() % (1 << 22))


@pytest.fixture
def ports() -> Iterator[HostPorts]:
    ports = HostPorts(lambda: PORTS)
    yield ports
    ports.close()


def wish(address: object, *numbers: int, protocol: str = "tcp") -> PortWish:
    host_ports = range(numbers[0], numbers[-1] + 1) if numbers else range(0)
    return PortWish(ContainerPort(80, protocol), ip_address(str(address)), host_ports)


def free(address: object, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((str(address), port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_nobody_else_can_take_a_port_that_is_held(
    ports: HostPorts, loopback: IPv4Address, protocol: str, kind: socket.SocketKind
) -> None:
    (taken,) = ports.claim("a", [wish(loopback, 21000, protocol=protocol)], [OWN])
    assert taken == PublishedPort(protocol, loopback, 21000, OWN, 80)
    assert not free(loopback, 21000, kind)
    ports.release("a")
    assert free(loopback, 21000, kind)


def test_a_port_of_another_container_is_allocated_already(ports: HostPorts, loopback: IPv4Address) -> None:
    ports.claim("a", [wish(loopback, 21000)], [OWN])
    with pytest.raises(InUse, match=f"Bind for {loopback}:21000 failed: port is already allocated") as caught:
        ports.claim("b", [wish(loopback, 21000)], [OWN])
    assert caught.value.holder == "a"


def test_a_port_of_somebody_else_is_in_use(ports: HostPorts, loopback: IPv4Address) -> None:
    with socket.socket() as other:
        other.bind((str(loopback), 21000))
        with pytest.raises(InUse, match="address already in use") as caught:
            ports.claim("a", [wish(loopback, 21000)], [OWN])
    assert caught.value.holder == ""


def test_all_ports_are_taken_or_none(ports: HostPorts, loopback: IPv4Address) -> None:
    ports.claim("a", [wish(loopback, 21001)], [OWN])
    with pytest.raises(InUse):
        ports.claim("b", [wish(loopback, 21000), wish(loopback, 21001)], [OWN])
    assert free(loopback, 21000)


def test_the_first_free_port_of_a_range_is_taken(ports: HostPorts, loopback: IPv4Address) -> None:
    ports.claim("a", [wish(loopback, 21000)], [OWN])
    (taken,) = ports.claim("b", [wish(loopback, 21000, 21003)], [OWN])
    assert taken.host_port == 21001


def test_ports_of_our_choice_go_round(ports: HostPorts, loopback: IPv4Address) -> None:
    numbers = []
    for _ in range(5):
        numbers.append(ports.claim("a", [wish(loopback)], [OWN])[0].host_port)
        ports.release("a")
    assert numbers == [21000, 21001, 21002, 21003, 21000]


def test_when_all_are_taken_there_is_none_to_choose(ports: HostPorts, loopback: IPv4Address) -> None:
    ports.claim("a", [wish(loopback)] * len(PORTS), [OWN])
    with pytest.raises(InUse):
        ports.claim("b", [wish(loopback)], [OWN])


def test_every_address_of_a_family_that_the_container_has(ports: HostPorts) -> None:
    anywhere = PortWish(ContainerPort(80))
    both = ports.claim("a", [anywhere], [OWN, OWN6])
    assert [(str(one.host_address), str(one.address)) for one in both] == [
        ("0.0.0.0", str(OWN)),
        ("::", str(OWN6)),
    ]
    assert len({one.host_port for one in both}) == 1
    assert [str(one.host_address) for one in ports.claim("a", [anywhere], [OWN])] == ["0.0.0.0"]


def test_an_address_that_is_not_the_hosts_is_refused(ports: HostPorts) -> None:
    with pytest.raises(Failed, match="cannot assign requested address"):
        ports.claim("a", [wish("192.0.2.1", 21000)], [OWN])


def test_an_engine_that_starts_holds_again_what_it_can(ports: HostPorts, loopback: IPv4Address) -> None:
    mine, lost = (PublishedPort("tcp", loopback, number, OWN, 80) for number in (21000, 21001))
    with socket.socket() as other:
        other.bind((str(loopback), 21001))
        (problem,) = ports.hold("a", [mine, lost])
    assert "21001" in problem
    assert not free(loopback, 21000)


def test_a_port_that_others_have_too_is_the_containers_until_it_gives_it_back(
    ports: HostPorts, loopback: IPv4Address
) -> None:
    lost = PublishedPort("tcp", loopback, 21001, OWN, 80)
    with socket.socket() as other:
        other.bind((str(loopback), 21001))
        ports.hold("a", [lost])
    assert ports.of("a") == (lost,)  # or nobody would take it from the firewall again
    ports.release("a")
    assert ports.of("a") == ()


def test_a_port_of_our_choice_is_chosen_again_for_the_same_port(
    ports: HostPorts, loopback: IPv4Address
) -> None:
    (before,) = ports.claim("a", [wish(loopback)], [OWN])
    ports.claim("b", [wish(loopback)], [OWN])
    (after,) = ports.claim("a", [wish(loopback)], [ip_address("172.18.0.2")])
    assert after.host_port == before.host_port


def test_a_port_is_not_kept_against_the_wish(ports: HostPorts, loopback: IPv4Address) -> None:
    ports.claim("a", [wish(loopback, 21003)], [OWN])
    (after,) = ports.claim("a", [wish(loopback, 21000, 21001)], [OWN])
    assert after.host_port == 21000


def served(address: object, port: int) -> None:
    """Serve one connection and end, so that the kernel remembers it for a minute (TIME_WAIT)."""
    place = str(address), port
    with socket.create_server(place) as server, socket.create_connection(place) as client:
        server.accept()[0].close()
        assert client.recv(1) == b""


def test_a_server_that_has_just_ended_is_not_in_the_way(ports: HostPorts, loopback: IPv4Address) -> None:
    served(loopback, 21002)
    assert not free(loopback, 21002)
    ports.claim("a", [wish(loopback, 21002)], [OWN])
    with pytest.raises(InUse, match="port is already allocated"):
        ports.claim("b", [wish(loopback, 21002)], [OWN])
    with pytest.raises(OSError, match="in use"):
        socket.create_server((str(loopback), 21002))


def test_a_server_that_listens_is_in_the_way(ports: HostPorts, loopback: IPv4Address) -> None:
    with (
        socket.create_server((str(loopback), 21003)),
        pytest.raises(InUse, match="address already in use"),
    ):
        ports.claim("a", [wish(loopback, 21003)], [OWN])


def test_a_port_at_an_address_of_a_version_that_the_container_lacks_is_refused(ports: HostPorts) -> None:
    with pytest.raises(Failed, match="cannot publish port 80/tcp at ::: the container has no IPv6 address"):
        ports.claim("a", [wish("::", 21000)], [OWN])
