"""Giving out addresses: never one twice, never one that is spoken for, in any subnet of any size."""

from __future__ import annotations

import contextlib
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.networks.addresses import Allotment, Exhausted, Pool, assignable, first_free, mac_of
from daemon.networks.plans import Address, Subnet

SMALL = st.sampled_from(["10.0.0.0/29", "10.0.0.16/28", "fd00::/125", "fd00::/124"]).map(ip_network)


def a_pool(subnet: str, gateway: str, **changes: Any) -> Pool:
    return attrs.evolve(Pool(ip_network(subnet), ip_address(gateway)), **changes)


def given_all(allotment: Allotment) -> list[Address]:
    found = []
    with contextlib.suppress(Exhausted):
        while True:
            found.append(allotment.give())
    return found


def test_addresses_come_one_after_the_other_and_then_there_are_none() -> None:
    allotment = Allotment(a_pool("10.0.0.0/29", "10.0.0.1"))
    assert [str(address) for address in given_all(allotment)] == [f"10.0.0.{n}" for n in range(2, 7)]


def test_one_that_was_given_back_comes_again_only_after_all_others() -> None:
    allotment = Allotment(a_pool("10.0.0.0/29", "10.0.0.1"))
    first = allotment.give()
    allotment.give_back(first)
    assert [str(address) for address in given_all(allotment)] == [
        *("10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"),
        "10.0.0.2",
    ]


def test_only_the_range_is_given_but_all_of_the_subnet_can_be_taken() -> None:
    pool = a_pool("10.0.0.0/24", "10.0.0.1", ip_range=ip_network("10.0.0.128/30"))
    allotment = Allotment(pool)
    allotment.take(ip_address("10.0.0.129"))
    allotment.take(ip_address("10.0.0.7"))
    assert [str(address) for address in given_all(allotment)] == ["10.0.0.128", "10.0.0.130", "10.0.0.131"]
    assert allotment.holds(ip_address("10.0.0.7"))
    assert not allotment.holds(ip_address("10.0.0.8"))


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.255", "10.0.0.1", "10.0.0.9"])
def test_what_no_endpoint_can_have_is_held(address: str) -> None:
    pool = a_pool("10.0.0.0/24", "10.0.0.1", auxiliary={"other": ip_address("10.0.0.9")})
    allotment = Allotment(pool)
    assert allotment.holds(ip_address(address))
    allotment.give_back(ip_address(address))
    assert allotment.holds(ip_address(address))


def test_the_last_address_of_an_ipv6_subnet_is_one_like_any_other() -> None:
    allotment = Allotment(a_pool("fd00::/126", "fd00::1"))
    assert [str(address) for address in given_all(allotment)] == ["fd00::2", "fd00::3"]


def test_what_somebody_had_before_a_restart_is_where_it_goes_on() -> None:
    allotment = Allotment(a_pool("10.0.0.0/24", "10.0.0.1"))
    for number in (9, 4):
        allotment.keep(ip_address(f"10.0.0.{number}"))
    assert str(allotment.give()) == "10.0.0.10"


def test_an_address_asked_for_does_not_change_where_it_goes_on() -> None:
    allotment = Allotment(a_pool("10.0.0.0/24", "10.0.0.1"))
    allotment.take(ip_address("10.0.0.200"))
    assert str(allotment.give()) == "10.0.0.2"


def test_a_large_subnet_costs_no_more_than_a_small_one() -> None:
    six = Allotment(a_pool("fd00::/64", "fd00::1"))
    four = Allotment(a_pool("10.0.0.0/8", "10.0.0.1"))
    assert [str(six.give()) for _ in range(2)] == ["fd00::2", "fd00::3"]
    six.take(ip_address("fd00::ffff:ffff:ffff:ffff"))
    assert len({four.give() for _ in range(1000)}) == 1000


def test_a_gateway_is_put_where_nobody_is() -> None:
    subnet = IPv4Network("10.0.0.0/29")
    assert str(first_free(subnet, None, [IPv4Address("10.0.0.1")])) == "10.0.0.2"
    assert str(first_free(subnet, IPv4Network("10.0.0.4/30"), ())) == "10.0.0.4"
    with pytest.raises(Exhausted):
        first_free(subnet, IPv4Network("10.0.0.6/31"), [IPv4Address("10.0.0.6")])


@pytest.mark.parametrize(
    ("subnet", "first", "last"),
    [("10.0.0.0/30", "10.0.0.1", "10.0.0.2"), ("fd00::/126", "fd00::1", "fd00::3")],
)
def test_hosts_have_what_the_standards_leave_them(subnet: str, first: str, last: str) -> None:
    assert assignable(ip_network(subnet)) == (int(ip_address(first)), int(ip_address(last)))


def test_the_hardware_address_follows_from_ipv4_and_is_random_without() -> None:
    assert mac_of(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"
    random = mac_of(IPv6Address("fd00::2"))
    assert random.startswith("02:42:")
    assert len(random) == len("02:42:ac:11:00:02")
    assert random != mac_of(None)


def numbered(subnet: Subnet, number: int) -> Address:
    return subnet[number - int(subnet[0])]


class Giving(RuleBasedStateMachine):
    """Giving, taking and giving back in any order, beside a set that keeps the books."""

    allotment: Allotment
    held: set[Address]

    @initialize(subnet=SMALL, data=st.data())
    def begin(self, subnet: Subnet, data: st.DataObject) -> None:
        first, last = assignable(subnet)
        anyone = st.integers(first, last).map(partial(numbered, subnet))
        gateway = data.draw(anyone)
        auxiliary = data.draw(st.lists(anyone, max_size=2))
        parts = [None, *subnet.subnets(prefixlen_diff=1)]
        ip_range = data.draw(st.sampled_from(parts))
        named = {str(i): address for i, address in enumerate(auxiliary)}
        self.pool = Pool(subnet, gateway, ip_range, named)
        self.allotment, self.held = Allotment(self.pool), set()

    @property
    def free(self) -> set[Address]:
        """What may be given without being asked for."""
        first, last = assignable(self.pool.subnet, self.pool.ip_range)
        everything = {numbered(self.pool.subnet, number) for number in range(first, last + 1)}
        return everything - self.held - self.pool.reserved

    @rule()
    def give(self) -> None:
        free = self.free
        if free:
            address = self.allotment.give()
            assert address in free
            self.held.add(address)
        else:
            with pytest.raises(Exhausted):
                self.allotment.give()

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(int(self.pool.subnet[0]), int(self.pool.subnet[-1])))
        address = numbered(self.pool.subnet, number)
        first, last = assignable(self.pool.subnet)
        spoken_for = address in self.held | self.pool.reserved or not first <= int(address) <= last
        assert self.allotment.holds(address) is spoken_for
        if not spoken_for:
            self.allotment.take(address)
            self.held.add(address)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.held, key=int)))
        self.allotment.give_back(address)
        self.held.remove(address)

    @invariant()
    def what_is_held_is_known(self) -> None:
        assert all(self.allotment.holds(address) for address in self.held)


TestGiving = Giving.TestCase
TestGiving.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.integers(8, 64), st.integers(0, 2**40 - 1))
def test_an_ipv6_subnet_of_any_size_gives_addresses_of_its_own(prefix: int, number: int) -> None:
    subnet = IPv6Network(((0xFD << 120) + (number << 80), prefix), strict=False)
    allotment = Allotment(Pool(subnet, first_free(subnet, None, ())))
    addresses = {allotment.give() for _ in range(3)}
    assert len(addresses) == 3
    assert all(address in subnet for address in addresses)
