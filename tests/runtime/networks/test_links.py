"""Containers' links into a bridge on the real kernel; needs root."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_interface

import attrs
import pytest

from daemon.errors import Failed, InvalidParameter
from daemon.networks import bridges, links, namespaces
from daemon.networks.plans import BridgePlan
from tests.runtime.networks.hosts import (
    BRIDGE,
    OWNER,
    FreshHost,
    bridged,
    eventually,
    ip,
    lone_link,
    plan,
    reaches,
)

pytestmark = pytest.mark.runtime
ADDRESSES = ["10.9.0.3", "fd09::3"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_two_containers_on_a_bridge_reach_each_other_at_once(host: FreshHost, address: str) -> None:
    (one, first), (two, second) = bridged(host, 2, 3)
    links.plug(one, first)
    links.plug(two, second)
    assert reaches(one, two, address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_host_reaches_a_container_at_once(host: FreshHost, address: str) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.plug(sandbox, made)
    assert reaches(None, sandbox, address)


def test_a_container_is_reached_at_once_while_the_kernel_is_busy_with_other_links(host: FreshHost) -> None:
    interfaces, gateways = (ip_interface("10.9.0.3/16"),), (ip_address("10.9.0.1"),)
    [(sandbox, made)] = bridged(host, 3, interfaces=interfaces, gateways=gateways)
    done = threading.Event()

    def bother(name: str) -> None:
        while not done.is_set():
            bridges.ensure_bridge(BridgePlan(name, (), owner=OWNER))
            links.remove_link(name)

    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(bother, f"busy{number}") for number in range(4)]
        try:
            for _ in range(10):
                links.plug(sandbox, made)
                assert reaches(None, sandbox, "10.9.0.3")
                links.unplug(sandbox, made)
        finally:
            done.set()
    assert [future.result() for future in busy] == [None] * 4


@pytest.mark.parametrize("address", ["10.9.0.1", "fd09::1"])
def test_a_container_reaches_its_gateway_at_once(host: FreshHost, address: str) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.plug(sandbox, made)
    assert reaches(sandbox, None, address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_whoever_takes_over_an_address_is_reached_at_once(host: FreshHost, address: str) -> None:
    (one, first), (two, second), (third, plain) = bridged(host, 2, 3, 4)
    links.plug(one, first)
    links.plug(two, second)
    assert reaches(one, two, address)
    assert reaches(None, two, address)
    namespaces.remove(two)
    taking = attrs.evolve(plain, interfaces=second.interfaces)
    links.plug(third, taking)
    links.announce(third, taking)
    assert reaches(one, third, address)
    assert reaches(None, third, address)


def test_a_link_has_the_names_sizes_and_addresses_of_its_plan(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    assert links.plug(sandbox, made) == made.mac
    [inner] = ip("-details address show dev eth0", sandbox)
    assert (inner["address"], inner["mtu"], inner["operstate"]) == (made.mac, 1400, "UP")
    carried = [
        (a["local"], a["prefixlen"], a.get("broadcast")) for a in inner["addr_info"] if a["scope"] == "global"
    ]
    assert carried == [("10.9.0.3", 16, "10.9.255.255"), ("fd09::3", 64, None)]
    assert not any("tentative" in address for address in inner["addr_info"])
    [outer] = ip("-details address show dev veth3")
    assert {end[f"num_{way}_queues"] for end in (inner, outer) for way in ("tx", "rx")} == {1}
    assert (outer["mtu"], outer["master"], outer["ifalias"], outer["addr_info"]) == (1400, "br0", OWNER, [])
    port = outer["linkinfo"]["info_slave_data"]
    assert (port["state"], port["hairpin"], port["isolated"]) == ("forwarding", True, False)


def test_the_kernel_gives_a_hardware_address_if_the_plan_has_none(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3, mac="", mtu=0)
    mac = links.plug(sandbox, made)
    assert mac == ip("link show dev eth0", sandbox)[0]["address"]


def test_everything_else_goes_to_the_gateways(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.plug(sandbox, made)
    for family, gateway in (("-4", "10.9.0.1"), ("-6", "fd09::1")):
        routes = ip(f"{family} route show default", sandbox)
        assert [(route["gateway"], route["dev"]) for route in routes] == [(gateway, "eth0")]


def test_a_link_that_is_not_the_way_out_has_no_default_route(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3, gateways=())
    links.plug(sandbox, made)
    assert ip("-4 route show default", sandbox) == ip("-6 route show default", sandbox) == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_container_may_be_alone_in_its_subnet(host: FreshHost, address: str) -> None:
    interfaces = (ip_interface("10.9.0.3/32"), ip_interface("fd09::3/128"))
    [(sandbox, made)] = bridged(host, 3, interfaces=interfaces)
    links.plug(sandbox, made)
    assert reaches(None, sandbox, address)


def test_a_gateway_outside_the_subnet_is_believed_to_be_there(host: FreshHost) -> None:
    gateways = (ip_address("172.31.0.1"), ip_address("fd77::1"))
    [(sandbox, made)] = bridged(host, 3, gateways=gateways)
    links.plug(sandbox, made)
    assert ip("route show default", sandbox)[0]["flags"] == ["onlink"]
    assert ip("-6 route show default", sandbox)[0]["gateway"] == "fd77::1"


def test_the_way_out_moves_to_another_network(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.plug(sandbox, made)
    other = BridgePlan("br1", (ip_interface("10.8.0.1/24"), ip_interface("fd08::1/64")), owner=OWNER)
    bridges.ensure_bridge(other)
    second = attrs.evolve(
        made,
        parent="br1",
        host_name="veth3b",
        name="eth1",
        mac="",
        interfaces=(ip_interface("10.8.0.3/24"), ip_interface("fd08::3/64")),
        gateways=(),
    )
    links.plug(sandbox, second)
    for _ in range(2):
        links.set_gateways(
            sandbox, attrs.evolve(second, gateways=(ip_address("10.8.0.1"), ip_address("fd08::1")))
        )
        for family in ("-4", "-6"):
            assert [route["dev"] for route in ip(f"{family} route show default", sandbox)] == ["eth1"]
    links.set_gateways(sandbox, attrs.evolve(made, gateways=(ip_address("10.9.0.1"),)))
    assert [route["dev"] for route in ip("-4 route show default", sandbox)] == ["eth0"]
    assert [route["dev"] for route in ip("-6 route show default", sandbox)] == ["eth1"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_isolated_containers_reach_the_host_but_not_each_other(host: FreshHost, address: str) -> None:
    (one, first), (two, second) = bridged(host, 2, 3, isolated=True)
    links.plug(one, first)
    links.plug(two, second)
    assert not reaches(one, two, address)
    assert reaches(None, two, address)


def test_a_link_without_an_ipv6_address_has_none_of_the_kernels_either(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3, interfaces=(ip_interface("10.9.0.3/16"),), gateways=())
    links.plug(sandbox, made)
    [inner] = ip("address show dev eth0", sandbox)
    assert [address["family"] for address in inner["addr_info"]] == ["inet"]


def test_sysctls_are_the_containers(host: FreshHost) -> None:
    name = "net/ipv4/conf/eth0/forwarding"
    [(sandbox, made)] = bridged(host, 3, sysctls={name: "1", "net/ipv4/conf/all/log_martians": "1"})
    links.plug(sandbox, made)
    with namespaces.inside(sandbox):
        for path in (name, "net/ipv4/conf/all/log_martians"):
            with open(f"/proc/sys/{path}") as file:
                assert file.read() == "1\n"
    with open("/proc/sys/net/ipv4/conf/all/log_martians") as file:
        assert file.read() == "0\n"


@pytest.mark.parametrize("name", ["kernel/hostname", "net/../kernel/hostname", "/proc/sys/net/x"])
def test_sysctls_of_the_host_are_out_of_reach(host: FreshHost, name: str) -> None:
    [(sandbox, made)] = bridged(host, 3, sysctls={name: "x"})
    with pytest.raises(InvalidParameter, match="not one of a network namespace"):
        links.plug(sandbox, made)


def test_a_sysctl_that_is_not_there_is_named(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3, sysctls={"net/ipv4/conf/eth0/nonsense": "1"})
    with pytest.raises(Failed, match=r"link eth0 on br0: .*net/ipv4/conf/eth0/nonsense"):
        links.plug(sandbox, made)


def test_plugging_again_replaces_what_is_there(host: FreshHost) -> None:
    (sandbox, made), (other, _) = bridged(host, 3, 4)
    links.plug(sandbox, made)
    links.plug(sandbox, made)  # both names are taken
    assert reaches(None, sandbox, "10.9.0.3")
    links.plug(sandbox, attrs.evolve(made, host_name="veth9"))  # the one inside
    assert reaches(None, sandbox, "10.9.0.3")
    links.plug(other, attrs.evolve(plan(4), host_name="veth9"))  # the one on the host
    assert reaches(None, other, "10.9.0.4")
    assert host.links() == {"br0", "veth9"}


def test_unplugging_leaves_nothing_and_can_be_repeated(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.unplug(sandbox, made)
    links.plug(sandbox, made)
    links.unplug(sandbox, made)
    assert [link["ifname"] for link in ip("link", sandbox)] == ["lo"]
    assert host.links() == {"br0"}
    namespaces.remove(sandbox)
    links.unplug(sandbox, made)


@pytest.mark.parametrize("kind", ["bridge", "veth peer name other"])
def test_a_link_of_somebody_else_is_left_alone(host: FreshHost, kind: str) -> None:
    [(sandbox, made)] = bridged(host, 3)
    ip(f"link add name veth3 type {kind}")
    ip("link set dev veth3 alias theirs")
    with pytest.raises(Failed, match="link veth3: theirs has a link of this name"):
        links.plug(sandbox, made)
    with pytest.raises(Failed, match="link veth3: theirs"):
        links.unplug(sandbox, made)
    assert "veth3" in host.links()
    assert [link["ifname"] for link in ip("link", sandbox)] == ["lo"]


def test_a_parent_that_is_missing_or_no_bridge_is_named(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    lone_link("pair3")
    with pytest.raises(Failed, match="link eth0 on gone: the host has no link gone"):
        links.plug(sandbox, attrs.evolve(made, parent="gone"))
    with pytest.raises(Failed, match="link eth0 on pair3: pair3 is no bridge"):
        links.plug(sandbox, attrs.evolve(made, parent="pair3"))


def test_what_has_gone_announces_nothing(host: FreshHost) -> None:
    [(sandbox, made)] = bridged(host, 3)
    links.announce(sandbox, made)
    namespaces.remove(sandbox)
    links.announce(sandbox, made)


def test_owned_links_are_found_and_removed(host: FreshHost) -> None:
    (one, first), (two, second) = bridged(host, 2, 3)
    links.plug(one, first)
    links.plug(two, attrs.evolve(second, owner="somebody"))
    owned = links.owned_links("longshore:")
    assert {(link.name, link.kind, link.owner) for link in owned} == {
        ("br0", "bridge", OWNER),
        ("veth2", "veth", OWNER),
    }
    for link in (*owned, *owned):
        links.remove_link(link.name)
    assert host.links() == {"veth3"}


def test_fifty_containers_start_at_once_and_leave_nothing(host: FreshHost) -> None:
    bridges.ensure_bridge(BRIDGE)

    def start(number: int) -> None:
        links.plug(host.sandbox(f"c{number}"), plan(number))

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(start, range(2, 52)))
    for number in range(2, 52):
        assert reaches(None, host.directory / f"c{number}", f"10.9.0.{number}")
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(namespaces.remove, namespaces.below(host.directory)))
    assert eventually(lambda: host.links() == {"br0"})
