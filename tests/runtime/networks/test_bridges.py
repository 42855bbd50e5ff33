"""Bridges on the real kernel; needs root."""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.errors import Failed
from daemon.networks import links
from daemon.networks.bridges import ensure_bridge
from daemon.networks.plans import BridgePlan
from tests.runtime.networks.hosts import BRIDGE, OWNER, FreshHost, bridged, ip, lone_link

pytestmark = pytest.mark.runtime


def _addresses(*scopes: str) -> set[str]:
    [link] = ip("address show dev br0")
    return {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] in scopes}


def _link() -> Any:
    return ip("-details link show dev br0")[0]


def _setting(name: str) -> str:
    return Path("/proc/sys/net", name).read_text().strip()


def test_a_bridge_is_made_as_planned_and_making_it_again_changes_nothing(host: FreshHost) -> None:
    del host
    assert ensure_bridge(BRIDGE)
    first = _link()
    assert (first["mtu"], first["ifalias"], first["linkinfo"]["info_kind"]) == (1400, OWNER, "bridge")
    assert "UP" in first["flags"]
    assert ensure_bridge(BRIDGE)
    again = _link()
    assert (again["ifindex"], again["address"]) == (first["ifindex"], first["address"])
    assert _addresses("global") == {"10.9.0.1/16", "fd09::1/64"}


def test_a_bridge_of_ours_is_brought_to_another_plan(host: FreshHost) -> None:
    del host
    ensure_bridge(BRIDGE)
    other = BridgePlan("br0", (ip_interface("10.9.0.254/24"),), 1300, OWNER, from_loopback=False)
    assert _setting("ipv4/conf/br0/route_localnet") == "1"
    assert ensure_bridge(other)
    assert _addresses("global", "link") == {"10.9.0.254/24"}
    assert _link()["mtu"] == 1300
    assert _setting("ipv4/conf/br0/route_localnet") == "0"
    ensure_bridge(BRIDGE)
    assert _addresses("global") == {"10.9.0.1/16", "fd09::1/64"}


def test_a_bridge_without_addresses_is_isolated(host: FreshHost) -> None:
    [(sandbox, plan)] = bridged(host, 3)
    ensure_bridge(BridgePlan("br0", (), owner=OWNER))
    links.plug(sandbox, plan)  # with a port that carries, the kernel would give it an address
    assert _addresses("global", "link") == set()


def test_what_comes_in_is_forwarded_but_does_not_route_the_host(host: FreshHost) -> None:
    del host
    ensure_bridge(BRIDGE)
    assert _setting("ipv4/conf/br0/forwarding") == _setting("ipv6/conf/br0/forwarding") == "1"
    assert _setting("ipv6/conf/br0/accept_ra") == "0"


def test_a_bridge_keeps_its_hardware_address_whatever_is_plugged_in(host: FreshHost) -> None:
    made = bridged(host, 2, 3)
    before = _link()["address"]
    for sandbox, plan in made:
        links.plug(sandbox, plan)
    links.unplug(*made[0])
    assert _link()["address"] == before


def test_a_bridge_that_a_crash_left_half_made_is_ours(host: FreshHost) -> None:
    del host
    ensure_bridge(BRIDGE)
    mac = _link()["address"]
    links.remove_link("br0")
    ip(f"link add name br0 address {mac} type bridge")  # as far as the first request goes
    assert ensure_bridge(BRIDGE)
    assert _link()["ifalias"] == OWNER


def test_somebody_elses_bridge_gets_what_it_lacks_and_loses_nothing(host: FreshHost) -> None:
    del host
    ip("link add name br0 mtu 1450 type bridge")
    ip("link set dev br0 alias theirs")
    ip("address add 192.168.9.1/24 dev br0")
    assert not ensure_bridge(BRIDGE)
    assert _addresses("global") == {"192.168.9.1/24", "10.9.0.1/16", "fd09::1/64"}
    assert (_link()["mtu"], _link()["ifalias"]) == (1450, "theirs")


def test_a_link_that_is_no_bridge_is_left_alone(host: FreshHost) -> None:
    lone_link("br0")
    with pytest.raises(Failed, match="bridge br0: a veth link has this name"):
        ensure_bridge(BRIDGE)
    with pytest.raises(Failed, match="bridge lo: a physical link has this name"):
        ensure_bridge(attrs.evolve(BRIDGE, name="lo"))
    assert host.links() == {"br0", "br0-far"}
