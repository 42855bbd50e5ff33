"""What a client may ask of a network's subnets, and what it gets."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import EngineError, Forbidden, InvalidParameter
from daemon.networks.asked import PoolAsked
from daemon.networks.subnets import check, pool_of
from daemon.wire import parse_client

BOTH = {4: True, 6: True}


def asked(**document: Any) -> PoolAsked:
    return parse_client(document, PoolAsked)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "invalid subnet : invalid CIDR block notation"),
        ({"Subnet": "x"}, "invalid subnet x: invalid CIDR block notation"),
        ({"Subnet": "10.0.0.0"}, "invalid subnet 10.0.0.0: invalid CIDR block notation"),
        ({"Subnet": "10.0.0.0/33"}, "invalid subnet 10.0.0.0/33: invalid CIDR block notation"),
        ({"Subnet": "10.0.0.0/-1"}, "invalid subnet 10.0.0.0/-1: invalid CIDR block notation"),
        (
            {"Subnet": "10.0.0.0/255.0.0.0"},
            "invalid subnet 10.0.0.0/255.0.0.0: invalid CIDR block notation",
        ),
        ({"Subnet": "fe80::%a/64"}, "invalid subnet fe80::%a/64: invalid CIDR block notation"),
        ({"Subnet": "10.0.0.1/24"}, "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24"),
        (
            {"Subnet": "10.0.0.0/31"},
            "invalid subnet 10.0.0.0/31: it is too small for a gateway and a container",
        ),
        (
            {"Subnet": "fd00::/128"},
            "invalid subnet fd00::/128: it is too small for a gateway and a container",
        ),
        (
            {"Subnet": "127.0.0.0/8"},
            "invalid subnet 127.0.0.0/8: its addresses are none that a link can have",
        ),
        ({"Subnet": "0.0.0.0/0"}, "invalid subnet 0.0.0.0/0: its addresses are none that a link can have"),
        ({"IPRange": "x"}, "invalid ip-range x: invalid CIDR block notation"),
        ({"IPRange": "fd00::/64"}, "invalid ip-range fd00::/64: parent subnet is an IPv4 block"),
        (
            {"IPRange": "10.0.0.0/8"},
            "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.0.0.0/24",
        ),
        ({"IPRange": "10.0.0.1/25"}, "invalid ip-range 10.0.0.1/25: it should be 10.0.0.0/25"),
        (
            {"IPRange": "10.0.1.0/25"},
            "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
        ),
        ({"Gateway": "x"}, "invalid gateway x: invalid address"),
        ({"Gateway": "fd00::1"}, "invalid gateway fd00::1: parent subnet is an IPv4 block"),
        (
            {"Gateway": "10.0.1.1"},
            "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
        ),
        (
            {"AuxiliaryAddresses": {"a": "10.0.1.1"}},
            "invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address",
        ),
        ({"AuxiliaryAddresses": {"a": ""}}, "invalid auxiliary address a: invalid address"),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, Any], problem: str) -> None:
    whole = document if not document or "Subnet" in document else {"Subnet": "10.0.0.0/24", **document}
    with pytest.raises(InvalidParameter) as refused:
        check([asked(**whole)], BOTH)
    assert str(refused.value) == f"invalid network config:\n{problem}"


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InvalidParameter) as refused:
        check([asked(Subnet="x"), asked(Subnet="10.0.0.0/24", Gateway="y", IPRange="z")], BOTH)
    assert str(refused.value).splitlines()[1:] == [
        "invalid subnet x: invalid CIDR block notation",
        "invalid ip-range z: invalid CIDR block notation",
        "invalid gateway y: invalid address",
    ]


def test_a_subnet_of_a_version_that_the_network_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"invalid subnet fd00::/64: IPv6 is not enabled"):
        check([asked(Subnet="fd00::/64")], {4: True, 6: False})
    with pytest.raises(InvalidParameter, match=r"invalid subnet 10.0.0.0/24: IPv4 is not enabled"):
        check([asked(Subnet="10.0.0.0/24")], {4: False, 6: True})


def test_what_is_asked_is_what_is_made() -> None:
    wish = asked(
        Subnet="172.28.0.0/16",
        IPRange="172.28.5.0/24",
        Gateway="172.28.5.254",
        AuxiliaryAddresses={"a": "172.28.1.5", "b": "172.28.1.6"},
    )
    check([wish], BOTH)
    pool = pool_of(wish)
    assert (pool.subnet, pool.ip_range) == (ip_network("172.28.0.0/16"), ip_network("172.28.5.0/24"))
    assert pool.gateway == ip_address("172.28.5.254")
    assert pool.auxiliary == {"a": ip_address("172.28.1.5"), "b": ip_address("172.28.1.6")}
    assert pool.configured


def test_the_gateway_is_the_first_address_that_is_free() -> None:
    assert str(pool_of(asked(Subnet="10.0.0.0/24")).gateway) == "10.0.0.1"
    assert str(pool_of(asked(Subnet="10.0.0.0/24", IPRange="10.0.0.64/26")).gateway) == "10.0.0.64"
    taken = asked(Subnet="10.0.0.0/24", AuxiliaryAddresses={"a": "10.0.0.1"})
    assert str(pool_of(taken).gateway) == "10.0.0.2"
    assert str(pool_of(asked(Subnet="fd00::/64")).gateway) == "fd00::1"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            {"Gateway": "10.0.0.1", "AuxiliaryAddresses": {"a": "10.0.0.1"}},
            "failed to allocate gateway (10.0.0.1): Address already in use",
        ),
        ({"Gateway": "10.0.0.0"}, "failed to allocate gateway (10.0.0.0): Address already in use"),
        (
            {"AuxiliaryAddresses": {"a": "10.0.0.9", "b": "10.0.0.9"}},
            "failed to allocate secondary ip address (b:10.0.0.9): Address already in use",
        ),
        (
            {"AuxiliaryAddresses": {"a": "10.0.0.255"}},
            "failed to allocate secondary ip address (a:10.0.0.255): Address already in use",
        ),
        (
            {"IPRange": "10.0.0.8/32", "AuxiliaryAddresses": {"a": "10.0.0.8"}},
            "failed to allocate gateway: none is left in 10.0.0.8/32",
        ),
    ],
)
def test_two_cannot_have_one_address(document: dict[str, Any], text: str) -> None:
    wish = asked(Subnet="10.0.0.0/24", **document)
    check([wish], BOTH)
    with pytest.raises(Forbidden) as refused:
        pool_of(wish)
    assert str(refused.value) == text


ANY = st.text("0123456789abcdef:./%x ", max_size=20) | st.ip_addresses().map(str)
CIDRS = st.builds("{}/{}".format, st.ip_addresses(), st.integers(0, 128)) | ANY


@given(CIDRS, CIDRS | st.just(""), ANY, st.dictionaries(st.sampled_from("ab"), ANY))
def test_anything_is_made_or_refused(
    subnet: str, ip_range: str, gateway: str, others: dict[str, str]
) -> None:
    wish = PoolAsked(subnet, ip_range, gateway, others)
    try:
        check([wish], BOTH)
        pool = pool_of(wish)
    except EngineError:
        return
    assert pool.gateway in pool.subnet
    assert pool.gateway not in pool.auxiliary.values()
