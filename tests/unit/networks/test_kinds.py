"""What each kind of link is made with."""

from __future__ import annotations

import errno

import pytest

from daemon.errors import InvalidParameter
from daemon.networks.kinds import KINDS, lacking
from daemon.networks.netlink import Refused, attributes
from daemon.networks.plans import LinkPlan


def _plan(kind: str, mode: str = "") -> LinkPlan:
    return LinkPlan(kind, "parent0", "host0", "eth0", "02:42:0a:00:00:02", (), mtu=1400, mode=mode)


def _data(kind: str, mode: str) -> bytes:
    information = attributes(attributes(KINDS[kind].creation(_plan(kind, mode), 1, 2).body, 16)[18])
    assert information[1] == f"{kind}\0".encode()
    return attributes(information[2])[1]


@pytest.mark.parametrize(
    ("kind", "mode", "value"),
    [
        ("macvlan", "", 4),
        ("macvlan", "bridge", 4),
        ("macvlan", "private", 1),
        ("macvlan", "vepa", 2),
        ("macvlan", "passthru", 8),
        ("ipvlan", "", 0),
        ("ipvlan", "l2", 0),
        ("ipvlan", "l3", 1),
        ("ipvlan", "l3s", 2),
    ],
)
def test_modes_are_the_kernels_numbers(kind: str, mode: str, value: int) -> None:
    assert _data(kind, mode) == value.to_bytes(4 if kind == "macvlan" else 2, "little")


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan"])
def test_other_modes_are_refused(kind: str) -> None:
    with pytest.raises(InvalidParameter, match=f"{kind} has no mode l4: it is one of "):
        KINDS[kind].creation(_plan(kind, "l4"), 1, 2)


def test_ipvlan_has_its_parents_hardware_address() -> None:
    assert 1 not in attributes(KINDS["ipvlan"].creation(_plan("ipvlan"), 1, 2).body, 16)
    assert 1 in attributes(KINDS["macvlan"].creation(_plan("macvlan"), 1, 2).body, 16)


def test_only_an_unknown_kind_of_link_is_lacking() -> None:
    lacks = lacking(_plan("ipvlan"), Refused(errno.EOPNOTSUPP, "Operation not supported"))
    assert "load the module ipvlan" in str(lacks)
    assert lacking(_plan("ipvlan"), Refused(errno.EEXIST, "File exists")) is None
