"""What may be asked of a place in a network."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.network.wishes import parse_mac, understood
from daemon.errors import EngineError, InvalidParameter
from daemon.model import EndpointConfig
from daemon.networks.asked import PoolAsked
from daemon.networks.records import NetworkRecord
from daemon.networks.subnets import make_pool, pool_of
from tests.unit.actors.world import refused

OWN = pool_of(PoolAsked("10.0.0.0/24"))
RECORD = NetworkRecord("a" * 64, "web", 1, "bridge", "br-a", pools=(OWN,))
SYSCTLS = "com.docker.network.endpoint.sysctls"
IFNAME = "com.docker.network.endpoint.ifname"


def at(**ipam: Any) -> EndpointConfig:
    return EndpointConfig(ipam_config=ipam)


@pytest.mark.parametrize(
    ("asked", "changes", "text"),
    [
        (at(IPv4Address="x"), {}, "invalid IPv4 address: x"),
        (at(IPv4Address="fd00::1"), {}, "invalid IPv4 address: fd00::1"),
        (at(IPv4Address=7), {}, "invalid IPv4 address: 7"),
        (at(IPv6Address="fe80::1%eth0"), {}, "invalid IPv6 address: fe80::1%eth0"),
        (
            at(LinkLocalIPs=["169.254.1.1"]),
            {},
            "link-local addresses of an endpoint (LinkLocalIPs) are not supported",
        ),
        (
            at(IPv4Address="10.0.0.2"),
            {"predefined": True},
            "user specified IP address is supported on user defined networks only",
        ),
        (
            at(IPv4Address="172.18.0.2"),
            {"pools": (make_pool(OWN.subnet),)},
            "user specified IP address is supported only when connecting to networks "
            "with user configured subnets",
        ),
        (
            at(IPv6Address="fd00::2"),
            {},
            "user specified IP address is supported only when connecting to networks "
            "with user configured subnets",
        ),
        (
            at(IPv4Address="10.0.1.2"),
            {},
            "Invalid address 10.0.1.2: It does not belong to any of this network's subnets",
        ),
        (EndpointConfig(mac_address="x"), {}, "invalid MAC address: x"),
        (
            EndpointConfig(mac_address="01:00:5e:00:00:01"),
            {},
            "invalid MAC address: 01:00:5e:00:00:01 is no unicast address",
        ),
        (
            EndpointConfig(mac_address="02:42:ac:11:00:02"),
            {"driver": "host"},
            "conflicting options: mac-address and the network mode",
        ),
        (
            EndpointConfig(mac_address="02:42:ac:11:00:02"),
            {"driver": "ipvlan"},
            "ipvlan interfaces do not support custom mac address assignment",
        ),
        (
            EndpointConfig(driver_opts={IFNAME: "a/b"}),
            {},
            f"invalid value for option {IFNAME}: 'a/b' is no link's name",
        ),
        *(
            (
                EndpointConfig(driver_opts={SYSCTLS: sysctl}),
                {},
                f"unrecognised network interface sysctl '{sysctl}'; represent 'net.X.Y.ethN.Z=V' "
                "as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
            )
            for sysctl in (
                "net.ipv4.conf.eth0.forwarding=1",
                "net.ipv4.conf.IFNAME.forwarding",
                "net.ipv4.conf.IFNAME.../../x=1",
                "kernel.x.y.IFNAME.z=1",
                "net.ipv4.conf.IFNAME.forwarding=1\n2",
            )
        ),
    ],
)
def test_what_makes_no_sense_there_is_refused(
    asked: EndpointConfig, changes: Mapping[str, Any], text: str
) -> None:
    with refused(InvalidParameter, text):
        understood(asked, attrs.evolve(RECORD, **changes))


def test_what_is_asked_is_understood() -> None:
    driver_opts = {
        SYSCTLS: "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2",
        IFNAME: "front",
        "mine": "kept",
    }
    asked = attrs.evolve(at(IPv4Address="10.0.0.7", IPv6Address=""), driver_opts=driver_opts)
    wish = understood(asked, RECORD)
    assert wish.addresses == {4: ip_address("10.0.0.7")}
    assert wish.interface_name == "front"
    assert wish.sysctls == {
        "net/ipv4/conf/IFNAME/log_martians": "1",
        "net/ipv6/conf/IFNAME/accept_ra": "2",
    }


@pytest.mark.parametrize("text", ["02:42:AC:11:00:02", "02-42-ac-11-00-02", "0242.ac11.0002"])
def test_a_hardware_address_is_written_as_the_kernel_does(text: str) -> None:
    assert parse_mac(text) == "02:42:ac:11:00:02"


@pytest.mark.parametrize("text", ["02:42:ac:11:00", "02:42-ac:11:00:02", "00:00:00:00:00:00", "0242ac110002"])
def test_what_is_no_hardware_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid MAC address"):
        parse_mac(text)


ANYTHING = st.text(max_size=30) | st.ip_addresses().map(str) | st.integers() | st.lists(st.text(), max_size=2)


@given(
    st.dictionaries(st.sampled_from(["IPv4Address", "IPv6Address", "LinkLocalIPs", "x"]), ANYTHING),
    st.text("0123456789abcdef:-.", max_size=20),
    st.dictionaries(st.sampled_from([SYSCTLS, IFNAME]), st.text(max_size=60)),
)
def test_anything_is_understood_or_refused(ipam: Any, mac: str, driver_opts: dict[str, str]) -> None:
    asked = EndpointConfig(ipam_config=ipam, mac_address=mac, driver_opts=driver_opts)
    try:
        wish = understood(asked, RECORD)
    except EngineError:
        return
    assert all(address in OWN.subnet for address in wish.addresses.values())
