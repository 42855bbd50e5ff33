"""What is said to the kernel about links, addresses and routes, and read of it."""

from __future__ import annotations

import ipaddress
import struct
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.networks import rtnetlink
from daemon.networks.netlink import attribute, attributes, number, text

INTERFACES = st.one_of(
    st.builds(lambda a, n: IPv4Interface((a, n)), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: IPv6Interface((a, n)), st.ip_addresses(v=6), st.integers(0, 128)),
)
FIXED_PART = {"link": 16, "address": 8, "route": 12}


@given(st.integers(1, 2**31 - 1), INTERFACES)
def test_an_address_is_read_as_it_was_put(index: int, interface: IPv4Interface | IPv6Interface) -> None:
    assert rtnetlink.read_address(rtnetlink.put_address(index, interface).body) == (index, interface)


@pytest.mark.parametrize(
    ("interface", "broadcast"),
    [("10.0.0.2/24", "10.0.0.255"), ("10.0.0.2/31", None), ("10.0.0.2/32", None), ("fd00::2/64", None)],
)
def test_a_broadcast_address_is_for_networks_that_have_one(interface: str, broadcast: str | None) -> None:
    said = attributes(rtnetlink.put_address(7, ip_interface(interface)).body, FIXED_PART["address"])
    assert said.get(4) == (ip_address(broadcast).packed if broadcast else None)


@pytest.mark.parametrize(("interface", "flags"), [("10.0.0.2/24", 0), ("fd00::2/64", 2)])
def test_nobody_is_asked_whether_it_has_the_address(interface: str, flags: int) -> None:
    assert rtnetlink.put_address(7, ip_interface(interface)).body[2] == flags


def test_a_link_is_read_with_its_kind_and_owner() -> None:
    body = rtnetlink.link(
        "br0",
        rtnetlink.mac("02:42:0a:00:00:01"),
        text(rtnetlink.IFLA_IFALIAS, "longshore:x"),
        rtnetlink.kind("bridge", number(1, 1)),
    )
    assert rtnetlink.read_link(body) == rtnetlink.Link(0, "br0", "bridge", "longshore:x", "02:42:0a:00:00:01")


def test_a_link_of_which_little_is_said_is_read() -> None:
    assert rtnetlink.read_link(rtnetlink.link("eth0")) == rtnetlink.Link(0, "eth0", "", "", "")


@pytest.mark.parametrize(("up", "flags", "changed"), [(True, 1, 1), (False, 0, 1), (None, 0, 0)])
def test_a_link_is_switched_only_when_that_is_said(up: bool | None, flags: int, changed: int) -> None:
    assert struct.unpack_from("=II", rtnetlink.link("eth0", up=up), 8) == (flags, changed)


def test_what_is_not_planned_is_not_said() -> None:
    assert rtnetlink.mtu(0) == rtnetlink.mac("") == b""


@pytest.mark.parametrize(
    ("to", "kind", "read"),
    [
        ("10.1.0.0/16", 1, "10.1.0.0/16"),
        ("fd01::/48", 1, "fd01::/48"),
        ("10.1.0.0/16", 6, "10.1.0.0/16"),
        ("10.1.2.3/32", 2, None),
        ("10.1.255.255/32", 3, None),
        ("ff00::/8", 5, None),
    ],
)
def test_routes_to_this_host_or_to_many_are_no_networks(to: str, kind: int, read: str | None) -> None:
    network = ip_network(to)
    family = 2 if network.version == 4 else 10
    fixed = struct.pack("=BBBBBBBBI", family, network.prefixlen, 0, 0, 254, 2, 0, kind, 0)
    message = fixed + attribute(1, network.network_address.packed)
    assert rtnetlink.read_route(message) == (ip_network(read) if read else None)


@pytest.mark.parametrize(("family", "everything"), [(2, "0.0.0.0/0"), (10, "::/0")])
def test_a_default_route_goes_everywhere(family: int, everything: str) -> None:
    fixed = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 254, 2, 0, 1, 0)
    assert rtnetlink.read_route(fixed) == ipaddress.ip_network(everything)


def test_routes_of_other_families_are_none_of_ours() -> None:
    assert rtnetlink.read_route(struct.pack("=BBBBBBBBI", 28, 20, 0, 0, 254, 2, 0, 1, 0)) is None


@pytest.mark.parametrize(("reachable", "flags"), [(True, 0), (False, 4)])
def test_a_gateway_in_no_network_of_the_link_is_said_to_be_there(reachable: bool, flags: int) -> None:
    body = rtnetlink.put_default_route(3, ip_address("10.0.0.1"), reachable=reachable).body
    assert struct.unpack_from("=I", body, 8) == (flags,)
    assert attributes(body, FIXED_PART["route"]) == {5: ip_address("10.0.0.1").packed, 4: b"\x03\0\0\0"}
