"""Choosing a subnet that nobody uses."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from daemon.networks.plans import Subnet
from daemon.networks.pools import free_subnet, pools_of
from daemon.settings import AddressPool

DEFAULTS = pools_of((), "an-engine")


def nets(*texts: str) -> list[Subnet]:
    return [ip_network(text) for text in texts]


def test_the_defaults_are_dockerds() -> None:
    found: list[Subnet] = []
    while (subnet := free_subnet(DEFAULTS, 4, found)) is not None:
        found.append(subnet)
    assert [str(subnet) for subnet in found] == [
        *(f"172.{second}.0.0/16" for second in range(17, 32)),
        *(f"192.168.{third}.0/20" for third in range(0, 256, 16)),
    ]


def test_what_is_taken_is_passed_over_whatever_its_size() -> None:
    taken = nets("172.17.3.0/24", "172.18.0.0/15", "172.20.0.1/32", "172.21.0.0/16", "fd00::/8", "10.0.0.0/8")
    assert str(free_subnet(DEFAULTS, 4, taken)) == "172.22.0.0/16"
    assert free_subnet(DEFAULTS, 4, nets("172.16.0.0/12", "192.168.0.0/16")) is None
    assert free_subnet(DEFAULTS, 4, nets("0.0.0.0/0")) is None


def test_a_pool_that_is_configured_replaces_the_defaults_of_its_family() -> None:
    pools = pools_of([AddressPool("10.10.0.0/23", 24)], "an-engine")
    assert str(free_subnet(pools, 4, ())) == "10.10.0.0/24"
    assert str(free_subnet(pools, 4, nets("10.10.0.128/25"))) == "10.10.1.0/24"
    assert free_subnet(pools, 4, nets("10.10.0.0/24", "10.10.1.0/24")) is None
    assert free_subnet(pools, 6, ()) == free_subnet(DEFAULTS, 6, ())


def test_ipv6_is_a_range_of_local_addresses_of_the_engines_own() -> None:
    first, second = free_subnet(DEFAULTS, 6, ()), free_subnet(pools_of((), "another"), 6, ())
    assert first is not None
    assert second is not None
    assert first != second
    assert first.prefixlen == 64
    assert first.subnet_of(ip_network("fd00::/8"))  # type: ignore[arg-type]  # both are IPv6
    following = free_subnet(DEFAULTS, 6, [first])
    assert following is not None
    assert int(following[0]) - int(first[0]) == 1 << 64


def test_a_base_with_bits_of_a_host_is_the_network_it_is_in() -> None:
    assert str(free_subnet([AddressPool("10.10.3.7/16", 24)], 4, ())) == "10.10.0.0/24"


SUBNETS = st.builds(
    lambda number, prefix: ip_network(((10 << 24) | number, prefix), strict=False),
    st.integers(0, 2**16 - 1),
    st.integers(20, 32),
)


@given(st.lists(SUBNETS, max_size=12), st.integers(18, 28))
def test_a_subnet_is_found_exactly_if_there_is_one_and_it_is_the_lowest(
    taken: list[Subnet], size: int
) -> None:
    base = ip_network("10.0.0.0/16")
    free = [one for one in base.subnets(new_prefix=size) if not any(map(one.overlaps, taken))]
    assert free_subnet([AddressPool(str(base), size)], 4, taken) == next(iter(free), None)
