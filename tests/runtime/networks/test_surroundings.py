"""What is learnt of the host's network and changed in it, on the real kernel; needs root."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_network
from pathlib import Path

import pytest

from daemon.networks import namespaces
from daemon.networks.surroundings import ensure_forwarding, taken_subnets
from tests.runtime.networks.hosts import FreshHost, eventually, ip, lone_link

pytestmark = pytest.mark.runtime


def _setting(name: str) -> str:
    return Path("/proc/sys/net", name).read_text().strip()


def _uplink() -> None:
    lone_link("up0")
    ip("address add 192.168.5.2/24 dev up0")
    ip("address add fd05::2/48 dev up0 nodad")


def test_networks_of_addresses_and_routes_are_taken(host: FreshHost) -> None:
    del host
    _uplink()
    ip("route add default via 192.168.5.1")
    ip("route add 0.0.0.0/1 via 192.168.5.1")
    ip("route add 172.20.0.0/16 via 192.168.5.1")
    ip("route add 172.21.0.0/16 via 192.168.5.1 table 77")
    ip("route add blackhole 10.244.0.0/24")
    ip("-6 route add default via fd05::1")
    ip("-6 route add fd99::/64 via fd05::1")
    networks = (
        "192.168.5.0/24 172.20.0.0/16 172.21.0.0/16 10.244.0.0/24 127.0.0.0/8 fd05::/48 fd99::/64 fe80::/64"
    )
    assert taken_subnets() == {ip_network(subnet) for subnet in (*networks.split(), "::1/128")}


def test_forwarding_is_switched_on_and_routers_are_still_believed(host: FreshHost) -> None:
    del host
    _uplink()
    lone_link("deaf0")
    Path("/proc/sys/net/ipv6/conf/deaf0/accept_ra").write_text("0")
    for _ in range(2):
        ensure_forwarding(ipv6=True)
        assert _setting("ipv4/ip_forward") == _setting("ipv6/conf/all/forwarding") == "1"
        assert (_setting("ipv6/conf/up0/accept_ra"), _setting("ipv6/conf/deaf0/accept_ra")) == ("2", "0")
        assert _setting("ipv6/conf/default/accept_ra") == "1"


def _advertise(router: Path) -> None:
    """Say on the link to the host, as a router does, that everything can be sent here for half an hour."""
    with namespaces.inside(router):
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        number = socket.if_nametoindex("r0")
    with raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        raw.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, number))


def test_a_route_from_a_router_survives_that_forwarding_is_switched_on(host: FreshHost) -> None:
    router = host.sandbox("router")
    ip(f"link add name up0 type veth peer name r0 netns {router}")
    with namespaces.inside(router):
        Path("/proc/sys/net/ipv6/conf/r0/accept_dad").write_text("0")
    ip("link set dev up0 up")
    ip("link set dev r0 up", router)

    def routed() -> bool:
        return bool(ip("-6 route show default"))

    def advertised() -> bool:
        try:
            _advertise(router)
        except OSError:  # it has no address to send from yet
            return False
        return routed()

    assert eventually(advertised)
    ensure_forwarding(ipv6=True)
    assert routed()


def test_ipv6_is_not_touched_unless_asked_for(host: FreshHost) -> None:
    del host
    _uplink()
    ensure_forwarding(ipv6=False)
    assert _setting("ipv4/ip_forward") == "1"
    assert (_setting("ipv6/conf/all/forwarding"), _setting("ipv6/conf/up0/accept_ra")) == ("0", "1")
