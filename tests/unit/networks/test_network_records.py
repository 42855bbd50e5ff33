"""What a network's definition says to the kernel, and that it is the same after a restart."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface, ip_network
from typing import Any

import attrs
import pytest

from daemon.errors import Failed, InvalidParameter
from daemon.networks import options
from daemon.networks.asked import PoolAsked
from daemon.networks.plans import BridgePlan, BridgeRules, LinkPlan
from daemon.networks.records import Lease, NetworkRecord
from daemon.networks.subnets import pool_of
from daemon.wire import parse_record, to_record

ID = "a" * 64
POOLS = (
    pool_of(PoolAsked("10.0.0.0/24", "10.0.0.128/25", "10.0.0.1", {"a": "10.0.0.9"})),
    pool_of(PoolAsked("fd00::/64")),
)
LEASE = Lease(
    ID,
    "web",
    "bridge",
    "e" * 64,
    "02:42:0a:00:00:02",
    IPv4Interface("10.0.0.2/24"),
    IPv4Address("10.0.0.1"),
    IPv6Interface("fd00::2/64"),
    IPv6Address("fd00::1"),
    "front",
    {"net/ipv4/conf/IFNAME/log_martians": "1"},
)


def a_network(driver: str = "bridge", link: str = "br-a", **changes: Any) -> NetworkRecord:
    record = NetworkRecord(ID, "web", 1, driver, link, "longshore:me", POOLS, enable_ipv6=True)
    return attrs.evolve(record, **changes)


def test_a_definition_and_a_lease_outlive_the_engine() -> None:
    record = a_network(labels={"a": "b"}, ipam_options={"x": "y"})
    assert parse_record(to_record(record), NetworkRecord) == record
    assert parse_record(to_record(LEASE), Lease) == LEASE
    bare = Lease(ID, "host", "host", "e" * 64)
    assert parse_record(to_record(bare), Lease) == bare


@pytest.mark.parametrize("address", ['"10.0.0.2"', '"fd00::/64"', '"x"', "7", "{}"])
def test_a_damaged_address_is_noticed(address: str) -> None:
    body = to_record(attrs.evolve(LEASE, gateway6=None, address6=None)).replace(
        b'"10.0.0.2/24"', address.encode()
    )
    if address == '"10.0.0.2"':  # an interface without a prefix is one of 32 bits
        assert parse_record(body, Lease).address4 == IPv4Interface("10.0.0.2/32")
        return
    with pytest.raises(Failed, match=r"damaged Lease record: address4: expected "):
        parse_record(body, Lease)


def test_a_bridge_carries_the_gateways() -> None:
    assert a_network(options={options.MTU: "1400"}).bridge_plan() == BridgePlan(
        "br-a", (ip_interface("10.0.0.1/24"), ip_interface("fd00::1/64")), 1400, "longshore:me"
    )
    assert a_network().bridge_plan().from_loopback
    assert not a_network(internal=True).bridge_plan().from_loopback  # nothing is published there
    inhibited = a_network(options={options.INHIBIT_IPV4: "true"}).bridge_plan()
    assert inhibited.interfaces == (ip_interface("fd00::1/64"),)


def test_the_firewall_is_told_what_was_asked() -> None:
    subnets = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))
    assert a_network().bridge_rules() == BridgeRules("br-a", subnets)
    closed = a_network(internal=True, options={options.ICC: "false", options.MASQUERADE: "0"})
    assert closed.bridge_rules() == BridgeRules(
        "br-a", subnets, internal=True, between_containers=False, masquerade=False
    )


def test_a_link_is_all_that_the_lease_says() -> None:
    plan = a_network(options={options.ICC: "false"}).link_plan(LEASE, "eth0", "veth1", way_out=True)
    assert plan == LinkPlan(
        "bridge",
        "br-a",
        "veth1",
        "eth0",
        "02:42:0a:00:00:02",
        (ip_interface("10.0.0.2/24"), ip_interface("fd00::2/64")),
        (IPv4Address("10.0.0.1"), IPv6Address("fd00::1")),
        isolated=True,
        sysctls={"net/ipv4/conf/eth0/log_martians": "1"},
        owner="longshore:me",
    )


def test_a_link_that_is_not_the_way_out_has_no_gateways() -> None:
    plan = a_network().link_plan(LEASE, "eth1", "veth1", way_out=False)
    assert plan is not None
    assert (plan.gateways, plan.isolated) == ((), False)


@pytest.mark.parametrize(
    ("driver", "given", "mode"),
    [
        ("macvlan", {}, "bridge"),
        ("macvlan", {"macvlan_mode": "vepa"}, "vepa"),
        ("ipvlan", {}, "l2"),
        ("ipvlan", {"ipvlan_mode": "l3"}, "l3"),
    ],
)
def test_a_shared_link_has_its_mode(driver: str, given: dict[str, str], mode: str) -> None:
    plan = a_network(driver, "eth0", options=given).link_plan(LEASE, "eth0", "", way_out=True)
    assert plan is not None
    assert (plan.kind, plan.parent, plan.mode, plan.isolated) == (driver, "eth0", mode, False)


@pytest.mark.parametrize("driver", ["host", "null"])
def test_some_networks_have_no_links(driver: str) -> None:
    assert a_network(driver, "").link_plan(LEASE, "eth0", "", way_out=True) is None


def test_ports_are_published_everywhere_unless_the_network_says_where() -> None:
    assert a_network().host_binding is None
    assert a_network(options={options.HOST_BINDING: "0.0.0.0"}).host_binding is None
    assert a_network(options={options.HOST_BINDING: "127.0.0.1"}).host_binding == IPv4Address("127.0.0.1")


def test_links_are_called_as_the_network_says() -> None:
    assert a_network().interface_prefix == "eth"
    assert a_network(options={options.INTERFACE_PREFIX: "net"}).interface_prefix == "net"


@pytest.mark.parametrize("word", ["", "yes", "ON", " true"])
def test_a_switch_knows_go_s_words_only(word: str) -> None:
    with pytest.raises(InvalidParameter, match="is neither true nor false"):
        options.is_on({options.ICC: word}, options.ICC, default=True)


@pytest.mark.parametrize("size", ["-1", "1e3", "65536", "9" * 30, "٣"])
def test_an_mtu_is_a_number_of_bytes(size: str) -> None:
    with pytest.raises(InvalidParameter, match="is no size in bytes"):
        options.mtu({options.MTU: size})
